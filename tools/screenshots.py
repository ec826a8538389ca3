"""Makes the pictures of the READMEs from the running program: `python tools/screenshots.py [--model demo]`.

Starts `app.py` on a free port, opens it in Chromium, chooses an example picture, asks for the description and one
thing more, and writes docs/screenshot-<name>.png. Needs the `dev` dependencies and a Chromium.
"""

import argparse
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
ARGS = ["--no-sandbox", "--disable-background-networking", "--disable-gpu"]
PATIENCE = 300  # s for the model to load, or to answer


@dataclass(frozen=True)
class Shot:
    """One picture: its name, the browser it is taken in, and the follow-up that is asked."""

    name: str
    locale: str
    question: str
    scheme: str = "light"
    width: int = 1280
    height: int = 900
    task: str = ""


SHOTS = (
    Shot("en", "en-US", "How many shapes are there?"),
    Shot("zh", "zh-CN", "有几个图形？"),
    Shot("dark", "en-US", "How many shapes are there?", scheme="dark"),
    Shot("places", "en-US", "", height=1100, task="find"),
    Shot("phone", "zh-CN", "有几个图形？", width=390, height=844),
)


@contextmanager
def program(model: str) -> Iterator[str]:
    """The program, ready to answer; its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, str(ROOT / "app.py"), "--model", model, "--port", str(port)]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        address = f"http://127.0.0.1:{port}"
        wait(address)
        yield address
    finally:
        running.terminate()
        running.wait(20)


def wait(address: str) -> None:
    """Until the model answers."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            urllib.request.urlopen(address + "/health", timeout=5)
            return
        except OSError:
            time.sleep(0.5)
    raise SystemExit("the program did not start")


def take(browser: Browser, address: str, shot: Shot, example: int, folder: Path) -> None:
    """Use the page as a person does, then picture it."""
    size = {"width": shot.width, "height": shot.height}
    context = browser.new_context(locale=shot.locale, color_scheme=shot.scheme, viewport=size, device_scale_factor=1)
    page = context.new_page()
    page.set_default_timeout(PATIENCE * 1000)
    page.goto(address)
    page.locator("#examples button").nth(example).click()
    page.wait_for_selector("#picture img")
    if shot.task:
        page.locator(f"#tasks label:has(input[value={shot.task}])").click()
        page.wait_for_function("document.querySelector('#question textarea').value === ''")
    page.locator("#submit").click()
    answered(page, 1)
    if shot.question:
        page.fill("#question textarea", shot.question)
        page.locator("#submit").click()
        answered(page, 2)
        page.evaluate("window.scrollTo(0, 0)")
    else:
        page.locator("#files a[download$='.png']").scroll_into_view_if_needed()
    page.mouse.move(2, 2)
    page.wait_for_timeout(800)
    page.screenshot(path=str(folder / f"screenshot-{shot.name}.png"))
    context.close()


def answered(page: Page, count: int) -> None:
    """Until the answer number `count` is complete."""
    page.wait_for_function("n => document.querySelectorAll('#chat [data-testid=bot]').length === n", arg=count)
    page.wait_for_selector(".status.done")


def main() -> None:
    """Make all pictures."""
    parser = argparse.ArgumentParser(description="Makes the pictures of the READMEs.")
    parser.add_argument("--model", default="demo", help="which model answers (default: demo)")
    parser.add_argument("--example", type=int, default=0, help="which example picture, from 0 (default: 0)")
    parser.add_argument("--out", type=Path, default=ROOT / "docs", help="folder to write to (default: docs)")
    arguments = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    arguments.out.mkdir(exist_ok=True)
    with program(arguments.model) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGS)
        for shot in SHOTS:
            take(browser, address, shot, arguments.example, arguments.out)
        browser.close()


if __name__ == "__main__":
    main()
