"""Earlier conversations on the server's side, the buttons at the top, and the address for a phone."""

from dataclasses import replace

import pytest

from qwen_vl_app.errors import InvalidField
from qwen_vl_app.ui.desk import Desk
from qwen_vl_app.ui.past import Past, exchanges_in
from qwen_vl_app.ui.talk import Exchange, Talk
from qwen_vl_app.ui.toolbar import address_for_phones, toolbar
from qwen_vl_app.ui.view import View
from tests.desk import desk, request, run

TALK = Talk("folder/a.png", (Exchange("What?", "A circle.", by_demo=True), Exchange("Where?", "On the", cut=True)))


def opened(page: Desk, kept: object, picture: str | None, second: str | None = None) -> View:
    return run(Past(page).reopen(kept, picture, second, [], {}, request()))


def test_what_the_browser_is_told_opens_the_same_conversation() -> None:
    page, _ = desk("ok")
    record = run(Past(page).record(TALK))
    assert record["name"] == "a.png"
    _, picture, good, notice, chat, status, talk, question, *_ = opened(page, record, "folder/a.png")
    assert (picture, good, talk, question) == ("folder/a.png", "folder/a.png", TALK, "")
    assert "go-on" in status and "translate" in status
    assert "1 tokens" in notice and len(chat) == 4


def test_a_conversation_without_a_picture() -> None:
    page, _ = desk("ok")
    view = opened(page, {"exchanges": [{"question": "Hello", "answer": "Hi"}]}, None)
    assert view[1] is None and view[6] == Talk("", (Exchange("Hello", "Hi"),))


def test_a_second_picture_comes_back_too() -> None:
    page, _ = desk("ok")
    pair = replace(TALK, second="folder/b.png")
    record = run(Past(page).record(pair))
    assert (record["second"], record["second_name"]) == ("folder/b.png", "b.png")
    view = opened(page, record, "folder/a.png", "folder/b.png")
    assert (view[0]["value"], view[0]["visible"], view[6]) == ("folder/b.png", True, pair)
    assert "cannot be read" in opened(page, record, "folder/a.png", "bad.png")[3]


def test_a_picture_that_cannot_be_read_changes_nothing_but_the_notice() -> None:
    page, _ = desk("ok")
    view = opened(page, {"exchanges": [{"question": "Hello", "answer": "Hi"}]}, "bad.png")
    assert "cannot be read" in view[3] and view[6]["__type__"] == "update"


@pytest.mark.parametrize(
    "item", ["text", {"question": "a"}, {"question": 1, "answer": "b"}, {"question": "", "answer": "b"}]
)
def test_other_forms_are_refused(item: object) -> None:
    with pytest.raises(InvalidField, match="exchanges"):
        exchanges_in({"exchanges": [item]})
    assert exchanges_in(None) == ()


def test_the_code_for_phones_is_there_only_when_others_may_come() -> None:
    assert "<details" not in toolbar("en") and 'lang="zh-CN"' in toolbar("en")
    shown = toolbar("zh", "http://192.0.2.1:7860")
    assert "<b>http://192.0.2.1:7860</b>" in shown and 'data-language="en"' in shown and "<svg" in shown


@pytest.mark.parametrize(
    ("own", "origin", "address"),
    [
        ("", "http://a.example", ""),
        ("http://192.0.2.1:7860", "", "http://192.0.2.1:7860"),
        ("http://192.0.2.1:7860", "http://localhost:7860", "http://192.0.2.1:7860"),
        ("http://192.0.2.1:7860", "http://[::1]:7860", "http://192.0.2.1:7860"),
        ("http://192.0.2.1:7860", "https://pictures.example", "https://pictures.example"),
    ],
)
def test_the_address_for_phones(own: str, origin: str, address: str) -> None:
    assert address_for_phones(own, origin) == address
