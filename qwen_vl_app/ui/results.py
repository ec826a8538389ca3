"""What a task's answer becomes under the conversation: places on the picture, fields in a table, files to take away."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from qwen_vl_app import media, tasks
from qwen_vl_app.errors import AppError, Language
from qwen_vl_app.media import Mark, Picture
from qwen_vl_app.tasks import TASKS, Found, Place
from qwen_vl_app.ui import findings
from qwen_vl_app.ui.album import Album, original
from qwen_vl_app.ui.events import SHORT
from qwen_vl_app.ui.person import language_for
from qwen_vl_app.ui.talk import Exchange, Talk
from qwen_vl_app.ui.wishes import read

# Okabe and Ito's colours that white letters can be read on (jfly.uni-koeln.de/color), darkened where needed.
PALETTE = ("#0b6aa8", "#b4480a", "#00735c", "#a1437f", "#8a6300", "#5b3fa0", "#a11d33", "#3c5a14")


class Results:
    """The handlers of the events that follow an answer."""

    def __init__(self, album: Album) -> None:
        self._album = album

    def wire(self, talk: gr.State, turns: Sequence[Any], kept: Any, parts: Sequence[Any]) -> None:
        """Show after each of `turns` what became of the answer; `parts` are the card and the files."""
        for turn in turns:
            shown = turn.then(self.show, [talk, kept], list(parts), **SHORT)
            shown.then(self.draw, [talk, parts[1], kept], parts[1], **SHORT)

    async def show(self, talk: Talk, kept: object, request: gr.Request) -> tuple[str, str]:
        """The card of the last answer and its files; both empty if it is nothing but text."""
        if not talk.exchanges:
            return "", ""
        last, language = talk.exchanges[-1], language_for(request)
        remark = findings.remark(tasks.NO_DIAGNOSIS, language) if tasks.is_medical(last.question) else ""
        kind = TASKS[last.task].kind
        if kind == "fields" and (named := tasks.fields(last.answer)):
            return remark + findings.table(named, language), findings.field_files(named, _stem(talk.subject))
        if kind == "places" and talk.subject:
            card, files = await self._places(talk, last, kept, language)
            return remark + card, files
        return remark, ""

    async def _places(self, talk: Talk, last: Exchange, kept: object, language: Language) -> tuple[str, str]:
        found = tasks.found(last.answer)
        if not found.places and not found.lost and not found.cut:
            return "", ""
        picture = await self._opened(talk, last, kept)
        size = picture.original_width, picture.original_height
        places = tasks.in_pixels(found.places, tasks.Whole(*size) if last.pieces else picture)
        marks = coloured(places)
        card = findings.places(talk.subject, size, marks, found, language)
        return card, findings.place_files(places, Path(talk.subject).name, size)

    async def draw(self, talk: Talk, files: str, kept: object, request: gr.Request) -> str:
        """The files once more, with the picture that has the places drawn on it; made after everything else."""
        if not files or not talk.exchanges or TASKS[talk.exchanges[-1].task].kind != "places":
            return files
        found: Found = tasks.found(talk.exchanges[-1].answer)
        if not found.places:
            return files
        source, last = original(talk.subject), talk.exchanges[-1]
        picture = await self._opened(talk, last, kept)
        frame = tasks.Whole(picture.original_width, picture.original_height) if last.pieces else picture
        try:
            png = await media.draw_marks(source, source.name, coloured(tasks.in_pixels(found.places, frame)))
        except AppError:  # too large to be drawn on: everything else is there
            return files
        drawn = source.with_name(f"{source.stem}-places.png")
        await asyncio.to_thread(drawn.write_bytes, png)
        return findings.with_drawn(files, str(drawn), language_for(request))

    async def _opened(self, talk: Talk, last: Exchange, kept: object) -> Picture:
        """The picture, or the part of it, as it was looked at."""
        portion = last.region if talk.subject == talk.picture else None
        return await self._album.open(talk.subject, read(kept).detail or talk.detail(), len(talk.pictures), portion)


def coloured(places: Sequence[Place]) -> list[Mark]:
    """Each place with the colour of its label."""
    known = list(dict.fromkeys(place.label for place in places))
    return [Mark(place.at, place.label, PALETTE[known.index(place.label) % len(PALETTE)]) for place in places]


def _stem(path: str) -> str:
    return Path(path).stem if path else "answer"
