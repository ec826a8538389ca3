"""Run one long command quietly: a log file, a line of progress, and an end when nothing moves any more."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

STEP = re.compile(r"^\s*\[(\d+)/(\d+)\] ")  # ninja's "[12/193] Building …"
PACKAGE = re.compile(r"^\s*(?:Collecting|Downloading|Installing collected packages:) ([\w.-]+)")
POLL_SECONDS = 0.25
LOOK_AROUND_SECONDS = 5.0  # a silent download or compiler still lets its temporary folder grow
LINE_SECONDS = 30.0  # without a terminal, a progress line this often


@dataclass(frozen=True)
class Outcome:
    """How a command ended: its exit code, what it printed, and whether it was stopped for not moving."""

    code: int
    output: str
    stalled: bool = False


@dataclass
class Progress:
    """One line that tells how far the command is and for how long it has run."""

    title: str
    report: Callable[[float | None], None] = lambda share: None
    started: float = field(default_factory=time.monotonic)
    what: str = ""
    shown: float = 0.0

    def read(self, line: str) -> None:
        """Take what is of interest to people from a line of output."""
        if step := STEP.match(line):
            done, total = int(step[1]), int(step[2])
            self.what = f"{100 * done // total} %"
            self.report(done / total)
        elif package := PACKAGE.match(line):
            self.what = package[1]

    def show(self, *, last: bool = False) -> None:
        """Rewrite the line on a terminal; elsewhere print one now and then."""
        now = time.monotonic()
        seconds = int(now - self.started)
        line = f"{self.title}  {self.what}  {seconds // 60}:{seconds % 60:02d}"
        if sys.stdout.isatty():
            print(f"\r{_fitted(line, shutil.get_terminal_size().columns)}\x1b[K", end="\n" if last else "", flush=True)
        elif last or now - self.shown >= LINE_SECONDS:
            self.shown = now
            print(line, flush=True)


def _fitted(line: str, columns: int) -> str:
    """The end of the line is what moves: cut its beginning so that a narrow terminal does not wrap it."""
    width = [2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in line]
    first = next((i for i in range(len(line)) if sum(width[i:]) < columns), len(line))
    return line[first:]


class Runner:
    """Runs commands one after the other with the same log, temporary folder and stall limit."""

    def __init__(
        self,
        log: Path,
        scratch: Path,
        stall_seconds: float,
        keep_open: Sequence[int] = (),
        report: Callable[[float | None], None] = lambda share: None,
    ) -> None:
        """`report` is told the share of a build that is done, None where it is not known."""
        self.log = log
        self.scratch = scratch
        self.stall_seconds = stall_seconds
        self.report = report
        self.keep_open = keep_open  # the lock: held for as long as any child lives

    def __call__(self, command: Sequence[str], title: str, environ: Mapping[str, str]) -> Outcome:
        """Run `command` to its end; on an exception (Ctrl-C) everything it started is ended too."""
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**environ, "TMPDIR": str(self.scratch)},
            start_new_session=True,
            pass_fds=tuple(self.keep_open),
        )
        lines: list[str] = []
        self.report(None)
        progress = Progress(title, self.report)
        reader = threading.Thread(target=self._read, args=(process.stdout, lines, progress.read), daemon=True)
        reader.start()
        try:
            stalled = self._watch(process, lines, progress)
        finally:
            _end(process)
        reader.join(timeout=5)
        progress.show(last=True)
        return Outcome(process.returncode, "".join(lines), stalled)

    def _read(self, stream: IO[bytes], lines: list[str], notice: Callable[[str], None]) -> None:
        with stream, self.log.open("a", encoding="utf-8", errors="replace") as log:
            for raw in stream:
                line = raw.decode("utf-8", "replace")
                lines.append(line)
                notice(line)
                log.write(line)
                log.flush()

    def _watch(self, process: subprocess.Popen[bytes], lines: list[str], progress: Progress) -> bool:
        """Wait for the end; True if the command was given up because neither output nor files moved."""
        seen: tuple[int, int] = (0, 0)
        moved = looked = time.monotonic()
        while process.poll() is None:
            progress.show()
            time.sleep(POLL_SECONDS)
            now = time.monotonic()
            if now - looked >= min(LOOK_AROUND_SECONDS, self.stall_seconds / 2):
                looked = now
                current = (len(lines), _bytes_in(self.scratch))
                moved = now if current != seen else moved
                seen = current
            if now - moved > self.stall_seconds:
                return True
        return False


def _bytes_in(folder: Path) -> int:
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(parent, name)).st_size  # noqa: PTH118 - thousands of files
            except OSError:
                continue
    return total


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the whole process group: pip's compilers go with it."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is not None:
            return
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            continue
    process.wait()
