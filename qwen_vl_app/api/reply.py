"""From deltas to what OpenAI's clients read: one JSON answer, or server-sent events."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from qwen_vl_app.chat import Accepted, Answer, Delta, Finished, FinishReason, Progress, Token, Usage
from qwen_vl_app.errors import AppError

DONE = "data: [DONE]\n\n"
REASONS: dict[FinishReason, str] = {"stop": "stop", "length": "length", "cancelled": "stop"}
STREAM_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}


def sse(data: dict[str, object]) -> str:
    """`data` as one server-sent event."""
    return f"data: {json.dumps(data, separators=(',', ':'))}\n\n"


def usage_of(usage: Usage) -> dict[str, object]:
    """The counts under OpenAI's names."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
    }


@dataclass
class Reply:
    """One answer on its way out. `model` is the name it goes by."""

    id: str
    model: str
    include_usage: bool = False
    created: int = field(default_factory=lambda: int(time.time()))
    _started: float = field(default_factory=time.monotonic)
    _first: float | None = None

    def note(self, delta: Delta) -> None:
        """Remember when the first token came."""
        if isinstance(delta, Token) and self._first is None:
            self._first = time.monotonic()

    def timings(self, usage: Usage) -> dict[str, float]:
        """Seconds to the first token, and tokens per second after it."""
        now = time.monotonic()
        first = now if self._first is None else self._first
        speed = (usage.completion_tokens - 1) / (now - first) if usage.completion_tokens > 1 and now > first else 0.0
        return {"first_token_s": round(first - self._started, 3), "tokens_per_s": round(speed, 1)}

    def completion(self, answer: Answer, findings: Mapping[str, object]) -> dict[str, object]:
        """The whole answer as one object; `findings`, what a task read from it, are part of its message."""
        message = {"role": "assistant", "content": answer.text, **findings}
        choice = {"index": 0, "message": message, "finish_reason": REASONS[answer.reason]}
        counts = {"usage": usage_of(answer.usage), "timings": self.timings(answer.usage)}
        return self._head("chat.completion") | {"choices": [choice]} | counts

    async def events(self, deltas: AsyncGenerator[Delta, None]) -> AsyncGenerator[str, None]:
        """Server-sent events of the answer; `deltas` is closed when this is."""
        async with aclosing(deltas):
            yield self._chunk({"role": "assistant", "content": ""})
            try:
                async for delta in deltas:
                    self.note(delta)
                    yield self._event(delta)
                    await asyncio.sleep(0)  # in a burst of deltas too the loop hears that the client left
            except AppError as error:
                yield sse(error.answer())
        yield DONE

    def _event(self, delta: Delta) -> str:
        if isinstance(delta, Finished):
            return self._end(delta)
        if isinstance(delta, Token) and delta.text:
            return self._chunk({"content": delta.text})
        return f": {_comment(delta)}\n\n"

    def _end(self, finished: Finished) -> str:
        last = self._chunk({}, REASONS[finished.reason], timings=self.timings(finished.usage))
        if not self.include_usage:
            return last
        return last + sse(self._head("chat.completion.chunk") | {"choices": [], "usage": usage_of(finished.usage)})

    def _chunk(self, delta: dict[str, str], reason: str | None = None, **more: object) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        usage = {"usage": None} if self.include_usage else {}
        return sse(self._head("chat.completion.chunk") | {"choices": [choice]} | usage | more)

    def _head(self, kind: str) -> dict[str, object]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}


def _comment(delta: Delta) -> str:
    """What a keep-alive says, for people who look at the raw stream."""
    if isinstance(delta, Progress):
        part = f"part {delta.part}/{delta.parts} " if delta.parts else ""
        return f"{part}{delta.stage} {delta.done}/{delta.total}" if delta.total else f"{part}{delta.stage}"
    return "accepted" if isinstance(delta, Accepted) else "writing"


class EventStream(StreamingResponse):
    """Server-sent events whose generator is closed however the response ends, so that the engine hears of it."""

    def __init__(self, events: AsyncGenerator[str, None]) -> None:
        super().__init__(events, media_type="text/event-stream", headers=STREAM_HEADERS)
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events until they end or the client leaves."""
        async with aclosing(self._events):
            await super().__call__(scope, receive, send)
