"""One limited process per picture, two at a time, killed when it takes too long.

Python needs about a tenth of a second to start with Pillow, so one process is always ready before its picture comes;
it ends by itself when this program does. On macOS, which does not limit a process's address space, this side looks at
the memory in use four times a second instead; everywhere the header's limits on pixels come first.
"""

import asyncio
import atexit
import fcntl
import json
import logging
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

from qwen_vl_app.errors import AppError, PictureTooCostly, PictureTooLarge, UnreadablePicture, UnusableRegion
from qwen_vl_app.media.region import LEAST

AT_ONCE = 2  # pictures
WALL = 10.0  # seconds (reliability.md, fault 13)
MEMORY_IS_WATCHED = sys.platform == "darwin"
MEMORY = 2 * 1024**3  # bytes in use, where it is watched
LOOK = 0.25  # seconds between two looks at the memory
GUARD = "picture guard"  # name of the threads
PIPE = 1024**2  # bytes; the usual 64 KiB make two busy processes wait for each other dozens of times a picture
HEADER = 4096  # bytes, more than any reply's first line

_ROOT = Path(__file__).resolve().parents[2]
_BOOT = "import sys; sys.path[:] = sys.argv[1:]; from qwen_vl_app.media.child import main; main()"
_KEPT = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")  # of the environment, which may hold passwords
_threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="picture")

_log = logging.getLogger(__name__)

Process = subprocess.Popen[bytes]


class Nursery:
    """Starts children, one ahead of need."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._ready: Process | None = None

    def prepare(self) -> None:
        """Have a child ready for the next picture."""
        with self._lock:
            if self._ready is None:
                self._ready = _start()

    def take(self) -> Process:
        """A child that nobody has used."""
        with self._lock:
            child, self._ready = self._ready, None
        if child is not None and child.poll() is not None:
            _end(child)
            child = None
        return child or _start()

    def close(self) -> None:
        """End the child that waits."""
        with self._lock:
            child, self._ready = self._ready, None
        if child is not None:
            _end(child)


nursery = Nursery()
atexit.register(nursery.close)


async def ask(request: dict[str, Any], payload: bytes, name: str, most: int) -> tuple[dict[str, Any], bytes]:
    """The reply of a fresh child to `request`: its header and at most `most` bytes of pixels.

    Raises:
        UnreadablePicture, PictureTooLarge, PictureTooCostly, UnusableRegion: what the child said, or how it ended;
            naming `name`.
        AppError: the child does not work at all.
    """
    children: list[Process] = []
    future = _threads.submit(_converse, children, json.dumps(request).encode() + b"\n", payload, HEADER + most)
    try:
        reply, code = await asyncio.wrap_future(future)
    except asyncio.CancelledError:
        for child in children:
            child.kill()
        raise
    if code in (-signal.SIGKILL, -signal.SIGXCPU):
        raise PictureTooCostly(name=name)
    if code > 0:
        _log.error("the process that decodes pictures ended with status %d; is Pillow installed for it?", code)
        raise AppError
    line, _, pixels = reply.partition(b"\n")
    return _header(line, name), pixels


def _header(line: bytes, name: str) -> dict[str, Any]:
    """The reply's first line, unless it is a refusal or none at all."""
    try:
        header: dict[str, Any] = json.loads(line)
        refusal = header.get("refusal")
        if refusal == "too_large":
            raise PictureTooLarge(name=name, megapixels=int(header["megapixels"]), limit=int(header["limit"]))
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError):  # it died, or it was taken over
        raise UnreadablePicture(name=name) from None
    if refusal == "region":
        raise UnusableRegion(name=name, least=LEAST)
    if refusal:
        raise (PictureTooCostly if refusal == "too_costly" else UnreadablePicture)(name=name)
    return header


def _converse(children: list[Process], request: bytes, payload: bytes, most: int) -> tuple[bytes, int]:
    """Give a child all, take at most `most` bytes; its exit status too where it said nothing."""
    child = nursery.take()
    children.append(child)
    done = Event()
    Thread(target=_guard, args=(child, done), name=GUARD, daemon=True).start()
    try:
        reply = _exchange(child, request, payload, most)
        return reply, 0 if b"\n" in reply or len(reply) == most else child.wait()
    finally:
        done.set()


def _exchange(child: Process, request: bytes, payload: bytes, most: int) -> bytes:
    assert child.stdin is not None and child.stdout is not None
    with suppress(OSError), child.stdin as requests:  # it may end before it has read all; what it said still counts
        requests.write(request)
        requests.write(payload)
    return child.stdout.read(most)


def _guard(child: Process, done: Event) -> None:
    """End the child when it is done and prepare the next, while the picture is on its way already.

    It ends it before when it is not done in time, or when its watched memory grows too large.
    """
    deadline = time.monotonic() + WALL
    while not done.wait(LOOK if MEMORY_IS_WATCHED else WALL):
        if time.monotonic() >= deadline or (MEMORY_IS_WATCHED and resident(child.pid) > MEMORY):
            child.kill()
            done.wait()
    _end(child)
    nursery.prepare()


def resident(pid: int) -> int:
    """Bytes of memory that the process `pid` has in use; 0 when it has ended."""
    shown = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], stdout=subprocess.PIPE, check=False).stdout
    return int(shown or b"0") * 1024


def _end(child: Process) -> None:
    child.kill()
    child.wait()
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()


def _start() -> Process:
    child = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _BOOT, str(_ROOT), *filter(None, sys.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={name: os.environ[name] for name in _KEPT if name in os.environ} | {"MALLOC_ARENA_MAX": "1"},
        start_new_session=True,
    )
    for pipe in (child.stdin, child.stdout):
        if pipe is not None and sys.platform == "linux":
            with suppress(OSError):  # beyond what one person may have; the usual size does too
                fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE)
    return child
