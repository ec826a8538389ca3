"""Work that its operator may stop: a download in a thread, a model that is loaded."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any

from qwen_vl_app.errors import Language, SetupError


class Stopped(SetupError):
    """The operator does not want the model loaded after all."""

    def __init__(self) -> None:
        super().__init__("Loading the model was stopped; its files are kept")

    def text(self, language: Language) -> str:
        """See `SetupError.text`."""
        return "已停止加载模型；文件会保留" if language == "zh" else str(self)

    def brief(self, language: Language) -> str:
        """See `SetupError.brief`."""
        return self.text(language)


class Stopping:
    """Whether to stop, and what. Use it from one event loop; `told` may be looked at from a thread."""

    def __init__(self) -> None:
        self.told = threading.Event()
        self._step: asyncio.Task[None] | None = None
        self._closed = False

    def anew(self) -> None:
        """Let new work begin, unless everything ends."""
        if not self._closed:
            self.told.clear()

    def stop(self) -> None:
        """Stop what is under way, and what would follow it, until `anew`."""
        self.told.set()
        if self._step:
            self._step.cancel()

    def close(self) -> None:
        """Stop for good."""
        self._closed = True
        self.told.set()

    async def step(self, work: Coroutine[Any, Any, None]) -> None:
        """Do `work`, which cleans up after itself when it is cancelled.

        Raises:
            Stopped: `stop` ended it, or came before it.
        """
        if self.told.is_set():
            work.close()
            raise Stopped
        self._step = asyncio.create_task(work)
        try:
            await self._step
        except asyncio.CancelledError:
            if self.told.is_set() and not self._closed:
                raise Stopped from None
            raise
        finally:
            self._step = None
