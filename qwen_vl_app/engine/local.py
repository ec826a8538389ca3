"""The local engine's supervisor: carries requests to the worker and deltas back, and starts it again when it dies."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from qwen_vl_app.chat import Accepted, Delta, Finished, Progress, Request, Text, Token, Usage
from qwen_vl_app.engine import State
from qwen_vl_app.engine.crashes import CrashBook
from qwen_vl_app.engine.failures import CannotLoad
from qwen_vl_app.engine.fit import ladder
from qwen_vl_app.engine.plan import Device, Plan
from qwen_vl_app.engine.process import GRACE, Worker
from qwen_vl_app.engine.wire import Cancel, Failed, FromWorker, Loading, Ready, Resume, Working
from qwen_vl_app.errors import AppError, EngineFailed, NotReady, PicturesPaused

RELOADS = 2  # more tries for a plan that worked before, until smaller ones are tried
KEEP_ALIVE = 0.4  # seconds between deltas at most

Item: TypeAlias = Delta | AppError


@dataclass
class Stream:
    """One open answer: what its reader has got, and what waits to be read."""

    request: Request
    items: asyncio.Queue[Item] = field(default_factory=asyncio.Queue)
    accepted: bool = False
    answer: list[int] = field(default_factory=list)

    def put(self, item: Item) -> None:
        """Pass `item` on; a second `Accepted`, after a crash, is no news."""
        if isinstance(item, Accepted):
            if self.accepted:
                return
            self.accepted = True
        elif isinstance(item, Token) and item.id >= 0:
            self.answer.append(item.id)
        self.items.put_nowait(item)


class LocalEngine:
    """Answers with llama.cpp in a process of its own. Use it from one event loop."""

    def __init__(self, plan: Plan) -> None:
        self._tries = ladder(plan)
        self._state: State = "starting"
        self._worker: Worker | None = None
        self._streams: dict[str, Stream] = {}
        self._settled = asyncio.Event()  # ready or failed
        self._crashes = CrashBook()
        self._working = Working()
        self.loaded = 0.0
        self.fitted = plan
        self.device: Device | None = None
        self.reason = ""
        self.steps: list[str] = []  # what had to be changed for the model to load

    @property
    def state(self) -> State:
        """Whether requests are answered now."""
        return self._state

    @property
    def plan(self) -> Plan:
        """The plan in use."""
        return self._tries[0][1]

    @property
    def failure(self) -> CannotLoad:
        """What to tell people when the state is `failed`."""
        return CannotLoad(self.reason)

    async def start(self) -> None:
        """Start the worker and wait until it is ready; cancelled meanwhile, it is closed.

        Raises:
            SetupError: the model cannot be loaded; the message says why.
        """
        self._spawn()
        try:
            await self._settled.wait()
        except asyncio.CancelledError:
            await self.close()
            raise
        if self._state == "failed":
            await self._close_worker()
            raise self.failure

    def _spawn(self) -> None:
        self._working = Working()
        self._worker = Worker(self.plan, self._receive, self._lost)

    def _receive(self, worker: Worker, message: FromWorker) -> None:
        if worker is not self._worker:
            return
        if isinstance(message, list):
            for request_id, item in message:
                if request_id in self._streams:
                    self._streams[request_id].put(item)
        elif isinstance(message, Working):
            self._working = message
        elif isinstance(message, Loading):
            self.loaded = message.fraction
        elif isinstance(message, Ready):
            self.loaded, self.fitted, self.device = 1.0, message.plan, message.device
            self._ready(worker)
        else:
            self._load_failed(message)

    def _ready(self, worker: Worker) -> None:
        self._state = "ready"
        self._settled.set()
        self._tries = [self._tries[0], *(other for other in self._tries if other != self._tries[0])]
        for stream in self._streams.values():
            if stream.accepted:
                worker.send(Resume(stream.request, tuple(stream.answer)))
            else:
                worker.send(stream.request)

    def _load_failed(self, failed: Failed) -> None:
        self.reason = failed.reason
        if failed.final or len(self._tries) == 1:
            self._state = "failed"
            self._settled.set()
            self._fail(list(self._streams), NotReady(state="failed"))

    def _fail(self, request_ids: list[str], error: AppError) -> None:
        for request_id in request_ids:
            self._streams[request_id].put(error)

    def _lost(self, worker: Worker) -> None:
        """The worker ended: if while loading, try the next step; else fail its victim and start another."""
        if worker is not self._worker or self._state in ("closed", "failed"):
            return
        ending = worker.ending
        if self._state == "ready":
            print(f"The engine ended ({ending}) and is started again.", file=sys.stderr, flush=True)
            self._state, self._tries = "restarting", [*self._tries[:1] * RELOADS, *self._tries]
            self._fail(sorted(self._crashes.failed(self._in_hand(), self._streams)), EngineFailed())
        elif len(self._tries) == 1:
            self._load_failed(Failed(self.reason or f"the engine ended while loading ({ending})"))
            return
        else:
            self._next_try(self.reason or ending)
        self._spawn()

    def _in_hand(self) -> Working:
        """What the worker was doing, as far as it could tell: whose first word is out is not being read any more."""
        begun = {name for name in self._working.reading if name in self._streams and self._streams[name].answer}
        return replace(self._working, reading=self._working.reading - begun, writing=self._working.writing | begun)

    def _next_try(self, reason: str) -> None:
        (before, _), self._tries = self._tries[0], self._tries[1:]
        step = self._tries[0][0]
        print(f"The model did not load ({reason}); trying: {step or 'again'}", file=sys.stderr, flush=True)
        if step != before:
            self.steps.append(step)

    async def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        """See `Engine.stream`."""
        stream = self._open(request)
        finished = False
        try:
            delta = _checked(await stream.items.get())  # Accepted comes first, whatever time it takes
            last = Progress("queued")
            while True:
                if isinstance(delta, Progress):
                    last = delta
                elif isinstance(delta, Token):
                    last = Progress("writing")
                finished = isinstance(delta, Finished)
                yield delta
                if finished:
                    return
                delta = await _next(stream.items) or last
        except AppError:
            finished = True
            raise
        finally:
            del self._streams[request.id]
            if not finished and self._worker:
                self._worker.send(Cancel(request.id))

    def _open(self, request: Request) -> Stream:
        if self._state not in ("ready", "restarting"):
            raise NotReady(state=self._state)
        if self._crashes.too_many and has_pictures(request):
            raise PicturesPaused()
        self._streams[request.id] = stream = Stream(request)
        if self._state == "ready" and self._worker:
            self._worker.send(request)
        return stream

    async def cancel(self, request_id: str) -> None:
        """See `Engine.cancel`."""
        stream = self._streams.get(request_id)
        if stream and self._state == "restarting":
            stream.put(Finished("cancelled", Usage(0, len(stream.answer))))
        elif stream and self._worker:
            self._worker.send(Cancel(request_id))

    async def close(self) -> None:
        """See `Engine.close`."""
        grace = 0.0 if self._state == "starting" else GRACE  # a worker that loads listens to nobody
        self._state = "closed"
        self._fail(list(self._streams), NotReady(state="closed"))
        await self._close_worker(grace)

    async def _close_worker(self, grace: float = GRACE) -> None:
        worker, self._worker = self._worker, None
        if worker:
            await worker.close(grace)


def has_pictures(request: Request) -> bool:
    """Whether anything but words is in `request`."""
    return any(not isinstance(part, Text) for message in request.messages for part in message.parts)


async def _next(items: asyncio.Queue[Item]) -> Delta | None:
    """The next delta; None when nothing came for KEEP_ALIVE seconds."""
    if items.empty():
        try:
            return _checked(await asyncio.wait_for(items.get(), KEEP_ALIVE))
        except asyncio.TimeoutError:
            return None
    return _checked(items.get_nowait())


def _checked(item: Item) -> Delta:
    if isinstance(item, AppError):
        raise item
    return item
