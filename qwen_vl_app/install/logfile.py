"""A log that never fills the disk: written by a small process of its own, read from its end, followed as it grows.

`python -m qwen_vl_app.install.logfile FILE` keeps what comes in on its standard input until that ends. Past a
limit FILE becomes FILE.1 and a new one is begun.
"""

import codecs
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

LIMIT_BYTES = 2_000_000  # of one file; there are two at most
BLOCK = 1 << 16
POLL_SECONDS = 0.25


def older(log: Path) -> Path:
    """Where the log's earlier part lies."""
    return log.with_name(log.name + ".1")


def begin(log: Path) -> None:
    """Put the log there is aside and begin an empty one."""
    if log.exists():
        log.replace(older(log))
    log.touch(mode=0o600)


def keep(source: IO[bytes], log: Path, limit: int = LIMIT_BYTES) -> None:
    """Write what comes from `source` to the log until it ends; on a full disk it is read and lost."""
    while block := os.read(source.fileno(), BLOCK):
        with suppress(OSError):
            if log.stat().st_size + len(block) > limit:
                begin(log)
        with suppress(OSError), log.open("ab") as file:
            file.write(block)


def tail(log: Path, lines: int) -> tuple[str, int]:
    """The last lines of the log, and the place where they end.

    Raises:
        OSError: there is no log.
    """
    data = log.read_bytes()
    return "".join(data.decode("utf-8", "replace").splitlines(keepends=True)[-lines:]), len(data)


def follow(log: Path, going: Callable[[], bool], start: int = 0) -> Iterator[str]:
    """What is written to the log after the place `start`, until `going` says no and everything is read."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    file = log.open("rb")
    try:
        file.seek(start)
        while True:
            more = going()  # asked before reading: what was written until then is still read
            replaced = not _same(file, log)
            yield decoder.decode(file.read())
            if replaced:
                file.close()
                file = log.open("rb")
            elif not more:
                return
            else:
                time.sleep(POLL_SECONDS)
    finally:
        file.close()


def _same(file: IO[bytes], log: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), log.stat())
    except OSError:
        return True  # between two files


if __name__ == "__main__":
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # it ends when nobody is left to write
    keep(sys.stdin.buffer, Path(sys.argv[1]))
