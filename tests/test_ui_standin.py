"""The demo in the place of a model that is not there yet: asked for, marked, and kept apart."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from qwen_vl_app import catalogue
from qwen_vl_app.chat import Text
from qwen_vl_app.host import Host
from qwen_vl_app.settings import Settings
from qwen_vl_app.ui.album import Album
from qwen_vl_app.ui.desk import Desk
from qwen_vl_app.ui.standin import StandIn
from qwen_vl_app.ui.talk import Asked, Exchange, Talk, Turn, messages
from qwen_vl_app.ui.view import View
from tests.desk import CHAT, QUESTION, STATUS, TALK, FakeHost, last, request, run, views, write
from tests.fake_engine import FakeEngine


class WaitingHost(FakeHost):
    """A model on its way, and a scripted demo beside it."""

    def __init__(self, state: str = "downloading") -> None:
        self.own, self.demos = FakeEngine(["from the model"]), FakeEngine(["from the demo"])
        self.own.state = state  # type: ignore[assignment]
        super().__init__(Settings(), catalogue.find("8b"), self.own)

    async def demo(self) -> Host:
        return FakeHost(Settings(), catalogue.find("demo"), self.demos)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qwen_vl_app.ui.answering.BEAT", 0.01)


def waiting(page: Desk, then: Any) -> list[View]:
    """What is seen of a question that waits, while `then` happens after a moment."""

    async def ask() -> list[View]:
        asked = asyncio.create_task(
            views(page.submit("a.png", "What?", Talk(), "ask", None, {}, (), None, request("zh")))
        )
        await asyncio.sleep(0.05)
        await then()
        return await asked

    return run(ask())


def test_the_demo_answers_a_waiting_question_when_it_is_told_to() -> None:
    host = WaitingHost()
    page = Desk(host)
    seen = waiting(page, lambda: page.let_demo(request("zh")))
    assert any("status working waits" in str(view[STATUS]) for view in seen)
    assert last(seen, TALK).exchanges == (Exchange("What?", "from the demo", by_demo=True),)
    bubble = last(seen, CHAT)[-1]["content"]
    assert [part["text"] for part in bubble] == ["*演示模型（只认识手绘图形）：*", "from the demo"]
    assert "演示模型 · 首字" in last(seen, STATUS) and not host.own.requests


def test_nobody_elses_question_goes_to_the_demo() -> None:
    host = WaitingHost()
    page = Desk(host)

    async def other() -> None:
        await page.let_demo(request(page="other"))
        await asyncio.sleep(0.05)
        assert not host.demos.requests
        host.own.state = "ready"

    seen = waiting(page, other)
    assert last(seen, TALK).exchanges == (Exchange("What?", "from the model"),)


def test_a_question_that_no_longer_waits_is_given_back() -> None:
    host = WaitingHost()
    page = Desk(host)
    seen = waiting(page, lambda: page.stop(request("zh")))
    assert "已停止" in last(seen, STATUS) and seen[-1][QUESTION] == seen[0][QUESTION]
    assert not host.own.requests and not host.demos.requests


@pytest.mark.parametrize(
    ("state", "by_demo"), [("downloading", True), ("failed", True), ("ready", False), ("restarting", False)]
)
def test_the_demos_own_examples_are_answered_by_it_until_the_model_is_there(
    tmp_path: Path, state: str, by_demo: bool
) -> None:
    example, other = write(tmp_path, "one.png", "PNG"), write(tmp_path, "two.gif", "GIF")
    copy = tmp_path / "uploaded.png"
    copy.write_bytes(Path(example).read_bytes())
    host = WaitingHost(state)
    stand_in = StandIn(host, Album(host), [example])
    assert stand_in.wanted(str(copy)) is by_demo
    assert not stand_in.wanted(other) and not stand_in.wanted("") and not stand_in.wanted("gone.png")
    assert run(stand_in.seat(by_demo)).stands_in is by_demo


def test_what_the_demo_said_is_not_put_into_the_models_mouth() -> None:
    talk = Talk("").with_exchange(Asked("What?"), "A circle.", by_demo=True).with_exchange(Asked("Where?"), "Left.")
    assert [message.parts[-1] for message in messages(Turn(talk, talk, Asked("Why?")), [])] == [
        Text("Where?"),
        Text("Left."),
        Text("Why?"),
    ]
    assert messages(Turn(talk, talk, Asked("Why?"), by_demo=True), [])[0].parts == (Text("What?"),)


def test_pictures_are_opened_anew_for_another_model(tmp_path: Path) -> None:
    host = WaitingHost()
    album = Album(host)
    path = write(tmp_path, "a.png", "PNG")
    run(album.open(path))
    host.model = catalogue.find("demo")
    run(album.open(path))
    assert host.opened == 2
