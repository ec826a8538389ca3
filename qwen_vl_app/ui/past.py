"""Earlier conversations: the browser keeps them, the server only tells it what was said and takes one up again."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gradio as gr

from qwen_vl_app.errors import InvalidField
from qwen_vl_app.tasks import ASK, TASKS
from qwen_vl_app.ui import markup
from qwen_vl_app.ui.added import shelved
from qwen_vl_app.ui.desk import Desk
from qwen_vl_app.ui.events import SHORT
from qwen_vl_app.ui.follow_ups import follow_ups
from qwen_vl_app.ui.parts import Pictures
from qwen_vl_app.ui.person import language_for, session_of
from qwen_vl_app.ui.portion import portion_in
from qwen_vl_app.ui.talk import Exchange, Talk, bubbles
from qwen_vl_app.ui.view import View, idle, told


class Past:
    """The handlers; `history.js` is the other side."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def record(self, talk: Talk) -> dict[str, Any]:
        """The conversation as the browser keeps it; an exchange names its pictures by their places in `more`."""
        more = talk.pictures[len(talk.first) :]
        exchanges = [{**asdict(each), "pictures": [more.index(p) for p in each.pictures]} for each in talk.exchanges]
        names = {"name": Path(talk.picture).name, "second_name": Path(talk.second).name}
        files = [{"path": path, "name": Path(path).name} for path in more]
        return {"picture": talk.picture, "second": talk.second, "more": files, "exchanges": exchanges, **names}

    async def reopen(
        self,
        opening: object,
        picture: str | None,
        second: str | None,
        more: list[str],
        kept: object,
        request: gr.Request,
    ) -> View:
        """The page with a conversation that the browser had kept; its pictures have been uploaded again."""
        language = language_for(request)
        await self._desk.answering.jobs.stop(session_of(request), clear=True)
        try:
            talk = Talk(picture or "", exchanges_in(opening, more), second or "")
            for path in talk.pictures:
                await self._desk.album.open(path)
        except Exception as error:
            return gr.skip(), gr.skip(), gr.skip(), markup.refused(told(error, language).message), *idle(), None
        facts = await self._desk.measure(picture, kept, None, request)
        shown = bubbles(talk, language)
        status = markup.done("", follow_ups(talk, language))
        beside = gr.update(value=second, visible=bool(second))
        view = idle(chat=shown, status=status, talk=talk, question="", **shelved((), language))
        region = talk.exchanges[-1].region if talk.exchanges else None
        return beside, picture, picture, facts, *view, list(region) if region else None

    def wire(self, talk: gr.State, turns: Sequence[Any], kept: Any, parts: Sequence[Any]) -> Any:
        """Tell the browser after each of `turns` what was said; returns the event that takes one up again.

        `parts`: second, picture, good one, notice, view, selected part.
        """
        record, opening = gr.JSON(visible="hidden"), gr.JSON(visible="hidden")
        more = Pictures(file_count="multiple", visible="hidden")
        for turn in turns:
            turn.then(self.record, talk, record, **SHORT).then(
                None, record, None, js="(record) => conversations.keep(record)", **SHORT
            )
        return gr.Button(elem_id="reopen", visible="hidden").click(
            self.reopen,
            [opening, parts[1], parts[0], more, kept],
            list(parts),
            js="(opening, picture, second, more, kept) => [...conversations.take(), kept]",
            **SHORT,
        )


def exchanges_in(opening: object, more: Sequence[str] = ()) -> tuple[Exchange, ...]:
    """The exchanges that a browser had kept, with the paths of the pictures added to them, uploaded again as `more`.

    Raises:
        InvalidField: they are not of the form in which `Past.record` gave them.
    """
    given = opening.get("exchanges") if isinstance(opening, dict) else None
    try:
        return tuple(_exchange(item, more) for item in given or ())
    except (TypeError, KeyError, AttributeError, IndexError, InvalidField):
        raise InvalidField(field="exchanges", why="is not what this page had kept") from None


def _exchange(item: dict[str, Any], more: Sequence[str]) -> Exchange:
    question, answer = item["question"], item["answer"]
    if not (isinstance(question, str) and isinstance(answer, str) and question and answer):
        raise TypeError
    task, typed, title = (str(item.get(name) or "") for name in ("task", "typed", "title"))
    schema = item.get("schema") if isinstance(item.get("schema"), str) else None
    marks = bool(item.get("cut")), bool(item.get("by_demo"))
    pictures = tuple(more[number] for number in item.get("pictures") or ())
    task = task if task in TASKS else ASK.name
    region, pieces = portion_in(item.get("region")), item.get("pieces")
    read = pieces if isinstance(pieces, int) else 0
    return Exchange(question, answer, *marks, task, typed, title, schema, pictures, region, read)
