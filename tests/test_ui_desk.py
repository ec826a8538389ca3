"""What the page does with questions and pictures, and what it says when it cannot."""

from collections.abc import AsyncGenerator
from pathlib import Path

import gradio as gr
import pytest

from qwen_vl_app import tasks
from qwen_vl_app.chat import Text
from qwen_vl_app.errors import AppError, EngineFailed, QueueFull
from qwen_vl_app.ui.talk import Exchange, Talk
from qwen_vl_app.ui.view import View, told
from tests.desk import CHAT, QUESTION, STATUS, STOP, SUBMIT, TALK, desk, last, request, run, views, write

FACTS = '<div class="status facts">Seen as 32 × 32 px · 1 tokens · 0.1 % of the context</div>'


def test_the_first_description_and_a_follow_up() -> None:
    page, engine = desk("A red circle.", "On the left.")
    seen = run(views(page.submit("a.png", "Describe this picture.", Talk(), "ask", None, {}, (), None, request())))
    talk = last(seen, TALK)
    assert talk == Talk("a.png", (Exchange("Describe this picture.", "A red circle."),))
    assert last(seen, QUESTION) == "" and "tokens/s" in last(seen, STATUS)
    seen = run(views(page.submit("a.png", " Where? ", talk, "ask", None, {}, (), None, request())))
    assert [bubble["content"][-1]["text"] for bubble in last(seen, CHAT)] == [
        "Describe this picture.",
        "A red circle.",
        "Where?",
        "On the left.",
    ]
    first, second = engine.requests
    assert second.messages[:1] == first.messages[:1] and len(second.messages) == 3


def test_the_buttons_change_places() -> None:
    page, _ = desk("A red circle.")
    seen = run(views(page.submit("a.png", "What?", Talk(), "ask", None, {}, (), None, request())))
    assert (seen[0][SUBMIT]["visible"], seen[0][STOP]["visible"]) == (False, True)
    assert (seen[-1][SUBMIT]["visible"], seen[-1][STOP]["visible"]) == (True, False)


def test_progress_is_shown_before_the_first_word() -> None:
    page, _ = desk("A red circle.")
    seen = run(views(page.submit("a.png", "What?", Talk(), "ask", None, {}, (), None, request("zh"))))
    status = "".join(view[STATUS] for view in seen if isinstance(view[STATUS], str))
    assert all(
        words in status for words in ("正在打开图片", "前面还有 1 个", "正在看图", "正在读取 32 / 74", "正在书写")
    )


def test_an_empty_question_asks_for_the_description() -> None:
    page, engine = desk("ok")
    run(views(page.submit("a.png", "  ", Talk(), "ask", None, {}, (), None, request("zh"))))
    assert engine.requests[0].messages[0].parts[-1] == Text(tasks.DESCRIBE.prompt("zh"))


@pytest.mark.parametrize("question", ["", tasks.DESCRIBE.prompt("en"), tasks.DESCRIBE.prompt("zh")])
def test_nothing_is_described_without_a_picture(question: str) -> None:
    page, engine = desk("ok")
    with pytest.raises(gr.Error, match="请选择一张图片"):
        run(views(page.submit(None, question, Talk(), "ask", None, {}, (), None, request("zh"))))
    assert not engine.requests


@pytest.mark.parametrize("task", ["ask", "describe"])
def test_words_of_ones_own_need_no_picture_whatever_task_is_chosen(task: str) -> None:
    page, engine = desk("Hi.")
    run(views(page.submit(None, "Hello?", Talk(), task, None, {}, (), None, request())))
    assert engine.requests[0].messages[0].parts == (Text("Hello?"),)


async def collect_until_error(generator: AsyncGenerator[View, None]) -> tuple[list[View], str]:
    seen: list[View] = []
    try:
        async for view in generator:
            seen.append(view)
    except gr.Error as error:
        return seen, error.message
    return seen, ""


def test_a_refusal_keeps_the_question_and_the_old_answers() -> None:
    page, _ = desk(QueueFull(waiting=64))
    talk = Talk("a.png", (Exchange("What?", "A circle."),))
    seen, message = run(collect_until_error(page.submit("b.png", "Where?", talk, "ask", None, {}, (), None, request())))
    assert message == "64 questions are waiting already. Please try again in a moment."
    assert message in last(seen, STATUS) and last(seen, TALK) == talk and last(seen, QUESTION) == "Where?"
    assert seen[-1][SUBMIT]["visible"] is True


def test_a_failure_in_the_middle_keeps_what_was_written() -> None:
    page, _ = desk(("A red", EngineFailed()))
    seen, message = run(
        collect_until_error(page.submit("a.png", "What?", Talk(), "ask", None, {}, (), None, request("zh")))
    )
    assert "请再试一次" in message and last(seen, TALK).exchanges == (Exchange("What?", "A red"),)


def test_an_unexpected_error_says_nothing_of_the_inside(caplog: pytest.LogCaptureFixture) -> None:
    assert told(KeyError("/etc/passwd"), "en").message == AppError.en
    assert "unexpected error" in caplog.text


def test_a_wrong_file_leaves_the_last_good_one() -> None:
    page, _ = desk("ok")
    *shown, _, notice = run(page.look("bad.png", "good.png", "", "ask", {}, request("zh")))
    assert "“bad.png”不能作为图片读取" in notice and shown == ["good.png", "good.png"]


def test_a_good_picture_refills_an_empty_question(tmp_path: Path) -> None:
    page, _ = desk("ok")
    path = write(tmp_path, "a.png", "PNG")
    assert run(page.look(path, None, "", "ask", {}, request())) == (gr.skip(), path, tasks.DESCRIBE.prompt("en"), FACTS)
    assert run(page.look(path, None, "Where?", "ask", {}, request()))[2] == gr.skip()
    assert run(page.look(None, path, "", "ask", {}, request()))[1] is None


def test_an_example_is_chosen() -> None:
    page, _ = desk("ok")
    assert run(page.take(1, "", "ask", {}, request("zh"))) == (
        "two.png",
        "two.png",
        tasks.DESCRIBE.prompt("zh"),
        '<div class="status facts">模型看到 32 × 32 · 1 个 token · 占上下文的 0.1%</div>',
    )
