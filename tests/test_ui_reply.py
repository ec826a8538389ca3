"""An answer as it grows: what is shown of it, and when."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from qwen_vl_app.chat import Accepted, Delta, Finished, Progress, Token, Usage
from qwen_vl_app.media import Picture
from qwen_vl_app.media.fit import Fit
from qwen_vl_app.ui import reply
from tests.desk import make, run


class Clock:
    """Advances by a fixed step at each look."""

    def __init__(self, step: float) -> None:
        self.now, self.step = 0.0, step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


async def stream(*deltas: Delta) -> AsyncIterator[Delta]:
    for delta in deltas:
        yield delta


def replies(step: float, *deltas: Delta) -> list[reply.Reply]:
    async def collect() -> list[reply.Reply]:
        return [item async for item in reply.follow(stream(*deltas), 0.0, Clock(step))]

    return run(collect())


END = Finished("stop", Usage(74, 5))


def test_fast_tokens_are_gathered_and_none_is_lost() -> None:
    seen = replies(0.001, Accepted(74), *[Token("x")] * 200, END)
    assert seen[-1].text == "x" * 200 and seen[-1].finished == END
    assert len(seen) < 12


def test_slow_tokens_are_shown_one_by_one() -> None:
    assert len(replies(0.1, Accepted(74), *[Token("x")] * 5, END)) == 7


def test_every_stage_is_shown_however_short() -> None:
    stages = [Progress("queued", 2), Progress("looking", 0, 1), Progress("reading", 10, 74)]
    seen = [item.progress.stage for item in replies(0.001, Accepted(74), *stages, Token("x"), END)]
    assert list(dict.fromkeys(seen)) == ["queued", "looking", "reading", "writing"]


def test_times_count_from_the_question() -> None:
    final = replies(0.5, Accepted(74), Progress("reading"), Token("a"), Token("b"), Token("c"), END)[-1]
    assert final.first == 1.5 and final.rate == 2.0 and final.tokens == 3


def test_the_rate_of_a_short_answer_counts_its_whole_time() -> None:
    assert replies(0.5, Accepted(74), Token("a"), END)[-1].rate == 1.0
    assert reply.Reply("ab", 2, 0.2, 0.21).rate == pytest.approx(2 / 0.21)
    assert reply.Reply().rate == 0.0


@pytest.mark.parametrize(
    ("progress", "english", "chinese"),
    [
        (Progress("queued", 0), "Waiting: you are next…", "正在等待：下一个就是您……"),
        (Progress("queued", 3), "Waiting: 3 before you…", "正在等待：前面还有 3 个……"),
        (Progress("looking", 0, 1), "Looking at the picture…", "正在看图……"),
        (Progress("looking", 1, 3), "Looking at picture 2 of 3…", "正在看第 2 张图片，共 3 张……"),
        (Progress("reading", 32, 74), "Reading 32 of 74…", "正在读取 32 / 74……"),
        (Progress("writing"), "Writing…", "正在书写……"),
    ],
)
def test_progress_in_words(progress: Progress, english: str, chinese: str) -> None:
    assert reply.progress_text(progress, "en") == english
    assert reply.progress_text(progress, "zh") == chinese


@pytest.mark.parametrize(
    ("reason", "line"),
    [
        ("stop", "First word after 0.5 s · 5 tokens · 2.0 tokens/s"),
        ("cancelled", "Stopped · First word after 0.5 s · 5 tokens · 2.0 tokens/s"),
        ("length", "Ended at the length limit · First word after 0.5 s · 5 tokens · 2.0 tokens/s"),
    ],
)
def test_the_line_under_an_answer(reason: Any, line: str) -> None:
    done = reply.Reply("abc", 3, 0.5, 1.5, finished=Finished(reason, Usage(74, 5)))
    assert reply.summary(done, "en") == line


def test_stopped_before_the_first_word() -> None:
    assert reply.summary(reply.Reply(finished=Finished("cancelled", Usage(74))), "zh") == "在写出第一个字之前已停止"
    assert reply.summary(reply.Reply(), "en") == ""


def test_an_answer_of_no_words_is_named() -> None:
    empty = reply.Reply("", 1, 0.5, 0.5, finished=Finished("stop", Usage(74, 1)))
    assert reply.summary(empty, "en") == "The model wrote nothing. Try other words."
    assert reply.summary(empty, "zh") == "模型什么也没写，换个问法试试。"


@pytest.mark.parametrize(("cached", "said"), [(0, False), (3, False), (4, True), (74, True)])
def test_a_picture_that_was_in_the_context_already_is_said_to_be(cached: int, said: bool) -> None:
    picture = Picture(make(), 64, 64, Fit(64, 64, 0, 0, 64, 64), (0, 0, 64, 64))
    done = reply.Reply("abc", 3, 0.5, 1.5, finished=Finished("stop", Usage(74, 5, cached)))
    assert ("picture re-used" in reply.summary(done, "en", picture)) is said
    assert "picture" not in reply.summary(done, "en")
