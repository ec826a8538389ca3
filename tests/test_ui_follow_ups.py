"""What can be done with the last answer by one press."""

from dataclasses import replace

import gradio as gr
import pytest

from qwen_vl_app.chat import Message, Text
from qwen_vl_app.tasks import other_language, translate
from qwen_vl_app.ui.follow_ups import follow_ups
from qwen_vl_app.ui.talk import Exchange, Talk
from tests.desk import STATUS, TALK, desk, last, request, run, views

CHINESE = Exchange("请描述这张图片。", "图中写着“AB12”。")
ENGLISH = Exchange("What?", 'The picture says "山水".')


@pytest.mark.parametrize(("exchange", "label"), [(CHINESE, "In English"), (ENGLISH, "In Chinese")])
def test_an_answer_can_be_had_in_the_other_language(exchange: Exchange, label: str) -> None:
    assert f'data-press="translate">{label}<' in follow_ups(Talk("a.png", (exchange,)), "en")


def test_what_cannot_be_translated_is_not_offered() -> None:
    assert follow_ups(Talk("a.png"), "en") == ""
    places = replace(ENGLISH, task="find", answer='[{"bbox_2d":[1,2,3,4],"label":"x"}]')
    for exchange in (places, replace(ENGLISH, by_demo=True)):
        assert follow_ups(Talk("a.png", (exchange,)), "en") == ""
    assert "go-on" in follow_ups(Talk("a.png", (replace(places, cut=True),)), "zh")


def test_a_translation_is_a_later_turn_about_the_same_picture() -> None:
    page, engine = desk("A red circle.")
    seen = run(views(page.translate(Talk("a.png", (CHINESE,)), {}, request("zh"))))
    sent = engine.requests[0].messages
    assert sent[1:] == (
        Message("assistant", (Text(CHINESE.answer),)),
        Message("user", (Text("把上面的回答翻译成英文。"),)),
    )
    assert last(seen, TALK).exchanges[-1].answer == "A red circle."
    assert "译成中文" in last(seen, STATUS)


def test_without_an_answer_there_is_nothing_to_translate() -> None:
    page, engine = desk("ok")
    with pytest.raises(gr.Error, match="nothing to answer"):
        run(views(page.translate(Talk(), {}, request())))
    assert not engine.requests


def test_the_question_is_in_the_persons_language_and_names_the_other_one() -> None:
    assert [other_language(words) for words in ("红色圆形", "red circle", "", "Qwen3-VL 会读图")] == [
        "en",
        "zh",
        "en",
        "en",
    ]
    assert translate("红色圆形", "en") == "Translate the answer above into English."
    assert translate("red circle", "zh") == "把上面的回答翻译成中文。"
