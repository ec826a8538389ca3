"""The command `describe`: answers about picture files, written to the terminal."""

import argparse
import sys
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path

from qwen_vl_app import reading, tasks
from qwen_vl_app.chat import Message, Progress, Request, Text, Token
from qwen_vl_app.errors import AppError, Language, SetupError
from qwen_vl_app.host import Host, open_host
from qwen_vl_app.media import Picture
from qwen_vl_app.media.fit import Box
from qwen_vl_app.settings import Settings
from qwen_vl_app.tasks import Task
from qwen_vl_app.weights import Terminal

PART = "part {part} of {parts}", "第 {part} 部分，共 {parts} 部分"  # of a long picture


class BadRegion(SetupError):
    """The value of `--region` is no four numbers."""

    def text(self, language: Language) -> str:
        """What is wanted, in `language`."""
        if language == "zh":
            return f"--region：“{self}”不对，需要四个整数（像素）：左,上,右,下，例如 100,40,500,300"
        return f"--region: '{self}' is not four whole numbers of pixels: LEFT,TOP,RIGHT,BOTTOM, e.g. 100,40,500,300"


@dataclass(frozen=True)
class Wanted:
    """What is asked about each picture, or about its `region` in px."""

    task: Task
    prompt: str
    language: Language
    region: Box | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own arguments."""
    parser.add_argument("pictures", nargs="+", metavar="PICTURE", help="picture files")
    parser.add_argument("--task", choices=tasks.TASKS, default="describe", help="what to do (default: describe)")
    parser.add_argument("--prompt", help="your own question; for a task that takes words: what to find, fields")
    parser.add_argument("--region", metavar="X0,Y0,X1,Y1", help="ask about this part only; px of the upright picture")


def wanted(arguments: argparse.Namespace, language: Language) -> Wanted:
    """What the arguments ask for.

    Raises:
        BadRegion: `--region` is not four whole numbers.
    """
    region = _region(arguments.region) if arguments.region else None
    return Wanted(tasks.TASKS[arguments.task], arguments.prompt or "", language, region)


def _region(words: str) -> Box:
    try:
        left, top, right, bottom = (int(word) for word in words.split(","))
    except ValueError:
        raise BadRegion(words) from None
    return left, top, right, bottom


async def describe(options: Settings, pictures: Sequence[str], asked: Wanted) -> int:
    """Print an answer for each picture file (or each group that the task takes) as it is written; 1 if any failed.

    Raises:
        SetupError: the model cannot be loaded.
    """
    host = open_host(options)
    await host.start(Terminal(sys.stderr, asked.language))
    failed = 0
    try:
        for first in range(0, len(pictures), asked.task.pictures):
            names = pictures[first : first + asked.task.pictures]
            if len(pictures) > asked.task.pictures:
                print(f"{', '.join(names)}:")
            failed += not await _describe(host, names, asked)
    finally:
        await host.close()
    return 1 if failed else 0


async def _describe(host: Host, names: Sequence[str], asked: Wanted) -> bool:
    try:
        opened = await _open(host, names, asked)
        pieces = await _pieces(host, names[0], opened, asked)
        await _answer(host, _request(host, opened, asked), pieces or opened[-1:], asked)
    except AppError as error:
        print(f"error: {error.text(asked.language)}", file=sys.stderr)
        return False
    except OSError as error:
        print(f"error: {', '.join(names)}: {error.strerror}", file=sys.stderr)
        return False
    return True


async def _open(host: Host, names: Sequence[str], asked: Wanted) -> list[Picture]:
    detail, among = asked.task.detail, len(names)
    return [
        await host.picture(Path(name), name, among=among, detail=detail, region=asked.region if not at else None)
        for at, name in enumerate(names)
    ]


async def _pieces(host: Host, name: str, opened: Sequence[Picture], asked: Wanted) -> Sequence[Picture]:
    """The pieces of a long picture that is to be read; none else."""
    if not reading.may_be_long(opened, asked.task, asked.task.question(asked.language, asked.prompt)):
        return ()
    return await host.pieces(Path(name), name, asked.task.detail, asked.region)


def _request(host: Host, pictures: Sequence[Picture], asked: Wanted) -> Request:
    words = Text(asked.task.question(asked.language, asked.prompt))
    message = Message("user", (*(picture.image for picture in pictures), words))
    schema = asked.task.schema(asked.language, asked.prompt)
    return replace(host.request((message,), "cli", asked.task), json_schema=schema)


async def _answer(host: Host, request: Request, seen: Sequence[Picture], asked: Wanted) -> None:
    """Print the answer as it grows; places in a part of the picture at the end, where they are in all of it."""
    growing, text, part = asked.region is None or asked.task.kind != "places" or len(seen) > 1, "", 0
    async with aclosing(reading.answer(host.engine, request, seen, asked.task)) as deltas:
        async for delta in deltas:
            if isinstance(delta, Token):
                text += delta.text
                print(delta.text if growing else "", end="", flush=True)
            elif isinstance(delta, Progress) and delta.part != part:
                part = delta.part
                print(PART[asked.language == "zh"].format(part=part, parts=delta.parts), file=sys.stderr, flush=True)
    print("" if growing else _in_whole(text, seen[-1]), flush=True)


def _in_whole(answer: str, seen: Picture) -> str:
    """The answer with its places, 0 to 1000 on each side of what was `seen`, on the sides of the whole picture."""
    found = tasks.found(answer)
    if not (found.places or found.lost or found.cut):
        return answer
    whole = tasks.Whole(seen.original_width, seen.original_height)
    return tasks.as_answer(tasks.in_pixels(found.places, seen), whole, found.lost, found.cut)
