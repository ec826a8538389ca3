"""The worker as a process: started, written to, read from, ended. Threads of its own; the event loop never waits."""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from qwen_vl_app.engine.plan import Plan
from qwen_vl_app.engine.wire import Close, FromWorker, ToWorker

GRACE = 3.0  # seconds a worker gets to end by itself
PACKAGE_ROOT = str(Path(__file__).resolve().parents[2])
# How long a thread of libgomp looks before it sleeps. By default so long that decoding beside a busy process falls from
# 0.04 s to over 1 s per token (DESIGN.md, Processes); not at all, and an idle machine has 0.6 of its rate. Between the
# two both are fast (benchmarks/2026-11-22-spin.md).
ENVIRONMENT = {"GOMP_SPINCOUNT": "300", "OMP_WAIT_POLICY": "passive", "GGML_NO_BACKTRACE": "1"}


class Worker:
    """One worker process and its socket. `receive` and `lost` are called in the event loop that made it."""

    def __init__(
        self, plan: Plan, receive: Callable[["Worker", FromWorker], None], lost: Callable[["Worker"], None]
    ) -> None:
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
        self._receive, self._lost = receive, lost
        self._loop = asyncio.get_running_loop()
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._write, self._read)]
        for thread in self._threads:
            thread.start()
        self.send(plan)

    @property
    def ending(self) -> str:
        """How the process ended, in words for the terminal; waits for it."""
        code = self.process.wait()
        return f"signal {-code}" if code < 0 else f"exit status {code}"

    def send(self, message: ToWorker) -> None:
        """Send `message` from a thread, never from the event loop."""
        self._outbox.put(message)

    async def close(self, grace: float = GRACE) -> None:
        """Ask it to end; kill it if it does not within `grace` seconds. No process and no thread is left."""
        self.send(Close())
        await asyncio.to_thread(self._reap, grace)

    def _reap(self, grace: float) -> None:
        try:
            self.process.wait(grace)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._outbox.put(None)
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
                self._call(self._receive, self, self._connection.recv())
        self._call(self._lost, self)

    def _call(self, function: Callable[..., None], *arguments: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to tell
            self._loop.call_soon_threadsafe(function, *arguments)


def _environment() -> dict[str, str]:
    paths = [PACKAGE_ROOT, os.environ.get("PYTHONPATH", "")]
    return {**os.environ, **ENVIRONMENT, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
