"""A long picture read piece by piece: one request to the engine for each, one answer for whoever asked."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Protocol, TypeAlias

from qwen_vl_app.chat import Accepted, Delta, Finished, FinishReason, Image, Message, Progress, Request, Token, Usage
from qwen_vl_app.engine import Engine
from qwen_vl_app.media import Picture, join_texts
from qwen_vl_app.tasks import Place, Task, Whole, as_answer, found, in_pixels, merged


@dataclass(frozen=True)
class Joined:
    """All that was answered so far, in the place of every token before it: what two pieces share is there once.

    `settled` stays as it is, the next piece may change `rest`.
    """

    settled: str
    rest: str


Answered: TypeAlias = Delta | Joined


class _Joining(Protocol):
    def add(self, answer: str, piece: Picture) -> Joined: ...


class _Lines:
    """Text, line by line."""

    def __init__(self) -> None:
        self._settled: list[str] = []
        self._open: list[str] = []

    def add(self, answer: str, piece: Picture) -> Joined:
        joined = join_texts(["\n".join(self._open), answer]).splitlines()
        same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(self._open, joined, strict=False)))
        self._settled += joined[:same]
        self._open = joined[same:]
        between = "\n" if self._settled and self._open else ""
        return Joined("\n".join(self._settled), between + "\n".join(self._open))


class _Places:
    """Places, on the sides of the whole picture; nothing is settled before the last piece."""

    def __init__(self) -> None:
        self._pieces: list[list[Place]] = []
        self._lost, self._cut = 0, False

    def add(self, answer: str, piece: Picture) -> Joined:
        read = found(answer)
        self._pieces.append(in_pixels(read.places, piece))
        self._lost, self._cut = self._lost + read.lost, self._cut or read.cut
        whole = Whole(piece.original_width, piece.original_height)
        return Joined("", as_answer(merged(self._pieces), whole, self._lost, self._cut))


def may_be_long(pictures: Sequence[Picture], task: Task, question: str) -> bool:
    """Whether `question` has all of one picture read, and that picture is tall: then its pieces are worth opening."""
    return len(pictures) == 1 and task.reads(question) and pictures[0].original_height > pictures[0].original_width


async def read(
    engine: Engine, request: Request, pieces: Sequence[Picture], task: Task
) -> AsyncGenerator[Answered, None]:
    """The answer to `request`, which is about one picture, from its `pieces`, top to bottom.

    Tokens come as they are written, `Joined` after each piece; `Progress` says which piece it is about. All have the id
    of `request`, one after the other, so that cancelling it ends whichever is being read. Usage is the sum.
    """
    joining: _Joining = _Places() if task.kind == "places" else _Lines()
    ends: list[Finished] = []
    for number, piece in enumerate(pieces, 1):
        answer = ""
        try:
            async with aclosing(engine.stream(_part(request, piece, ends))) as deltas:
                async for delta in deltas:
                    if isinstance(delta, Finished):
                        ends.append(delta)
                    elif not isinstance(delta, Accepted) or number == 1:
                        yield _numbered(delta, number, len(pieces), new=not answer)
                    answer += delta.text if isinstance(delta, Token) else ""
        except Exception:
            yield joining.add(answer, piece)
            raise
        yield joining.add(answer, piece)
        if ends[-1].reason == "cancelled" or _spent(ends) == request.max_tokens:
            break
    yield _end(ends)


async def plain(answered: AsyncGenerator[Answered, None]) -> AsyncGenerator[Delta, None]:
    """`read` for those who cannot take a word back: text comes when it is settled, progress meanwhile."""
    told, rest, now = 0, "", Progress("writing")
    async with aclosing(answered):
        try:
            async for delta in answered:
                if isinstance(delta, Joined):
                    if len(delta.settled) > told:
                        yield Token(delta.settled[told:])
                    told, rest = len(delta.settled), delta.rest
                elif isinstance(delta, Token):
                    yield now
                elif isinstance(delta, Finished):
                    yield Token(rest)
                    yield delta
                else:
                    now = replace(delta, stage="writing") if isinstance(delta, Progress) else now
                    yield delta
        except Exception:
            yield Token(rest)
            raise


def answer(engine: Engine, request: Request, pieces: Sequence[Picture], task: Task) -> AsyncGenerator[Delta, None]:
    """The answer to `request` in plain deltas, read from the `pieces` of its picture if there are several."""
    return plain(read(engine, request, pieces, task)) if len(pieces) > 1 else engine.stream(request)


def _part(request: Request, piece: Picture, ends: Sequence[Finished]) -> Request:
    """The request about one piece, with what is left of the permitted tokens."""
    left = request.max_tokens - _spent(ends) if request.max_tokens else None
    return replace(request, messages=tuple(_about(each, piece.image) for each in request.messages), max_tokens=left)


def _about(message: Message, image: Image) -> Message:
    return replace(message, parts=tuple(image if isinstance(part, Image) else part for part in message.parts))


def _numbered(delta: Delta, number: int, count: int, new: bool) -> Delta:
    """The delta with its piece; the text of a further one begins on a line of its own."""
    if isinstance(delta, Progress):
        return replace(delta, part=number, parts=count)
    return replace(delta, text="\n" + delta.text) if isinstance(delta, Token) and new and number > 1 else delta


def _spent(ends: Sequence[Finished]) -> int:
    return sum(end.usage.completion_tokens for end in ends)


def _end(ends: Sequence[Finished]) -> Finished:
    reasons = [end.reason for end in ends]
    reason: FinishReason = next((worst for worst in ("cancelled", "length") if worst in reasons), "stop")
    usages = [end.usage for end in ends]
    prompt, cached = (sum(getattr(usage, name) for usage in usages) for name in ("prompt_tokens", "cached_tokens"))
    detail = next((end.detail for end in ends if end.detail), "")
    return Finished(reason, Usage(prompt, _spent(ends), cached), detail)
