"""A selected part of the picture on the server's side: what is asked, shown, remembered and refused."""

from pathlib import Path

import pytest
from PIL import Image as PillowImage

from qwen_vl_app import catalogue
from qwen_vl_app.chat import Text
from qwen_vl_app.errors import InvalidField, UnusableRegion
from qwen_vl_app.host import Host
from qwen_vl_app.settings import Settings
from qwen_vl_app.ui.album import Album
from qwen_vl_app.ui.past import Past, exchanges_in
from qwen_vl_app.ui.portion import in_pixels, portion_in
from qwen_vl_app.ui.results import Results
from qwen_vl_app.ui.selection import row
from qwen_vl_app.ui.talk import Exchange, Talk, bubbles
from tests.desk import CHAT, TALK, desk, last, request, run, views
from tests.fake_engine import FakeEngine

PART = (0.25, 0.0, 0.75, 0.5)
WHOLE_FIRST = Talk("a.png", (Exchange("What?", "Two shapes."),))


@pytest.fixture
def picture(tmp_path: Path) -> str:
    path = tmp_path / "map.png"
    PillowImage.linear_gradient("L").resize((400, 200)).save(path)
    return str(path)


def album() -> Album:
    return Album(Host(Settings(), catalogue.find("8b"), FakeEngine()))


def test_a_part_is_four_fractions_or_nothing() -> None:
    assert portion_in(None) is None and portion_in([0, 0.5, 1, 1]) == (0.0, 0.5, 1.0, 1.0)
    assert in_pixels(PART, 400, 200) == (100, 0, 300, 100)


@pytest.mark.parametrize("value", ["0,0,1,1", [0, 0, 1], [0, 0, 1, 2], [0, -1, 1, 1], [0, 0, 1, True], {"left": 0}, 7])
def test_other_values_are_refused(value: object) -> None:
    with pytest.raises(InvalidField, match="region"):
        portion_in(value)
    with pytest.raises(InvalidField):
        exchanges_in({"exchanges": [{"question": "What?", "answer": "A dot.", "region": value}]})


def test_a_part_is_opened_from_the_original(picture: str) -> None:
    opened = run(album().open(picture, portion=PART))
    assert (opened.region, opened.original_width) == ((100, 0, 300, 100), 400)
    with pytest.raises(UnusableRegion, match=r"map\.png"):
        run(album().open(picture, portion=(0.1, 0.1, 0.11, 0.9)))


def test_a_question_about_a_part_is_asked_without_what_was_said_of_the_whole() -> None:
    page, engine = desk("A dot.")
    seen = run(views(page.submit("a.png", "And here?", WHOLE_FIRST, "ask", None, {}, (), list(PART), request())))
    asked = [part.text for message in engine.requests[-1].messages for part in message.parts if isinstance(part, Text)]
    assert asked == ["And here?"]
    talk = last(seen, TALK)
    assert talk.exchanges[-1].region == PART and len(talk.exchanges) == 2
    assert "25–75 % across" in last(seen, CHAT)[-2]["content"][0]["text"]
    run(views(page.submit("a.png", "Which colour?", talk, "ask", None, {}, (), list(PART), request())))
    assert [message.role for message in engine.requests[-1].messages] == ["user", "assistant", "user"]
    run(views(page.again(talk, {}, request())))
    assert len(engine.requests[-1].messages) == 1


def test_without_a_picture_there_is_no_part() -> None:
    page, _ = desk("Hi.")
    seen = run(views(page.submit(None, "Hello?", Talk(), "ask", None, {}, (), list(PART), request())))
    assert last(seen, TALK).exchanges[-1].region is None


def test_what_a_part_costs_is_shown_and_a_tiny_one_is_refused(picture: str) -> None:
    page, _ = desk()
    page.album = album()
    whole, part = (run(page.measure(picture, {}, region, request())) for region in (None, list(PART)))
    assert "px" in whole and whole != part
    assert "16 × 16 像素" in run(page.measure(picture, {}, [0, 0, 0.01, 0.01], request("zh")))
    assert 'role="alert"' in run(page.measure(picture, {}, "all", request()))


def test_places_in_a_part_are_shown_in_pixels_of_the_whole(picture: str) -> None:
    answer = '[{"bbox_2d":[0,0,1000,1000],"label":"it"}]'
    talk = Talk(picture, (Exchange("Find", answer, task="find", region=PART),))
    card, _ = run(Results(album()).show(talk, {}, request()))
    assert 'viewBox="0 0 400 200"' in card and "100, 0, 300, 100" in card


def test_an_earlier_conversation_comes_back_with_its_part() -> None:
    page, _ = desk("ok")
    talk = Talk("folder/a.png", (Exchange("What?", "A dot.", region=PART),))
    record = run(Past(page).record(talk))
    record["exchanges"][0]["region"] = list(PART)  # as JSON has it
    view = run(Past(page).reopen(record, "folder/a.png", None, [], {}, request()))
    assert view[6] == talk and view[-1] == list(PART)
    assert run(page.clear(request()))[-1] is None


@pytest.mark.parametrize(("language", "words"), [("en", "Select a part"), ("zh", "选择区域")])
def test_the_row_speaks_both_languages(language: str, words: str) -> None:
    shown = row("zh" if language == "zh" else "en")
    assert words in shown and shown.count("data-side=") == 4


def test_the_part_is_told_in_the_persons_language() -> None:
    talk = Talk("a.png", (Exchange("什么？", "圆。", region=PART),))
    assert "选定区域" in bubbles(talk, "zh")[0]["content"][1]["text"]


def test_a_question_put_back_selects_its_part_again() -> None:
    page, _ = desk()
    talk = Talk("a.png", (*WHOLE_FIRST.exchanges, Exchange("And here?", "A dot.", region=PART)))
    assert run(page.take_back(talk, 1, request()))[-1] == list(PART)
    assert run(page.take_back(talk, 0, request()))[-1] is None
