"""Answers that are stopped, cleared, left or must wait; and programs that ask."""

import asyncio

import gradio as gr
import pytest

from qwen_vl_app import catalogue, tasks
from qwen_vl_app.chat import Text
from qwen_vl_app.host import Host
from qwen_vl_app.keeper import Keeper
from qwen_vl_app.peers import Operators
from qwen_vl_app.settings import Settings
from qwen_vl_app.ui import markup
from qwen_vl_app.ui.jobs import Jobs
from qwen_vl_app.ui.page import build
from qwen_vl_app.ui.person import owner_of
from qwen_vl_app.ui.talk import Talk
from qwen_vl_app.ui.view import View
from tests.desk import (
    CHAT,
    QUESTION,
    STATUS,
    TALK,
    desk,
    last,
    request,
    run,
    views,
)
from tests.fake_engine import FakeEngine


def test_stop_keeps_what_is_written_and_ends_only_its_own() -> None:
    page, engine = desk(" ".join(["word"] * 200), pause=0.01)

    async def both() -> tuple[list[View], list[View]]:
        mine = asyncio.create_task(
            views(page.submit("a.png", "What?", Talk(), "ask", None, {}, (), None, request(page="mine")))
        )
        other = asyncio.create_task(
            views(page.submit("a.png", "What?", Talk(), "ask", None, {}, (), None, request(page="other")))
        )
        await asyncio.sleep(0.5)
        await page.stop(request(page="mine"))
        await page.stop(request(page="mine"))
        await page.stop(request(page="nobody"))
        before = asyncio.get_running_loop().time()
        stopped = await mine
        assert asyncio.get_running_loop().time() - before < 1
        assert not other.done()
        return stopped, await other

    stopped, other = run(both())
    answer = last(stopped, TALK).exchanges[0].answer
    assert 0 < answer.count("word") < 200 and "Stopped" in last(stopped, STATUS)
    assert last(other, TALK).exchanges[0].answer.count("word") == 200
    assert len(engine.left) == 2


def test_stop_before_the_first_word_gives_the_question_back() -> None:
    page, _ = desk("word " * 50, pause=0.2)

    async def stopped() -> list[View]:
        task = asyncio.create_task(views(page.submit("a.png", "What?", Talk(), "ask", None, {}, (), None, request())))
        await asyncio.sleep(0.1)
        await page.stop(request())
        return await task

    seen = run(stopped())
    assert last(seen, QUESTION) == "What?" and last(seen, TALK) == Talk() and last(seen, CHAT) == []


def test_a_question_waits_for_a_model_that_is_being_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qwen_vl_app.ui.answering.BEAT", 0.01)
    page, engine = desk("ok")
    engine.state = "starting"

    async def waits() -> list[View]:
        asyncio.get_running_loop().call_later(0.05, setattr, engine, "state", "ready")
        return await views(page.submit("a.png", "What?", Talk(), "ask", None, {}, (), None, request()))

    seen = run(waits())
    assert (
        any("Your question waits for the model. The model is being loaded" in str(view[STATUS]) for view in seen)
        and last(seen, TALK).exchanges[0].answer == "ok"
    )


def test_only_answers_go_through_gradios_queue() -> None:
    """A second kind of event in the queue may end the stream that an answer has just been promised on (ui/page.py)."""

    async def queued() -> list[str]:
        page = build(Keeper(Host(Settings(), catalogue.find("demo"), FakeEngine())), Operators())
        return [fn.name for fn in page.fns.values() if fn.queue is not False]

    assert run(queued()) == ["submit", "again", "go_on", "translate", "describe"]


def test_clear_begins_anew_and_silences_a_running_answer() -> None:
    page, engine = desk("word " * 200, pause=0.01)

    async def cleared() -> tuple[View, int]:
        seen: list[View] = []

        async def watch() -> None:
            async for view in page.submit("a.png", "What?", Talk(), "ask", None, {}, (), None, request()):
                seen.append(view)

        task = asyncio.create_task(watch())
        await asyncio.sleep(0.3)
        view = await page.clear(request())
        shown = len(seen)
        await task
        return view, len(seen) - shown

    view, late = run(cleared())
    assert view[:7] == (None, None, "", [], "", Talk(), tasks.DESCRIBE.prompt("en"))
    assert late == 0 and engine.left


def test_a_page_that_is_closed_frees_its_place() -> None:
    page, engine = desk("word " * 200, pause=0.01)

    async def left() -> None:
        generator = page.submit("a.png", "What?", Talk(), "ask", None, {}, (), None, request())
        async for view in generator:
            if isinstance(view[CHAT], list) and len(view[CHAT]) == 2:
                break
        await generator.aclose()

    run(left())
    assert len(engine.left) == 1


def test_describe_for_programs() -> None:
    page, engine = desk("A red circle.")

    async def all_of(prompt: str) -> list[str]:
        return [text async for text in page.describe("a.png", prompt, request())]

    assert run(all_of(""))[-1] == "A red circle."
    assert run(all_of("What?"))[-1] == "A red circle."
    assert [item.messages[0].parts[-1] for item in engine.requests] == [
        Text(tasks.DESCRIBE.prompt("en")),
        Text("What?"),
    ]


def test_describe_says_that_the_model_is_not_ready() -> None:
    page, engine = desk("ok")
    engine.state = "starting"

    async def ask() -> None:
        async for _ in page.describe("a.png", "", request()):
            pass

    with pytest.raises(gr.Error, match="not ready yet"):
        run(ask())


def test_owners_are_browsers_and_programs_their_sessions() -> None:
    assert owner_of(request(owner="secret")) == "page:secret"
    assert owner_of(request(page="abc")) == "page:abc"


def test_jobs_are_forgotten_when_they_end() -> None:
    jobs = Jobs()
    with jobs.running("a") as old, jobs.running("a") as new:
        assert old is not new
    run(jobs.stop("a"))
    assert not new.stopped


def test_the_greeting_is_in_the_persons_language() -> None:
    page, _ = desk("ok")
    _, head, question = run(page.greet(request("zh-CN")))
    assert "看图问答" in head and question == tasks.DESCRIBE.prompt("zh")
    assert "发送" in markup.foot("zh") and "<b>" not in markup.foot("zh", "<b>")
