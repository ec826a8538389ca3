"""The page in Chromium, opened as a person opens it, and what people do on it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

WIDE, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
SECONDS = 1000  # ms
GRAVE = ("serious", "critical")


@contextmanager
def opened(browser: Browser, url: str, locale: str = "en-US", size: Any = WIDE, **options: Any) -> Iterator[Page]:
    """The page, greeted; at the end nothing may have gone to another origin, and nothing to the console as error."""
    context = browser.new_context(locale=locale, viewport=size, **options)
    page = context.new_page()
    page.set_default_timeout(30 * SECONDS)
    elsewhere: list[str] = []
    errors: list[str] = []
    page.on("request", lambda r: None if r.url.startswith((url, "data:", "blob:")) else elsewhere.append(r.url))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(url)
    expect(page.locator("#head h1")).to_be_visible()
    expect(page.locator("#question textarea")).not_to_have_value("")
    yield page
    context.close()
    assert not elsewhere
    assert not errors


def choose(page: Page, path: Path | str) -> None:
    page.set_input_files("#picture input[type=file]", str(path))
    expect(page.locator("#picture img")).to_be_visible()


def ask(page: Page, question: str) -> None:
    page.fill("#question textarea", question)
    page.keyboard.press("Enter")


def finished(page: Page) -> str:
    expect(page.locator(".status.done")).to_be_visible()
    return page.locator("#chat .bot [data-testid=bot]").last.inner_text()


def findings(page: Page, state: str) -> list[str]:
    """What axe-core finds of grave things on the page in this state."""
    found = Axe().run(page).response["violations"]
    return [
        f"{state}: {rule['id']} {node['target']} {node['html'][:120]}"
        for rule in found
        if rule["impact"] in GRAVE
        for node in rule["nodes"]
    ]
