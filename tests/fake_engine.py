"""A scripted engine with a memory: what it will answer is given, what it was asked is kept."""

import asyncio
from collections.abc import AsyncGenerator, Iterable

from qwen_vl_app.chat import Accepted, Delta, Finished, FinishReason, Image, Progress, Request, Token, Usage
from qwen_vl_app.engine import State
from qwen_vl_app.errors import AppError

PROMPT_TOKENS = 74


class FakeEngine:
    """Answers with the given texts in turn (the last one again and again), one token per word.

    An `AppError` among the answers is raised before `Accepted`; one inside a tuple after its text.
    """

    def __init__(self, answers: Iterable[str | AppError | tuple[str, AppError]] = ("ok",), pause: float = 0.0) -> None:
        self.answers = list(answers)
        self.pause = pause
        self.state: State = "ready"
        self.requests: list[Request] = []
        self.left: list[str] = []
        self.closed = False
        self._cancelled: set[str] = set()

    async def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, AppError):
            raise answer
        text, error = answer if isinstance(answer, tuple) else (answer, None)
        try:
            async for delta in self._deltas(request, text, error):
                yield delta
        finally:
            self.left.append(request.id)

    async def _deltas(self, request: Request, text: str, error: AppError | None) -> AsyncGenerator[Delta, None]:
        yield Accepted(PROMPT_TOKENS)
        for stage in self._stages(request):
            yield stage
            await asyncio.sleep(self.pause)
        count = 0
        for word in text.split(" "):
            if request.id in self._cancelled:
                yield self._finished("cancelled", count)
                return
            if request.max_tokens == count:
                yield self._finished("length", count)
                return
            yield Token(word if count == 0 else " " + word)
            count += 1
            await asyncio.sleep(self.pause)
        if error:
            raise error
        yield self._finished("stop", count)

    def _stages(self, request: Request) -> list[Delta]:
        looks = [Progress("looking", 0, 1)] if any(_pictures(request)) else []
        return [Progress("queued", 1), *looks, Progress("reading", 32, PROMPT_TOKENS)]

    def _finished(self, reason: FinishReason, count: int) -> Finished:
        return Finished(reason, Usage(PROMPT_TOKENS, count))

    async def cancel(self, request_id: str) -> None:
        self._cancelled.add(request_id)

    async def start(self) -> None:
        if self.state == "starting":
            self.state = "ready"

    async def close(self) -> None:
        self.closed = True
        self.state = "closed"


def _pictures(request: Request) -> list[Image]:
    return [part for message in request.messages for part in message.parts if isinstance(part, Image)]
