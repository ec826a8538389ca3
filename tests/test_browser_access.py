"""The page for everybody: no serious finding of axe-core, a sensible order for the keyboard, at both widths."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from qwen_vl_app import catalogue
from qwen_vl_app.host import Host
from qwen_vl_app.settings import Settings
from tests.browsing import PHONE, WIDE, choose, findings, finished, opened
from tests.fake_engine import FakeEngine
from tests.site import served

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
PLACES = '[{"bbox_2d": [10, 20, 300, 400], "label": "red circle"}, {"bbox_2d": [500, 20, 700, 400], "label": "cup"}, {'
ANSWER = "A **red** circle of $r^2$.\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```json\n{}\n```\n\n[a link](x)"


@pytest.fixture(scope="module")
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture(scope="module")
def url(engine: FakeEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(Host(Settings(), catalogue.find("demo"), engine), tmp_path_factory.mktemp("access")) as address:
        yield address


def test_axe_finds_what_is_wrong(browser: Browser) -> None:
    page = browser.new_page()
    page.set_content('<html lang="en"><title>x</title><main><button></button></main></html>')
    assert any("button-name" in finding for finding in findings(page, "bad"))
    page.close()


@pytest.mark.parametrize(
    ("locale", "size", "scheme"),
    [("en-US", WIDE, "light"), ("zh-CN", WIDE, "dark"), ("zh-CN", PHONE, "light"), ("en-US", PHONE, "dark")],
)
def test_axe_finds_nothing_serious(
    browser: Browser, url: str, engine: FakeEngine, drawing: Path, tmp_path: Path, locale: str, size: Any, scheme: str
) -> None:
    engine.answers, engine.pause = [ANSWER], 0.0
    (tmp_path / "notes.txt").write_text("no picture")
    # Without moving parts: half-way through a change of colour no contrast is what it will be.
    with opened(browser, url, locale, size, color_scheme=scheme, reduced_motion="reduce") as page:
        found = findings(page, "first visit")
        choose(page, drawing)
        page.locator("#submit").click()
        finished(page)
        page.locator("#settings button").first.click()
        expect(page.locator("#recommended")).to_be_visible()
        found += findings(page, "answered, settings open")
        page.set_input_files("#picture input[type=file]", str(tmp_path / "notes.txt"))
        expect(page.locator("#notice .failed")).to_be_visible()
        found += findings(page, "a wrong file")
        engine.pause = 0.2
        page.fill("#question textarea", "And?")
        page.keyboard.press("Enter")
        expect(page.locator("#stop")).to_be_visible()
        found += findings(page, "writing")
        finished(page)
        engine.answers = [PLACES]
        page.set_input_files("#picture input[type=file]", str(drawing))
        page.locator("#tasks label").nth(7).click()
        expect(page.locator("#tasks label").nth(7).locator("input")).to_be_checked()
        page.locator("#submit").click()
        expect(page.locator("#result rect")).to_have_count(2)
        expect(page.locator("#files a")).to_have_count(5)
        found += findings(page, "places")
        page.locator("[data-do=history]").click()
        expect(page.locator("#history li")).to_have_count(1)
        page.locator("#history [data-act=rename]").click()
        found += findings(page, "history")
    assert found == []


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_the_keyboard_goes_through_the_page_in_the_order_it_is_read(
    browser: Browser, url: str, engine: FakeEngine, size: Any
) -> None:
    top, ask = ["history", "language", "look", "picture", "examples"], ["tasks", "question", "add", "clear", "submit"]
    names = [*top, *ask, "settings"]
    with opened(browser, url, "en-US", size) as page:
        page.locator("[data-do=history]").focus()
        seen = ["history"]
        for _ in range(40):
            page.keyboard.press("Tab")
            place = page.evaluate("""() => {
                const part = document.activeElement;
                if (part.dataset.language) return "language";
                return part.dataset.do ?? part.closest("[id]:not([id^=component-])")?.id ?? "";
            }""")
            seen += [place] if place in names and place not in seen else []
        assert seen == names
