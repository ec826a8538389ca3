"""An engine that stands for others: for one that is not there yet, then for each that takes over from the last."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

from qwen_vl_app.chat import Delta, Request
from qwen_vl_app.engine import Engine, State
from qwen_vl_app.errors import NotReady, Unavailable


class Switch:
    """The engine that requests go to: none until the model's files are here, then the one that loads them."""

    def __init__(self) -> None:
        self.engine: Engine | None = None
        self.before: State = "waiting"
        self._open: Counter[Engine] = Counter()  # answers being written
        self._ended = asyncio.Event()  # one of them
        self._retiring: list[Engine] = []

    @property
    def state(self) -> State:
        """Whether requests are answered now."""
        return self.engine.state if self.engine else self.before

    async def start(self) -> None:
        """See `Engine.start`."""
        if self.engine:
            await self.engine.start()

    async def replace(self, engine: Engine | None, seconds: float) -> None:
        """Send requests to `engine` from now on; stop the old one when its answers ended, after `seconds` at last.

        With None nobody answers until an engine is set; `before` is the state meanwhile.
        """
        old, self.engine = self.engine, engine
        if not old:
            return
        self._retiring.append(old)
        try:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._idle(old), seconds)
        finally:
            await old.close()
            self._retiring.remove(old)

    async def _idle(self, engine: Engine) -> None:
        while self._open[engine]:
            self._ended.clear()
            await self._ended.wait()

    async def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        """See `Engine.stream`.

        Raises:
            Unavailable: also when another engine took over and this answer was not complete in time.
        """
        engine = self.engine
        if not engine:
            raise NotReady(state=self.before)
        self._open[engine] += 1
        try:
            async with aclosing(engine.stream(request)) as deltas:
                async for delta in deltas:
                    yield delta
        except NotReady:
            if engine is self.engine or self.before == "closed":
                raise
            raise Unavailable() from None
        finally:
            self._open -= Counter([engine])
            self._ended.set()

    async def cancel(self, request_id: str) -> None:
        """See `Engine.cancel`."""
        for engine in filter(None, (self.engine, *self._retiring)):
            await engine.cancel(request_id)

    async def close(self) -> None:
        """See `Engine.close`."""
        self.before = "closed"
        for engine in filter(None, (self.engine, *self._retiring)):
            await engine.close()
