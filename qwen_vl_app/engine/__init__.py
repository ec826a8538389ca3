"""The one interface that answers a `chat.Request`; local and remote engines implement it, nothing else does."""

from collections.abc import AsyncGenerator
from typing import Literal, Protocol, TypeAlias

from qwen_vl_app.chat import Delta, Request

# waiting: nothing was asked for yet · installing: llama.cpp is, and the model's files may come meanwhile
# downloading: only they are on their way
State: TypeAlias = Literal[
    "waiting", "installing", "downloading", "starting", "ready", "restarting", "failed", "closed"
]


class Engine(Protocol):
    """Answers requests as streams of deltas."""

    @property
    def state(self) -> State:
        """Whether requests are answered now."""
        ...

    async def start(self) -> None:
        """Load the model; returns when requests are answered.

        Raises:
            SetupError: it cannot be loaded; the message says why.
        """
        ...

    def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        """Deltas of one answer: `Accepted`, then progress and tokens, then `Finished`.

        Leaving the iterator cancels the request and frees its place.

        Raises:
            AppError: before `Accepted` a refusal (ContextOverflow, QueueFull, NotReady …);
                after it `EngineFailed` if the request ended the engine.
        """
        ...

    async def cancel(self, request_id: str) -> None:
        """End a request early; its stream closes with `Finished("cancelled")`. Unknown ids are ignored."""
        ...

    async def close(self) -> None:
        """Stop the engine; no process is left."""
        ...
