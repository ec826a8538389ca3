"""The page's texts, conversations, pictures and document."""

import io
import string
from pathlib import Path

import pytest
from PIL import Image as PillowImage

from qwen_vl_app import catalogue
from qwen_vl_app.chat import Image, Text
from qwen_vl_app.media.fit import Fit
from qwen_vl_app.settings import Settings
from qwen_vl_app.ui import document, markup, preview, texts
from qwen_vl_app.ui.album import Album
from qwen_vl_app.ui.talk import Asked, Exchange, Talk, Turn, bubbles, messages
from tests.desk import SIDE, FakeHost, make, run, write
from tests.fake_engine import FakeEngine


@pytest.mark.parametrize("key", texts.TEXTS)
def test_every_text_is_there_twice_with_the_same_details(key: str) -> None:
    english, chinese = texts.TEXTS[key]
    assert fields(english) == fields(chinese)
    assert any("\u4e00" <= char <= "\u9fff" for char in chinese)
    assert not any("\u4e00" <= char <= "\u9fff" for char in english)


def fields(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("zh-HK", "zh"),
        ("en-US,en;q=0.9,zh;q=0.8", "en"),
        ("en;q=0.5,zh;q=0.8", "zh"),
        ("fr-FR,fr;q=0.9,zh;q=0.4,en;q=0.3", "zh"),
        ("de", "en"),
        ("zh;q=0", "en"),
        ("zh;q=x,;;;", "en"),
        ("", "en"),
    ],
)
def test_the_language_is_the_browsers(header: str, language: str) -> None:
    assert texts.language_of({"accept-language": header}, {}) == language


def test_a_chosen_language_wins() -> None:
    assert texts.language_of({"accept-language": "en"}, {texts.LANGUAGE_COOKIE: "zh"}) == "zh"
    assert texts.language_of({"accept-language": "zh"}, {texts.LANGUAGE_COOKIE: "en"}) == "en"
    assert texts.language_of({"accept-language": "zh"}, {texts.LANGUAGE_COOKIE: "xx"}) == "zh"


def test_gradio_gets_both_tables_whole() -> None:
    tables = texts.translations()
    assert tables.keys() == {"en", "zh-CN"} and tables["en"].keys() == tables["zh-CN"].keys() == texts.TEXTS.keys()


def test_the_picture_is_sent_once_in_the_first_turn() -> None:
    image = make()
    talk = Talk("a.png", (Exchange("What?", "A circle."),))
    sent = messages(Turn(talk, talk, Asked("Where?")), [image])
    assert [message.role for message in sent] == ["user", "assistant", "user"]
    assert sent[0].parts == (image, Text("What?")) and sent[2].parts == (Text("Where?"),)


def test_a_new_conversation_begins_with_the_picture() -> None:
    image = make()
    assert messages(Turn(Talk(), Talk("a.png"), Asked("What?")), [image])[0].parts == (image, Text("What?"))
    assert messages(Turn(Talk(), Talk(), Asked("Hello")), [])[0].parts == (Text("Hello"),)


def test_another_picture_begins_a_new_conversation() -> None:
    talk = Talk("a.png").with_exchange(Asked("What?"), "A circle.")
    assert talk.about("a.png") is talk and talk.about(None) is talk
    assert talk.about("b.png") == Talk("b.png")
    both = talk.about("a.png", "c.png")
    assert both.pictures == ("a.png", "c.png") and both.subject == "c.png" and not both.exchanges
    assert both.about("a.png") is both and both.about("a.png", "c.png") is both


def test_a_conversation_looks_as_closely_as_its_closest_task() -> None:
    talk = Talk("a.png")
    assert talk.detail() == "usual" and talk.detail("summary") == "coarse" and talk.detail("find") == "fine"
    assert talk.with_exchange(Asked("Find", "find"), "[]").detail("summary") == "fine"


def test_the_chat_shows_the_picture_with_the_first_question() -> None:
    talk = Talk("a.png", (Exchange("What?", "A circle."), Exchange("Where?", "")))
    shown = bubbles(talk, "en")
    assert [bubble["role"] for bubble in shown] == ["user", "assistant", "user"]
    assert shown[0]["content"][0] == {"path": "a.png", "alt_text": "Picture"}
    assert shown[1]["content"] == [{"type": "text", "text": "A circle."}]
    assert bubbles(Talk("a.png"), "en") == []


def test_a_follow_up_does_not_open_the_picture_again(tmp_path: Path) -> None:
    host = FakeHost(Settings(), catalogue.find("demo"), FakeEngine())
    album = Album(host)
    path = write(tmp_path, "a.png", "PNG")
    assert run(album.open(path)) is run(album.open(path))
    assert run(album.viewable(path)) == path and host.opened == 1


def test_the_album_forgets_the_oldest(tmp_path: Path) -> None:
    host = FakeHost(Settings(), catalogue.find("demo"), FakeEngine())
    album = Album(host, limit=2 * SIDE * SIDE * 3)
    for name in ("a", "b", "a", "c", "a", "b"):
        run(album.open(name))
    assert host.opened == 4  # a, b, c, and b again


def test_what_browsers_cannot_draw_is_shown_as_the_model_sees_it(tmp_path: Path) -> None:
    host = FakeHost(Settings(), catalogue.find("demo"), FakeEngine())
    album = Album(host)
    shown = run(album.viewable(write(tmp_path, "a.tif", "TIFF")))
    assert shown == str(tmp_path / "a.tif.png")
    with PillowImage.open(shown) as image:
        assert image.size == (SIDE, SIDE) and image.getpixel((3, 3)) == (7, 7, 7)
    run(album.open(shown))
    assert host.opened == 1


@pytest.mark.parametrize(
    ("format", "drawn"), [("PNG", True), ("JPEG", True), ("GIF", True), ("WEBP", True), ("BMP", True), ("TIFF", False)]
)
def test_kinds_that_browsers_draw(tmp_path: Path, format: str, drawn: bool) -> None:
    assert preview.shown_by_browsers(Path(write(tmp_path, "x", format))) is drawn


def test_png_of_random_pixels_is_exact() -> None:
    pixels = bytes((i * 37 + i // 96) % 256 for i in range(64 * 32 * 3))
    with PillowImage.open(io.BytesIO(preview.png(Image(pixels, 64, 32, ""), Fit(64, 32, 0, 0, 64, 32)))) as image:
        assert image.tobytes() == pixels


def test_the_page_is_dressed_in_the_persons_language() -> None:
    html = document.dress(f'<html lang="en"><head><title>{document.TITLE}</title>', "zh", 64)
    assert 'lang="zh-CN"' in html and "<title>看图问答</title>" in html
    assert '"maxBytes": 64000000' in html and "超过 64 MB" in html


def test_facts_cannot_end_the_script() -> None:
    assert "</script>" not in document._script_safe({"a": "</script>"})


def test_file_names_are_escaped_in_html() -> None:
    assert (
        "<b>" not in markup.failed("<b>x</b>")
        and "<b>" not in markup.done("<b>")
        and "<b>" not in markup.working("<b>")
    )


def test_only_the_demo_says_that_it_is_one() -> None:
    assert 'class="banner"' in markup.head(catalogue.find("demo"), "en")
    assert 'class="banner"' not in markup.head(catalogue.find("8b"), "en")
