"""What is done with the last exchange: asked again, taken back, gone on with; and how a person's settings arrive."""

from typing import Any

import gradio as gr
import pytest

from qwen_vl_app.chat import Message, Text
from qwen_vl_app.ui.talk import Exchange, Talk, again, rest
from tests.desk import CHAT, QUESTION, STATUS, TALK, desk, last, request, run, views

TALK_OF_TWO = Talk("a.png", (Exchange("What?", "A circle."), Exchange("Where?", "On the")))
CUT = Talk("a.png", (Exchange("What?", "A circle."), Exchange("Where?", "On the", cut=True)))


def words(messages: tuple[Message, ...]) -> list[str]:
    return [part.text for message in messages for part in message.parts if isinstance(part, Text)]


def test_the_last_question_is_answered_again() -> None:
    page, engine = desk("On the right.")
    seen = run(views(page.again(TALK_OF_TWO, {}, request())))
    assert words(engine.requests[0].messages) == ["What?", "A circle.", "Where?"]
    assert last(seen, TALK).exchanges == (Exchange("What?", "A circle."), Exchange("Where?", "On the right."))
    assert all(view[QUESTION] == gr.skip() for view in seen), "what is being typed stays in its box"


def test_a_question_is_taken_back_to_be_changed() -> None:
    page, _ = desk("ok")
    view = run(page.take_back(TALK_OF_TWO, 1, request()))
    assert view[TALK] == Talk("a.png", (Exchange("What?", "A circle."),)) and view[QUESTION] == "Where?"
    assert len(view[CHAT]) == 2 and view[STATUS] == ""
    view = run(page.take_back(TALK_OF_TWO, 0, request()))
    assert view[TALK] == Talk("a.png") and view[QUESTION] == "What?" and view[CHAT] == []
    for number in (2, -1, None, "0"):
        assert run(page.take_back(TALK_OF_TWO, number, request()))[CHAT] == gr.skip()


def test_an_answer_goes_on_where_the_limit_ended_it() -> None:
    page, engine = desk("There is a red circle.", " red circle.")
    seen = run(views(page.submit("a.png", "What?", Talk(), "ask", None, {"max_tokens": 3}, (), None, request())))
    talk = last(seen, TALK)
    assert talk.exchanges == (Exchange("What?", "There is a", cut=True),)
    assert 'data-press="go-on">Go on<' in last(seen, STATUS) and "Ended at the length limit" in last(seen, STATUS)
    seen = run(views(page.go_on(talk, {}, request())))
    assert engine.requests[1].messages[-1] == Message("assistant", (Text("There is a"),))
    assert last(seen, TALK).exchanges == (Exchange("What?", "There is a red circle."),)
    assert last(seen, CHAT)[-1]["content"][0]["text"] == "There is a red circle."
    assert "go-on" not in last(seen, STATUS)


def test_there_must_be_something_to_repeat_or_to_go_on_with() -> None:
    assert again(Talk()) is None and rest(Talk()) is None and rest(TALK_OF_TWO) is None and rest(CUT)
    page, engine = desk("ok")
    with pytest.raises(gr.Error, match="nothing to answer"):
        run(views(page.go_on(TALK_OF_TWO, {}, request())))
    assert not engine.requests


def test_a_stop_before_the_first_word_keeps_the_answer_that_was_there() -> None:
    page, _ = desk("")
    seen = run(views(page.again(TALK_OF_TWO, {}, request())))
    assert last(seen, TALK) == TALK_OF_TWO


def test_settings_reach_the_engine_and_the_picture() -> None:
    page, engine = desk("ok")
    kept: dict[str, Any] = {
        "system": "Be brief.",
        "temperature": 1.5,
        "top_p": 0.5,
        "top_k": 7,
        "presence_penalty": -1,
        "max_tokens": 99,
        "seed": 3,
        "detail": "coarse",
    }
    run(views(page.submit("a.png", "What?", Talk(), "ask", None, kept, (), None, request())))
    sent = engine.requests[0]
    assert sent.messages[0] == Message("system", (Text("Be brief."),)) and sent.max_tokens == 99
    taken = sent.sampling
    assert (taken.temperature, taken.top_p, taken.top_k, taken.presence_penalty, taken.seed) == (1.5, 0.5, 7, -1, 3)
    assert page.host.details == ["coarse"]  # type: ignore[attr-defined]


def test_a_setting_out_of_range_is_refused_in_words() -> None:
    page, engine = desk("ok")
    with pytest.raises(gr.Error, match=r"“temperature”必须是 0 到 2 之间的数"):
        run(views(page.submit("a.png", "What?", Talk(), "ask", None, {"temperature": 9}, (), None, request("zh"))))
    assert not engine.requests
