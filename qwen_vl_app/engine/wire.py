"""What supervisor and worker send each other, pickled over a socket pair."""

from dataclasses import dataclass
from typing import TypeAlias

from qwen_vl_app.chat import Delta, Request
from qwen_vl_app.engine.plan import Device, Plan
from qwen_vl_app.errors import AppError


@dataclass(frozen=True)
class Cancel:
    """End the answer to a request early."""

    request_id: str


@dataclass(frozen=True)
class Resume:
    """Go on with an answer that another worker began: `answer` are the token ids that the person has read."""

    request: Request
    answer: tuple[int, ...]


@dataclass(frozen=True)
class Close:
    """Stop the worker."""


@dataclass(frozen=True)
class Loading:
    """The fraction of the model that is loaded."""

    fraction: float


@dataclass(frozen=True)
class Ready:
    """One decode and one encode are done in this process, as `plan` says, on `device` if on any."""

    plan: Plan
    device: Device | None


@dataclass(frozen=True)
class Failed:
    """The model cannot be loaded; `reason` is llama.cpp's, for the terminal. `final`: no other sizes will help."""

    reason: str
    final: bool = False


@dataclass(frozen=True)
class Working:
    """Which requests are in llama.cpp's hands from now on, by id; sent before the call that may end the process."""

    encoding: str = ""
    reading: frozenset[str] = frozenset()
    writing: frozenset[str] = frozenset()


Answers: TypeAlias = list[tuple[str, Delta | AppError]]
ToWorker: TypeAlias = Plan | Request | Resume | Cancel | Close
FromWorker: TypeAlias = Loading | Ready | Failed | Working | Answers
