"""The local engine's supervisor: starts the worker process, carries requests and deltas, starts it again."""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from typing import TypeAlias

from qwen_vl_app.chat import Delta, Finished, Progress, Request, Token
from qwen_vl_app.engine import State
from qwen_vl_app.engine.plan import Plan
from qwen_vl_app.engine.wire import Cancel, Close, Failed, FromWorker, Loading, Ready, ToWorker
from qwen_vl_app.errors import AppError, EngineFailed, EngineRestarting, NotReady, SetupError

KEEP_ALIVE = 0.4  # seconds between deltas at most
GRACE = 3.0  # seconds a worker gets to end by itself
PACKAGE_ROOT = str(Path(__file__).resolve().parents[2])
# Without these two, decoding beside a busy process falls from 0.04 s to over 1 s per token (DESIGN.md, Processes).
ENVIRONMENT = {"GOMP_SPINCOUNT": "0", "OMP_WAIT_POLICY": "passive", "GGML_NO_BACKTRACE": "1"}

Item: TypeAlias = Delta | AppError


class Worker:
    """One worker process and its socket. Calls back into the event loop that made it."""

    def __init__(self, plan: Plan, engine: "LocalEngine") -> None:
        ours, theirs = socket.socketpair()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "qwen_vl_app.engine.worker", str(theirs.fileno())],
            pass_fds=(theirs.fileno(),),
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            env=_environment(),
        )
        theirs.close()
        self._connection: Connection[ToWorker, FromWorker] = Connection(ours.detach())
        self._outbox: SimpleQueue[ToWorker | None] = SimpleQueue()
        self._engine = engine
        self._loop = asyncio.get_running_loop()
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._write, self._read)]
        for thread in self._threads:
            thread.start()
        self.send(plan)

    def send(self, message: ToWorker) -> None:
        """Send `message` from a thread, never from the event loop."""
        self._outbox.put(message)

    async def close(self) -> None:
        """Ask it to end; kill it if it does not. No process and no thread is left."""
        self.send(Close())
        self._outbox.put(None)
        await asyncio.to_thread(self._reap, GRACE)

    def _reap(self, patience: float) -> None:
        try:
            self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for thread in self._threads:
            thread.join()
        self._connection.close()

    def _write(self) -> None:
        with contextlib.suppress(OSError):
            while (message := self._outbox.get()) is not None:
                self._connection.send(message)

    def _read(self) -> None:
        with contextlib.suppress(EOFError, OSError):
            while True:
                self._call(self._engine.receive, self._connection.recv())
        self._outbox.put(None)
        self._call(self._engine.lost, self)

    def _call(self, function: object, argument: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to tell
            self._loop.call_soon_threadsafe(function, argument)  # type: ignore[arg-type]


def _environment() -> dict[str, str]:
    paths = [PACKAGE_ROOT, os.environ.get("PYTHONPATH", "")]
    return {**os.environ, **ENVIRONMENT, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


class LocalEngine:
    """Answers with llama.cpp in a process of its own. Use it from one event loop."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._state: State = "starting"
        self._worker: Worker | None = None
        self._streams: dict[str, asyncio.Queue[Item]] = {}
        self._settled = asyncio.Event()  # ready or failed
        self.loaded = 0.0
        self.reason = ""

    @property
    def state(self) -> State:
        """Whether requests are answered now."""
        return self._state

    async def start(self) -> None:
        """Start the worker and wait until it is ready.

        Raises:
            SetupError: the model cannot be loaded; the message says why.
        """
        self._spawn()
        await self._settled.wait()
        if self._state == "failed":
            await self.close()
            raise SetupError(f"the model cannot be loaded: {self.reason}")

    def _spawn(self) -> None:
        self._worker = Worker(self._plan, self)

    def receive(self, message: FromWorker) -> None:
        """Take a message of the worker."""
        if isinstance(message, list):
            for request_id, item in message:
                if request_id in self._streams:
                    self._streams[request_id].put_nowait(item)
        elif isinstance(message, Loading):
            self.loaded = message.fraction
        elif isinstance(message, Ready):
            self._settle("ready")
        else:
            self._fail(message)

    def _fail(self, message: Failed) -> None:
        self.reason = message.reason
        self._settle("failed")

    def _settle(self, state: State) -> None:
        self._state = state
        self._settled.set()

    def lost(self, worker: Worker) -> None:
        """The worker ended: fail what it was doing, start another unless it never got ready or we are closing."""
        for queue in self._streams.values():
            queue.put_nowait(EngineFailed())
        if worker is not self._worker or self._state in ("closed", "failed"):
            return
        code = worker.process.wait()
        if self._state != "ready":
            self._fail(Failed(f"the engine ended while loading ({_ending(code)})"))
            return
        print(f"The engine ended ({_ending(code)}) and is started again.", file=sys.stderr, flush=True)
        self._state = "restarting"
        self._spawn()

    async def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        """See `Engine.stream`."""
        worker = self._ready_worker()
        queue: asyncio.Queue[Item] = asyncio.Queue()
        self._streams[request.id] = queue
        worker.send(request)
        finished = False
        try:
            yield _checked(await queue.get())
            last = Progress("queued")
            while not finished:
                delta = await _next(queue)
                if isinstance(delta, Progress):
                    last = delta
                elif isinstance(delta, Token):
                    last = Progress("writing")
                finished = isinstance(delta, Finished)
                yield delta or last
        except AppError:
            finished = True
            raise
        finally:
            del self._streams[request.id]
            if not finished:
                worker.send(Cancel(request.id))

    def _ready_worker(self) -> Worker:
        if self._state == "restarting":
            raise EngineRestarting()
        if self._state != "ready" or self._worker is None:
            raise NotReady(state=self._state)
        return self._worker

    async def cancel(self, request_id: str) -> None:
        """See `Engine.cancel`."""
        if self._worker:
            self._worker.send(Cancel(request_id))

    async def close(self) -> None:
        """See `Engine.close`."""
        self._state = "closed"
        worker, self._worker = self._worker, None
        if worker:
            await worker.close()


async def _next(queue: asyncio.Queue[Item]) -> Delta | None:
    """The next delta; None when nothing came for KEEP_ALIVE seconds."""
    if queue.empty():
        try:
            return _checked(await asyncio.wait_for(queue.get(), KEEP_ALIVE))
        except asyncio.TimeoutError:
            return None
    return _checked(queue.get_nowait())


def _checked(item: Item) -> Delta:
    if isinstance(item, AppError):
        raise item
    return item


def _ending(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit status {code}"
