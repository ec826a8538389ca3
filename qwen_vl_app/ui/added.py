"""The pictures that go with the next question: taken in, shown, taken away."""

from collections.abc import Sequence
from html import escape
from typing import Any

import gradio as gr

from qwen_vl_app.errors import Language, TooManyPictures
from qwen_vl_app.ui import markup
from qwen_vl_app.ui.album import Album
from qwen_vl_app.ui.events import SHORT
from qwen_vl_app.ui.findings import address
from qwen_vl_app.ui.person import language_for
from qwen_vl_app.ui.texts import text
from qwen_vl_app.ui.view import told

MOST = 8  # with one question; each halves what the others may take of the context
PRESSED = "(state, number) => [state, pressed.number]"


class Added:
    """The handlers of the pictures that go with the next question."""

    def __init__(self, album: Album) -> None:
        self._album = album

    async def add(self, chosen: list[str] | None, added: tuple[str, ...], request: gr.Request) -> tuple[Any, Any, str]:
        """The pictures with those `chosen`, as they are shown, and why if one cannot be taken: then none is."""
        language = language_for(request)
        try:
            if len(added) + len(chosen or ()) > MOST:
                raise TooManyPictures(limit=MOST)
            new = [await self._album.viewable(path) for path in chosen or ()]
        except Exception as error:
            return gr.skip(), gr.skip(), markup.refused(told(error, language).message)
        return (*added, *new), chips((*added, *new), language), ""

    async def drop(self, added: tuple[str, ...], number: object, request: gr.Request) -> tuple[Any, Any]:
        """The pictures without the one of that number, from 0, as they are shown too."""
        if not isinstance(number, int) or not 0 <= number < len(added):
            return gr.skip(), gr.skip()
        left = added[:number] + added[number + 1 :]
        return left, chips(left, language_for(request))

    def wire(self, added: gr.State, add: gr.UploadButton, shelf: gr.HTML, notice: gr.HTML, number: gr.JSON) -> None:
        """Take what is chosen, show it on the shelf, take it away again."""
        add.upload(self.add, [add, added], [added, shelf, notice], **SHORT)
        drop = gr.Button(elem_id="drop-added", visible="hidden")
        drop.click(self.drop, [added, number], [added, shelf], js=PRESSED, **SHORT)


def shelved(added: tuple[str, ...], language: Language) -> dict[str, Any]:
    """The parts of a view that hold the pictures of the next question."""
    return {"added": added, "shelf": chips(added, language)}


def chips(added: Sequence[str], language: Language) -> str:
    """Each picture small, with its number and a button that takes it away."""
    inside = "".join(_chip(path, at, language) for at, path in enumerate(added))
    return f'<div class="shelf">{inside}</div>' if inside else ""


def _chip(path: str, at: int, language: Language) -> str:
    away = escape(text("drop_added", language, number=at + 1))
    alt = escape(text("added", language, number=at + 1))
    hint = escape(text("added_hint", language, number=at + 1))
    return (
        f'<figure class="added" title="{hint}"><img src="{address(path)}" alt="{alt}">'
        f"<figcaption>[{at + 1}]</figcaption>"
        f'<button type="button" data-press="drop-added" data-number="{at}" aria-label="{away}">×</button></figure>'
    )
