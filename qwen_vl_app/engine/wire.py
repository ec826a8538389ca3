"""What supervisor and worker send each other, pickled over a socket pair."""

from dataclasses import dataclass
from typing import TypeAlias

from qwen_vl_app.chat import Delta, Request
from qwen_vl_app.engine.plan import Plan
from qwen_vl_app.errors import AppError


@dataclass(frozen=True)
class Cancel:
    """End the answer to a request early."""

    request_id: str


@dataclass(frozen=True)
class Close:
    """Stop the worker."""


@dataclass(frozen=True)
class Loading:
    """The fraction of the model that is loaded."""

    fraction: float


@dataclass(frozen=True)
class Ready:
    """One decode and one encode are done in this process."""


@dataclass(frozen=True)
class Failed:
    """The model cannot be loaded; `reason` is llama.cpp's, for the terminal."""

    reason: str


Answers: TypeAlias = list[tuple[str, Delta | AppError]]
ToWorker: TypeAlias = Plan | Request | Cancel | Close
FromWorker: TypeAlias = Loading | Ready | Failed | Answers
