"""Earlier conversations in Chromium: kept in the browser with their pictures, whatever becomes of the server."""

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from qwen_vl_app import catalogue
from qwen_vl_app.chat import Image
from qwen_vl_app.host import Host
from qwen_vl_app.settings import Settings
from tests.browsing import ask, choose, finished, opened
from tests.fake_engine import FakeEngine
from tests.site import served

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]


def site(engine: FakeEngine, root: Path, port: int = 0) -> AbstractContextManager[str]:
    return served(Host(Settings(), catalogue.find("demo"), engine), root, port=port)


@pytest.fixture(scope="module")
def engine() -> FakeEngine:
    return FakeEngine(["There is a **red circle** here.", "On the left."])


@pytest.fixture(scope="module")
def url(engine: FakeEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with site(engine, tmp_path_factory.mktemp("history")) as address:
        yield address


def talk(page: Page, engine: FakeEngine, drawing: Path) -> None:
    engine.answers = ["There is a **red circle** here.", "On the left."]
    choose(page, drawing)
    page.locator("#submit").click()
    finished(page)
    ask(page, "Where?")
    expect(page.locator("#chat [data-testid=bot]")).to_have_count(2)
    finished(page)
    page.wait_for_function("store.all().then((items) => items[0]?.exchanges.length === 2)")


def again(page: Page, address: str = "") -> None:
    """A new page, greeted."""
    page.goto(address) if address else page.reload()
    expect(page.locator("#question textarea")).not_to_have_value("")


def reopened(page: Page) -> None:
    page.locator("[data-do=history]").click()
    page.locator("#history .open").first.click()
    expect(page.locator("#chat [data-testid=bot]")).to_have_count(2)
    expect(page.locator("#picture img")).to_be_visible()


def pictures(engine: FakeEngine) -> list[Any]:
    return [part for message in engine.requests[-1].messages for part in message.parts if isinstance(part, Image)]


def test_history_survives_a_reload_and_a_restart_and_is_gone_on_with(
    browser: Browser, tmp_path: Path, drawing: Path
) -> None:
    engine = FakeEngine()
    with site(engine, tmp_path) as address:
        context = browser.new_context(locale="en-US")
        page = context.new_page()
        page.goto(address)
        expect(page.locator("#question textarea")).not_to_have_value("")
        talk(page, engine, drawing)
        first = pictures(engine)
        again(page)
        reopened(page)
        assert page.locator("#history .open").count() == 1
    other = FakeEngine(["Yes."])
    (tmp_path / "second").mkdir()
    with site(other, tmp_path / "second", urlsplit(address).port or 0):
        again(page, address)
        reopened(page)
        ask(page, "Is it round?")
        expect(page.locator("#chat [data-testid=bot]")).to_have_count(3)
        finished(page)
        assert len(other.requests[-1].messages) == 5 and pictures(other) == first
        page.wait_for_function("store.all().then((items) => items.length === 1 && items[0].exchanges.length === 3)")
        context.close()


def test_places_and_a_second_picture_come_back(browser: Browser, url: str, engine: FakeEngine, drawing: Path) -> None:
    engine.answers = ['FAIL [{"bbox_2d": [100, 200, 500, 600], "label": "scratch"}]', "Yes."]
    with opened(browser, url) as page:
        choose(page, drawing)
        page.locator("#tasks label").filter(has_text="Inspect against a reference").click()
        page.set_input_files("#second input[type=file]", str(drawing))
        expect(page.locator("#second img")).to_be_visible()
        page.locator("#submit").click()
        finished(page)
        expect(page.locator("#result rect")).to_have_count(1)
        page.wait_for_function("store.all().then((all) => all.some((one) => one.exchanges[0].task === 'inspect'))")
        again(page)
        expect(page.locator("#second img")).to_have_count(0)
        page.locator("[data-do=history]").click()
        page.locator("#history .open").first.click()
        expect(page.locator("#second img")).to_be_visible()
        expect(page.locator("#result rect")).to_have_count(1)
        ask(page, "Is it scratched?")
        expect(page.locator("#chat [data-testid=bot]")).to_have_count(2)
        finished(page)
        assert len(pictures(engine)) == 2


def test_a_conversation_is_renamed_saved_deleted_and_taken_in_again(
    browser: Browser, url: str, engine: FakeEngine, drawing: Path, tmp_path: Path
) -> None:
    with opened(browser, url) as page:
        talk(page, engine, drawing)
        page.locator("[data-do=history]").click()
        entry = page.locator("#history li")
        expect(entry.locator("b")).to_have_text("There is a red circle here.")
        entry.locator("[data-act=rename]").click()
        page.keyboard.type("My circle <b>")
        page.keyboard.press("Enter")
        expect(entry.locator("b")).to_have_text("My circle <b>")
        with page.expect_download() as download:
            entry.locator("[data-act=markdown]").click()
        markdown = Path(download.value.path()).read_text(encoding="utf-8")
        assert download.value.suggested_filename == "My-circle-b.md"
        assert "> Where?\n\nOn the left." in markdown and "There is a **red circle** here." in markdown
        with page.expect_download() as download:
            page.locator("#history [data-act=export]").click()
        saved = tmp_path / "saved.json"
        download.value.save_as(saved)
        item = json.loads(saved.read_text(encoding="utf-8"))["conversations"][0]
        assert [exchange["answer"] for exchange in item["exchanges"]][1] == "On the left."
        assert item["picture"]["name"] == "drawing.png" and item["picture"]["type"] == "image/png"
        entry.locator("[data-act=delete]").click()
        expect(entry).to_have_count(1)
        entry.locator("[data-act=delete]").click()
        expect(page.locator("#history .empty")).to_be_visible()
        page.set_input_files("#history input[type=file]", str(saved))
        expect(entry.locator("b")).to_have_text("My circle <b>")
        page.keyboard.press("Escape")
        reopened(page)
        assert page.locator("#chat .user img").count() == 1


@pytest.mark.parametrize(
    "content",
    ["no json", "{}", '{"format": "ask-your-pictures/1", "conversations": [{"id": 5}]}'],
)
def test_a_file_that_is_none_of_ours_is_refused_in_words(
    browser: Browser, url: str, tmp_path: Path, content: str
) -> None:
    (tmp_path / "other.json").write_text(content)
    with opened(browser, url, "zh-CN") as page:
        page.locator("[data-do=history]").click()
        page.set_input_files("#history input[type=file]", str(tmp_path / "other.json"))
        expect(page.locator("#history [role=alert]")).to_contain_text("没有本页面的对话")
        expect(page.locator("#history li")).to_have_count(0)


def test_language_and_look_are_chosen_kept_and_lose_nothing(
    browser: Browser, url: str, engine: FakeEngine, drawing: Path
) -> None:
    with opened(browser, url, color_scheme="light") as page:
        talk(page, engine, drawing)
        page.locator("[data-do=look]").click()
        expect(page.locator("body")).to_have_class("dark")
        page.locator("[data-language=zh]").click()
        expect(page.locator("#head h1")).to_have_text("看图问答")
        expect(page.locator("#chat [data-testid=bot]")).to_have_count(2)
        again(page)
        assert page.get_attribute("html", "lang") == "zh-CN" and page.inner_text("#submit") == "提交"
        expect(page.locator("body")).to_have_class("dark")
        page.locator("[data-language=en]").click()
        expect(page.locator("#head h1")).to_have_text("Ask your pictures")
