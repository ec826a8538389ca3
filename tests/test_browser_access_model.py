"""No serious finding of axe-core on the page while the model is on its way, and when it failed."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.browsing import PHONE, WIDE, choose, findings, opened
from tests.fake_hub import Manners
from tests.test_browser_model import SLOW, arriving

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
LOOKS = pytest.mark.parametrize(
    ("locale", "size", "scheme"), [("zh-CN", WIDE, "dark"), ("en-US", PHONE, "light"), ("en-US", WIDE, "light")]
)


@LOOKS
def test_a_model_on_its_way(
    browser: Browser, tmp_path: Path, drawing: Path, locale: str, size: Any, scheme: str
) -> None:
    with (
        arriving(tmp_path, Manners(bytes_per_second=SLOW / 4)) as (url, hub),
        opened(browser, url, locale, size, color_scheme=scheme, reduced_motion="reduce") as page,
    ):
        expect(page.locator("#arrival progress")).to_be_visible()
        page.locator("#models button").first.click()
        expect(page.locator("#models table")).to_be_visible()
        found = findings(page, "downloading, models open")
        choose(page, drawing)
        page.locator("#submit").click()
        expect(page.locator("#let-demo")).to_be_visible()
        found += findings(page, "a question waits")
        hub.manners.bytes_per_second = 0
        expect(page.locator("#arrival .card")).to_have_count(0)
        expect(page.locator("#status .done")).to_be_visible()
        found += findings(page, "answered, models open")
    assert found == []


@LOOKS
def test_a_model_that_failed(browser: Browser, tmp_path: Path, locale: str, size: Any, scheme: str) -> None:
    with (
        arriving(tmp_path, Manners(status=404)) as (url, _),
        opened(browser, url, locale, size, color_scheme=scheme, reduced_motion="reduce") as page,
    ):
        expect(page.locator("#arrival .card[role=alert]")).to_be_visible()
        assert findings(page, "failed") == []
