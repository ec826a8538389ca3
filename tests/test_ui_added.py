"""Pictures added to a question of a conversation: where they stand, what is sent, shown, kept and given back."""

from pathlib import Path

import gradio as gr
import pytest

from qwen_vl_app.chat import Image, Message, Text
from qwen_vl_app.errors import InvalidField
from qwen_vl_app.ui.added import MOST, Added, chips
from qwen_vl_app.ui.message import parts
from qwen_vl_app.ui.past import Past, exchanges_in
from qwen_vl_app.ui.talk import Asked, Exchange, Talk, Turn, bubbles, messages
from tests.desk import ADDED, CHAT, QUESTION, STATUS, TALK, desk, last, make, request, run, views, write

A, B, C = make("a.png", 1), make("b.png", 2), make("c.png", 3)
TALK_OF_THREE = Talk("a.png", (Exchange("What?", "A circle."), Exchange("And?", "Two.", pictures=("b.png", "c.png"))))


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("What?", (A, B, Text("What?"))),
        ("Is [2] larger than [1]?", (Text("Is "), B, Text(" larger than "), A, Text("?"))),
        ("[2] or the other one?", (A, B, Text(" or the other one?"))),
        ("As in [7] and [1].", (B, Text("As in [7] and "), A, Text("."))),
        ("[0] [-1] []", (A, B, Text("[0] [-1] []"))),
    ],
)
def test_a_picture_stands_where_the_question_names_it(question: str, expected: tuple[Text | Image, ...]) -> None:
    assert parts(question, [A, B]) == expected


def test_without_pictures_a_question_is_its_words() -> None:
    assert parts("See [1].", []) == (Text("See [1]."),)


def test_each_picture_is_sent_with_its_own_turn() -> None:
    turn = Turn(TALK_OF_THREE, TALK_OF_THREE, Asked("More?"))
    assert turn.pictures == ("a.png", "b.png", "c.png")
    assert messages(turn, [A, B, C]) == (
        Message("user", (A, Text("What?"))),
        Message("assistant", (Text("A circle."),)),
        Message("user", (B, C, Text("And?"))),
        Message("assistant", (Text("Two."),)),
        Message("user", (Text("More?"),)),
    )


def test_what_the_demo_answered_goes_with_its_pictures() -> None:
    talk = Talk("a.png", (Exchange("And?", "Two.", by_demo=True, pictures=("b.png",)),))
    sent = messages(Turn(talk, talk, Asked("More?", pictures=("c.png",))), [A, B, C])
    assert sent == (Message("user", (A, C, Text("More?"))),)


def test_added_pictures_are_sent_shown_and_taken_off_the_question() -> None:
    page, engine = desk("Two.")
    talk = Talk("a.png", (Exchange("What?", "A circle."),))
    seen = run(views(page.submit("a.png", "And?", talk, "ask", None, {}, ("b.png",), None, request())))
    assert [len(message.parts) for message in engine.requests[0].messages] == [2, 1, 2]
    assert last(seen, TALK).exchanges[-1].pictures == ("b.png",)
    assert last(seen, ADDED) == () and last(seen, TALK).subject == "b.png"
    assert [part.get("path") for part in last(seen, CHAT)[2]["content"]] == ["b.png", None]
    view = run(page.take_back(last(seen, TALK), 1, request()))
    assert view[ADDED] == ("b.png",) and view[QUESTION] == "And?"
    assert run(page.clear(request()))[3 + ADDED] == ()


def test_a_question_that_fails_keeps_its_pictures() -> None:
    page, _ = desk("")
    seen = run(views(page.submit("a.png", "And?", Talk(), "ask", None, {}, ("b.png",), None, request())))
    assert last(seen, ADDED) == ("b.png",) and last(seen, QUESTION) == "And?"
    with pytest.raises(gr.Error, match="cannot be read"):
        run(views(page.submit("a.png", "And?", Talk(), "ask", None, {}, ("bad.png",), None, request())))


def test_an_added_picture_is_enough_to_ask_about_and_to_compare_with() -> None:
    page, engine = desk("One.", "PASS")
    run(views(page.submit(None, "", Talk(), "describe", None, {}, ("b.png",), None, request())))
    assert len(engine.requests[0].messages[0].parts) == 2
    seen = run(views(page.submit("a.png", "", Talk(), "inspect", None, {}, ("b.png",), None, request())))
    assert len(engine.requests[1].messages[0].parts) == 3 and "data-press" not in last(seen, STATUS)


def test_pictures_are_taken_in_and_away_one_by_one(tmp_path: Path) -> None:
    page, _ = desk("ok")
    added = Added(page.album)
    one = write(tmp_path, "one.png", "PNG")
    both, shown, notice = run(added.add([one], ("a.png",), request()))
    assert both == ("a.png", one) and shown.count("<figure") == 2 and notice == ""
    assert run(added.drop(("a.png", "b.png", "c.png"), 1, request()))[0] == ("a.png", "c.png")
    for number in (3, -1, None, "0"):
        assert run(added.drop(("a.png",), number, request())) == (gr.skip(), gr.skip())
    shown = chips(("a b.png", "c.png"), "zh")
    assert shown.count("<figure") == 2 and 'aria-label="移除图片 2"' in shown and "[2]" in shown


@pytest.mark.parametrize(
    ("chosen", "words"), [(["bad.png"], "cannot be read"), (["a.png"] * MOST, f"takes {MOST} pictures")]
)
def test_pictures_that_cannot_be_taken_change_nothing_and_the_page_says_why(chosen: list[str], words: str) -> None:
    page, _ = desk("ok")
    kept, _, notice = run(Added(page.album).add(chosen, ("a.png",), request()))
    assert kept == gr.skip() and words in notice


def test_the_browser_keeps_added_pictures_by_their_numbers() -> None:
    page, _ = desk("ok")
    record = run(Past(page).record(TALK_OF_THREE))
    assert [file["path"] for file in record["more"]] == ["b.png", "c.png"]
    assert [exchange["pictures"] for exchange in record["exchanges"]] == [[], [0, 1]]
    assert exchanges_in(record, ["x.png", "y.png"])[1].pictures == ("x.png", "y.png")
    for wrong in (["x.png"], []):
        with pytest.raises(InvalidField, match="exchanges"):
            exchanges_in(record, wrong)


def test_each_bubble_shows_its_own_pictures() -> None:
    shown = bubbles(TALK_OF_THREE, "en")
    assert [sum("path" in part for part in bubble["content"]) for bubble in shown] == [1, 0, 2, 0]
