"""How far the download is: one frozen value, for the terminal's line, the page and /health."""

import shutil
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, TextIO, TypeAlias

from qwen_vl_app.errors import Language
from qwen_vl_app.weights.failures import WeightsError, gb

State: TypeAlias = Literal["choosing", "downloading", "retrying", "queued", "verifying", "ready"]

WINDOW_SECONDS = 10.0  # the speed is that of the last ten seconds
EVERY_SECONDS = 0.25  # at most four reports a second
PLAIN_SECONDS = 30.0  # where the output is no terminal: a line each half minute

STATES: dict[State, tuple[str, str]] = {
    "choosing": ("looking for the fastest hub", "正在选择最快的下载站"),
    "downloading": ("downloading", "正在下载"),
    "retrying": ("waiting to try again", "等待重试"),
    "queued": ("another start is downloading", "另一个进程正在下载"),
    "verifying": ("checking", "正在校验"),
    "ready": ("ready", "已就绪"),
}
SAFE = ("safe to close and start again", "可随时关闭，再次启动会继续")


@dataclass(frozen=True)
class Progress:
    """How far both files of a model are.

    `done` and `total` in bytes, over both files; `total` is 0 while it is not known. `seconds_left` is None while
    nothing moves. `trouble` says why it waits, with what to do.
    """

    state: State
    file: str = ""
    done: int = 0
    total: int = 0
    bytes_per_second: float = 0.0
    seconds_left: float | None = None
    hub: str = ""
    trouble: WeightsError | None = None

    def as_json(self, language: Language = "en") -> dict[str, object]:
        """The same as plain values, for everybody."""
        return vars(self) | {"trouble": self.trouble.brief(language) if self.trouble else None}


Report: TypeAlias = Callable[[Progress], None]


class Meter:
    """Counts the bytes of both files and reports, not too often. `state`, `file`, `hub`, `trouble` are set freely."""

    def __init__(self, report: Report, now: Callable[[], float] = time.monotonic) -> None:
        self.state: State = "choosing"
        self.file = self.hub = ""
        self.trouble: WeightsError | None = None
        self.earlier = 0  # bytes of files that are complete
        self.total = 0
        self.here = 0  # bytes of the file that is coming
        self._report, self._now = report, now
        self._seen: deque[tuple[float, int]] = deque()
        self._last = float("-inf")

    def say(self, state: State, trouble: WeightsError | None = None) -> None:
        """Enter `state` and report at once."""
        self.state, self.trouble = state, trouble
        self._seen.clear()
        self._send()

    def at(self, here: int) -> None:
        """`here` bytes of the coming file are there; reported now and then."""
        self.here = here
        if self._now() - self._last >= EVERY_SECONDS:
            self._send()

    def _send(self) -> None:
        self._last = self._now()
        done = self.earlier + self.here
        speed = self._speed(done)
        left = (self.total - done) / speed if speed and self.total else None
        self._report(Progress(self.state, self.file, done, self.total, speed, left, self.hub, self.trouble))

    def _speed(self, done: int) -> float:
        self._seen.append((self._last, done))
        while self._last - self._seen[0][0] > WINDOW_SECONDS:
            self._seen.popleft()
        seconds = self._last - self._seen[0][0]
        return max(0, done - self._seen[0][1]) / seconds if seconds > 0 else 0.0


def line(progress: Progress, language: Language) -> str:
    """One line for the terminal, e.g. `file: downloading, 1.20 GB / 6.19 GB (19 %), 31.0 MB/s, 2:41 left, …`."""
    trouble = [progress.trouble.text(language)] if progress.trouble else []
    return ("，" if language == "zh" else ", ").join([step(progress, language), *trouble])


def step(progress: Progress, language: Language) -> str:
    """The same without its trouble: nothing in it names a folder of this machine."""
    chinese = language == "zh"
    parts = [f"{progress.file}: {STATES[progress.state][chinese]}".removeprefix(": "), *_numbers(progress, chinese)]
    if progress.state == "downloading":
        parts += [progress.hub, SAFE[chinese]]
    return ("，" if chinese else ", ").join(parts)


def _numbers(progress: Progress, chinese: bool) -> list[str]:
    parts = []
    if progress.total:
        percent = 100 * progress.done // progress.total
        parts.append(f"{gb(progress.done)} / {gb(progress.total)} ({percent} %)")
    if progress.bytes_per_second:
        parts.append(f"{gb(int(progress.bytes_per_second))}/s")
    if progress.seconds_left is not None:
        parts.append(("剩余 {}" if chinese else "{} left").format(clock(progress.seconds_left)))
    return parts


def clock(seconds: float) -> str:
    """Seconds as `2:41` or `1:02:41`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class Terminal:
    """Prints progress: a line for each step and, in a terminal, a short one below that is rewritten.

    Where `stream` is no terminal, a line now and then.
    """

    def __init__(self, stream: TextIO, language: Language, now: Callable[[], float] = time.monotonic) -> None:
        self._stream, self._language, self._now = stream, language, now
        self._last: tuple[State, str] | None = None
        self._at = float("-inf")
        self._clear = "\r\033[K" if stream.isatty() else ""

    def __call__(self, progress: Progress) -> None:
        """Show `progress`; a new step always, the rest when it is time. A terminal that was closed stops nothing."""
        with suppress(OSError, ValueError):
            self._show(progress)

    def _show(self, progress: Progress) -> None:
        entered = (progress.state, progress.file) != self._last
        self._last = progress.state, progress.file
        if entered or (not self._clear and self._now() - self._at >= PLAIN_SECONDS):
            self._stream.write(f"{self._clear}{line(progress, self._language)}\n")
            self._at = self._now()
        elif self._clear:
            short = ", ".join(["  ", *_numbers(progress, self._language == "zh"), progress.hub]).replace("  , ", "  ")
            self._stream.write(self._clear + short[: shutil.get_terminal_size().columns - 3])  # 剩余 is two wider
        self._stream.flush()
