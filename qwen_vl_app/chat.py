"""What is asked and what is answered: the one form that every entry builds and every engine consumes."""

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Role: TypeAlias = Literal["system", "user", "assistant"]
FinishReason: TypeAlias = Literal["stop", "length", "cancelled"]


@dataclass(frozen=True)
class Text:
    """Words of a person or of the model; never interpreted as template or control tokens."""

    text: str


@dataclass(frozen=True)
class Image:
    """A picture as the model sees it: `rgb` holds height x width x 3 bytes, both sides multiples of 32 px.

    `key` is the SHA-256 of size and pixels; equal pictures have equal keys.
    """

    rgb: bytes = field(repr=False)
    width: int
    height: int
    key: str


@dataclass(frozen=True)
class FramePair:
    """Two frames of one video, of the same size, which the model takes as one picture in time."""

    first: Image
    second: Image


Part: TypeAlias = Text | Image | FramePair


@dataclass(frozen=True)
class Message:
    """One turn."""

    role: Role
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen. The defaults are greedy; each model's own are in the catalogue.

    Penalties look at the last `penalty_window` tokens of the answer (0 switches them off).
    """

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    repeat_penalty: float = 1.0
    penalty_window: int = 64
    seed: int | None = None


@dataclass(frozen=True)
class Request:
    """A conversation and how to answer it. `owner` separates people.

    It ends with a user turn, or with the beginning of the answer: then what is answered is the rest of it.
    """

    messages: tuple[Message, ...]
    sampling: Sampling = Sampling()
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    logit_bias: tuple[tuple[int, float], ...] = ()
    json_schema: str | None = None
    owner: str = "local"
    id: str = field(default_factory=lambda: uuid.uuid4().hex)


@dataclass(frozen=True)
class Usage:
    """Real counts in cells: one per text token, one per 32x32 px of a picture, two more per picture."""

    prompt_tokens: int
    completion_tokens: int = 0
    cached_tokens: int = 0


@dataclass(frozen=True)
class Accepted:
    """The request is tokenised, fits, and has its place in the queue. Always the first delta."""

    prompt_tokens: int


@dataclass(frozen=True)
class Progress:
    """Sent at least every 0.5 s until the answer ends.

    queued: `done` requests are before this one · looking: `done` of `total` new pictures are encoded ·
    reading: `done` of `total` prompt tokens are in · writing: nothing new since the last delta.
    `part` of `parts`: the piece of a long picture that it is about, from 1; 0 where there are none.
    """

    stage: Literal["queued", "looking", "reading", "writing"]
    done: int = 0
    total: int = 0
    part: int = 0
    parts: int = 0


@dataclass(frozen=True)
class Token:
    """One generated token. `text` may be empty while a character or a stop string is incomplete.

    A last piece of text that was held back comes with the id -1.
    """

    text: str
    id: int = -1


@dataclass(frozen=True)
class Finished:
    """The last delta. `detail` says more than the reason does, e.g. `repetition`."""

    reason: FinishReason
    usage: Usage
    detail: str = ""


Delta: TypeAlias = Accepted | Progress | Token | Finished


@dataclass(frozen=True)
class Answer:
    """A whole answer."""

    text: str
    reason: FinishReason
    usage: Usage
    detail: str = ""


async def join(deltas: AsyncIterator[Delta]) -> Answer:
    """The whole answer of a stream of deltas.

    Raises:
        RuntimeError: the stream ended without `Finished`.
    """
    pieces: list[str] = []
    async for delta in deltas:
        if isinstance(delta, Token):
            pieces.append(delta.text)
        elif isinstance(delta, Finished):
            return Answer("".join(pieces), delta.reason, delta.usage, delta.detail)
    raise RuntimeError("the stream ended without Finished")
