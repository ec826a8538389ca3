"""One limited process per picture, two at a time, killed when it takes too long.

Python starts it, with Pillow loaded, in well under a tenth of a second, so each picture gets a fresh one and
nothing of one picture can reach the next.
"""

import asyncio
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Timer
from typing import Any

from qwen_vl_app.errors import PictureTooCostly, PictureTooLarge, UnreadablePicture

AT_ONCE = 2  # pictures
WALL = 10.0  # seconds (reliability.md, fault 13)
HEADER = 64 * 1024  # bytes, more than any reply's first line

_ROOT = Path(__file__).resolve().parents[2]
_BOOT = "import sys; sys.path.insert(0, sys.argv[1]); from qwen_vl_app.media.child import main; main()"
_KEPT = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR")  # of the environment; it may hold passwords
_threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="picture")


async def ask(request: dict[str, Any], payload: bytes, name: str, most: int) -> tuple[dict[str, Any], bytes]:
    """The reply of a fresh child to `request`: its header and at most `most` bytes of pixels.

    Raises:
        UnreadablePicture, PictureTooLarge, PictureTooCostly: what the child said, or how it ended; naming `name`.
    """
    child: list[subprocess.Popen[bytes]] = []
    future = _threads.submit(_converse, child, json.dumps(request).encode() + b"\n", payload, HEADER + most)
    try:
        reply, killed = await asyncio.wrap_future(future)
    except asyncio.CancelledError:
        for process in child:
            process.kill()
        raise
    line, newline, pixels = reply.partition(b"\n")
    if killed:
        raise PictureTooCostly(name=name)
    if not newline or len(pixels) > most:
        raise UnreadablePicture(name=name)
    header: dict[str, Any] = json.loads(line)
    _refuse(header, name)
    return header, pixels


def _refuse(header: dict[str, Any], name: str) -> None:
    """Raise what the child refused."""
    match header.get("refusal"):
        case None:
            return
        case "too_large":
            raise PictureTooLarge(name=name, megapixels=header["megapixels"], limit=header["limit"])
        case "too_costly":
            raise PictureTooCostly(name=name)
        case _:
            raise UnreadablePicture(name=name)


def _converse(child: list[subprocess.Popen[bytes]], request: bytes, payload: bytes, most: int) -> tuple[bytes, bool]:
    """Start a child, give it all, take at most `most` bytes; and whether it had to be killed for the time it took."""
    process = _start()
    child.append(process)
    timer = Timer(WALL, process.kill)
    timer.start()
    try:
        reply = _exchange(process, request, payload, most)
    finally:
        late = not timer.is_alive()
        timer.cancel()
        process.kill()
        process.wait()
    return reply, late


def _exchange(process: subprocess.Popen[bytes], request: bytes, payload: bytes, most: int) -> bytes:
    assert process.stdin is not None and process.stdout is not None
    with process.stdout as replies:
        try:
            with process.stdin as requests:
                requests.write(request)
                requests.write(payload)
        except OSError:  # it ended before it had read everything; what it said still counts
            pass
        return replies.read(most + 1)


def _start() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-I", "-c", _BOOT, str(_ROOT)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={name: os.environ[name] for name in _KEPT if name in os.environ} | {"MALLOC_ARENA_MAX": "1"},
        start_new_session=True,
    )
