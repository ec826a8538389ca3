"""One download into a folder at a time, across processes; the kernel drops the lock when its holder ends."""

import errno
import fcntl
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from qwen_vl_app.weights.limits import Clock

NAME = ".download.lock"
POLL_SECONDS = 0.5
UNSUPPORTED = {errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL}  # some network file systems


@asynccontextmanager
async def only_one(folder: Path, clock: Clock, waiting: Callable[[], None]) -> AsyncIterator[None]:
    """Hold the lock of `folder`; `waiting` is called now and then while another process holds it.

    On a file system that knows no locks it goes on without: two downloads would waste bytes, not mix them up,
    for the hash is checked.

    Raises:
        OSError: the folder cannot be written.
    """
    handle = os.open(folder / NAME, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        while not _try(handle):
            waiting()
            await clock.sleep(POLL_SECONDS)
        yield
    finally:
        os.close(handle)


def _try(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
    return True
