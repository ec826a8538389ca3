"""How progress is told."""

import io

import pytest

from qwen_vl_app.weights import failures
from qwen_vl_app.weights.progress import Progress, Terminal, clock, line

HALF = Progress("downloading", "a.gguf", 3_000_000_000, 6_190_000_000, 31e6, 161, "hub.example")


def test_the_terminal_line_says_how_far_how_fast_and_that_it_may_be_closed() -> None:
    assert line(HALF, "en") == (
        "a.gguf: downloading, 3.00 GB / 6.19 GB (48 %), 31.0 MB/s, 2:41 left, hub.example, "
        "safe to close and start again"
    )
    assert "可随时关闭，再次启动会继续" in line(HALF, "zh")
    assert (clock(5), clock(3761)) == ("0:05", "1:02:41")


def test_progress_is_plain_json_with_the_reason_in_words() -> None:
    waiting = Progress("retrying", trouble=failures.Busy(host="hub.example"))
    assert waiting.as_json("en")["trouble"] == "hub.example asks to wait (HTTP 429: too many requests)"
    assert HALF.as_json()["done"] == 3_000_000_000


def test_output_that_is_no_terminal_gets_a_line_now_and_then() -> None:
    out, times = io.StringIO(), iter([0.0, 10.0, 31.0, 31.0])
    show = Terminal(out, "en", lambda: next(times))
    for _ in range(3):
        show(HALF)
    assert len(out.getvalue().splitlines()) == 2


def test_a_terminal_that_was_closed_stops_nothing() -> None:
    out = io.StringIO()
    show = Terminal(out, "en")
    out.close()
    show(HALF)


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_a_line_that_is_rewritten_and_never_wraps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    out = Screen()
    show = Terminal(out, "en")
    for _ in range(3):
        show(HALF)
    first, rest = out.getvalue().split("\n")
    assert "safe to close" in first
    assert rest.count("\r\033[K  3.00 GB / 6.19 GB (48 %), 31.0") == 2
    assert all(len(part) < 40 for part in rest.split("\r\033[K"))
