"""The page in Chromium: what people do on it, both languages, wide and narrow, nothing fetched from elsewhere."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from qwen_vl_app import catalogue
from qwen_vl_app.errors import EngineFailed, QueueFull
from qwen_vl_app.host import Host, open_host
from qwen_vl_app.settings import Settings
from tests.browsing import PHONE, SECONDS, WIDE, ask, choose, finished, opened
from tests.fake_engine import FakeEngine
from tests.site import served
from training import answers, world

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
EXAMPLES = Path(Settings().models_dir) / "demo" / "examples"


@pytest.fixture(scope="module")
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture(scope="module")
def url(engine: FakeEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(Host(Settings(), catalogue.find("demo"), engine), tmp_path_factory.mktemp("fake")) as address:
        yield address


@pytest.fixture(scope="module")
def real_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if not EXAMPLES.is_dir():
        pytest.skip("the demo model is not trained yet")
    with served(open_host(Settings(model="demo")), tmp_path_factory.mktemp("real")) as address:
        yield address


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_a_drawn_picture_is_described_rightly_in_two_actions(
    browser: Browser, real_url: str, locale: str, drawing: Path
) -> None:
    language = locale[:2]
    shape = world.scene(3, n=1).shapes[0]
    with opened(browser, real_url, locale) as page:
        choose(page, drawing)
        page.locator("#submit").click()
        assert answers.thing(shape, language).lower() in finished(page).lower()
        ask(page, {"en": "How many shapes are there?", "zh": "有几个图形？"}[language])
        expect(page.locator("#chat .bot [data-testid=bot]")).to_have_count(2)
        assert finished(page)


@pytest.mark.parametrize(
    ("locale", "lang", "title", "submit", "prompt"),
    [
        ("en-US", "en", "Ask your pictures", "Submit", "Describe this picture."),
        ("zh-CN", "zh-CN", "看图问答", "提交", "请描述这张图片。"),
        ("zh-HK", "zh-CN", "看图问答", "提交", "请描述这张图片。"),
        ("fr-FR", "en", "Ask your pictures", "Submit", "Describe this picture."),
    ],
)
def test_the_page_speaks_the_browsers_language(
    browser: Browser, url: str, locale: str, lang: str, title: str, submit: str, prompt: str
) -> None:
    with opened(browser, url, locale) as page:
        assert page.title() == title and page.get_attribute("html", "lang") == lang
        assert page.inner_text("#submit") == submit and page.input_value("#question textarea") == prompt
        labels = page.eval_on_selector_all("[aria-label]", "parts => parts.map(part => part.ariaLabel)")
        words = page.inner_text("body") + "".join(label for label in labels if label)
        words = words.replace("中文", "")  # the switch names the other language in that language
        assert any("\u4e00" <= char <= "\u9fff" for char in words) is (lang == "zh-CN")
        if lang == "zh-CN":
            assert "Upload" not in words and "Drop" not in words and "Submit" not in words


def test_progress_answer_figures_and_follow_up(browser: Browser, url: str, engine: FakeEngine, drawing: Path) -> None:
    engine.answers, engine.pause = ["There is a red circle.", "On the left."], 1.1
    with opened(browser, url) as page:
        choose(page, drawing)
        page.locator("#submit").click()
        for words in ("1 before you", "Looking at the picture", "Reading 32 of 74", "Writing"):
            expect(page.locator(".status.working")).to_contain_text(words)
        assert finished(page) == "There is a red circle."
        assert "tokens/s" in page.inner_text(".status.done") and page.input_value("#question textarea") == ""
        engine.pause = 0.0
        ask(page, "Where?")
        expect(page.locator("#chat .bot [data-testid=bot]")).to_have_count(2)
        assert finished(page) == "On the left."
        assert page.locator("#chat .user img").count() == 1


def test_stop_keeps_the_text(browser: Browser, url: str, engine: FakeEngine, drawing: Path) -> None:
    engine.answers, engine.pause = ["word " * 300], 0.05
    with opened(browser, url) as page:
        choose(page, drawing)
        page.keyboard.press("Control+Enter")
        expect(page.locator("#chat .bot [data-testid=bot]")).to_contain_text("word word word")
        page.keyboard.press("Escape")
        expect(page.locator(".status.done")).to_contain_text("Stopped", timeout=3 * SECONDS)
        assert 3 <= finished(page).count("word") < 300
        expect(page.locator("#submit")).to_be_visible()


@pytest.mark.parametrize(("locale", "words"), [("en-US", "cannot be read as a picture"), ("zh-CN", "不能作为图片读取")])
def test_a_wrong_file_is_explained_and_nothing_is_lost(
    browser: Browser, url: str, engine: FakeEngine, drawing: Path, tmp_path: Path, locale: str, words: str
) -> None:
    engine.answers, engine.pause = ["There is a red circle."], 0.0
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"junk" * 99)
    with opened(browser, url, locale) as page:
        choose(page, drawing)
        page.locator("#submit").click()
        finished(page)
        before = page.get_attribute("#picture img", "src")
        for name in ("notes.txt", "broken.png"):
            page.set_input_files("#picture input[type=file]", str(tmp_path / name))
            notice = page.locator("#notice")
            expect(notice).to_contain_text(f"“{name}”")
            expect(notice).to_contain_text(words)
            expect(page.locator("#picture img")).to_have_attribute("src", before or "")
        choose(page, drawing)
        expect(notice.locator(".status.failed")).to_have_count(0)
        assert finished(page) == "There is a red circle."


@pytest.mark.parametrize(
    ("locale", "words"), [("en-US", "64 questions are waiting"), ("zh-CN", "已有 64 个问题在排队")]
)
def test_a_full_queue_is_explained_and_the_question_stays(
    browser: Browser, url: str, engine: FakeEngine, drawing: Path, locale: str, words: str
) -> None:
    engine.answers, engine.pause = [QueueFull(waiting=64)], 0.0
    with opened(browser, url, locale) as page:
        choose(page, drawing)
        ask(page, "Which colour?")
        expect(page.locator(".status.failed")).to_contain_text(words)
        assert page.input_value("#question textarea") == "Which colour?"
        expect(page.locator("#submit")).to_be_visible()


def test_a_crash_in_the_middle_keeps_the_text(browser: Browser, url: str, engine: FakeEngine, drawing: Path) -> None:
    engine.answers, engine.pause = [("There is a", EngineFailed())], 0.0
    with opened(browser, url) as page:
        choose(page, drawing)
        page.locator("#submit").click()
        expect(page.locator(".status.failed")).to_contain_text("please try once more")
        assert page.locator("#chat .bot [data-testid=bot]").last.inner_text() == "There is a"


def test_clear_begins_anew(browser: Browser, url: str, engine: FakeEngine, drawing: Path) -> None:
    engine.answers, engine.pause = ["There is a red circle."], 0.0
    with opened(browser, url) as page:
        choose(page, drawing)
        page.locator("#submit").click()
        finished(page)
        page.locator("#clear").click()
        expect(page.locator("#picture img")).to_have_count(0)
        expect(page.locator("#chat .bot")).to_have_count(0)
        expect(page.locator("#question textarea")).to_have_value("Describe this picture.")


PASTE = """async (bytes) => {
  const bag = new DataTransfer();
  bag.items.add(new File([new Uint8Array(bytes)], "pasted.png", { type: "image/png" }));
  document.body.dispatchEvent(new ClipboardEvent("paste", { clipboardData: bag, bubbles: true, cancelable: true }));
}"""
DROP = """async (bytes) => {
  const bag = new DataTransfer();
  bag.items.add(new File([new Uint8Array(bytes)], "dropped.png", { type: "image/png" }));
  document.querySelector("#chat").dispatchEvent(
    new DragEvent("drop", { dataTransfer: bag, bubbles: true, cancelable: true }));
}"""


@pytest.mark.parametrize(("gesture", "name"), [(PASTE, "pasted.png"), (DROP, "dropped.png")])
def test_a_picture_is_pasted_or_dropped_anywhere(
    browser: Browser, url: str, drawing: Path, gesture: str, name: str
) -> None:
    with opened(browser, url) as page:
        page.evaluate(gesture, list(drawing.read_bytes()))
        expect(page.locator("#picture img")).to_have_attribute("src", re.compile(name))


def test_a_tiff_is_shown_although_browsers_cannot(browser: Browser, url: str, tmp_path: Path) -> None:
    path = tmp_path / "scan.tif"
    world.draw(world.scene(3, n=1), (224, 224)).save(path)
    with opened(browser, url) as page:
        page.set_input_files("#picture input[type=file]", str(path))
        expect(page.locator("#picture img")).to_have_attribute("src", re.compile("scan.tif.png"))
        page.wait_for_function("document.querySelector('#picture img').naturalWidth > 0")


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_the_screen(
    browser: Browser, url: str, engine: FakeEngine, drawing: Path, size: Any, scheme: str
) -> None:
    engine.answers, engine.pause = ["There is a red circle. " * 20], 0.0
    with opened(browser, url, "zh-CN", size, color_scheme=scheme) as page:
        assert page.locator("#submit").bounding_box()["y"] < size["height"] - 44  # type: ignore[index]
        choose(page, drawing)
        page.locator("#submit").click()
        finished(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]


def test_a_question_sent_while_its_picture_is_checked_is_answered(
    browser: Browser, url: str, engine: FakeEngine, drawing: Path
) -> None:
    engine.answers, engine.pause = ["ok"], 0.0
    with opened(browser, url) as page:
        for _ in range(8):
            choose(page, drawing)
            page.locator("#submit").click()
            assert finished(page) == "ok"
            page.reload()
            expect(page.locator("#question textarea")).not_to_have_value("")


def test_a_browser_keeps_its_owner_and_others_have_another(
    browser: Browser, url: str, engine: FakeEngine, drawing: Path
) -> None:
    engine.answers, engine.pause = ["ok"], 0.0
    before = len(engine.requests)
    for _ in range(2):
        with opened(browser, url) as page:
            choose(page, drawing)
            for _ in range(2):
                page.locator("#submit").click()
                finished(page)
                page.reload()
                choose(page, drawing)
    owners = [request.owner for request in engine.requests[before:]]
    assert owners[0] == owners[1] != owners[2] == owners[3]
