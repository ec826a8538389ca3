"""An engine that stands for another one which is not there yet."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from qwen_vl_app.chat import Delta, Request
from qwen_vl_app.engine import Engine, State
from qwen_vl_app.errors import NotReady


class Switch:
    """The engine that requests go to: none until the model's files are here, then the one that loads them."""

    def __init__(self) -> None:
        self.engine: Engine | None = None
        self.before: State = "waiting"

    @property
    def state(self) -> State:
        """Whether requests are answered now."""
        return self.engine.state if self.engine else self.before

    async def start(self) -> None:
        """See `Engine.start`."""
        if self.engine:
            await self.engine.start()

    async def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        """See `Engine.stream`."""
        if not self.engine:
            raise NotReady(state=self.before)
        async with aclosing(self.engine.stream(request)) as deltas:
            async for delta in deltas:
                yield delta

    async def cancel(self, request_id: str) -> None:
        """See `Engine.cancel`."""
        if self.engine:
            await self.engine.cancel(request_id)

    async def close(self) -> None:
        """See `Engine.close`."""
        self.before = "closed"
        if self.engine:
            await self.engine.close()
