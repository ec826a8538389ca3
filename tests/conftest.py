"""Fixtures that more than one file uses: the demo model, running, and the drawn world."""

import asyncio
import shutil
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from qwen_vl_app import catalogue
from qwen_vl_app.engine.local import LocalEngine
from qwen_vl_app.engine.plan import Plan
from training import world

ROOT = Path(__file__).resolve().parent.parent
T = TypeVar("T")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
CHROMIUM_ARGS = ["--no-sandbox", "--disable-background-networking", "--disable-gpu"]

# A shell that starts the tests in the background has interrupts ignored; every program started here would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


class Loop:
    """An event loop in a thread, so that plain test functions share one engine."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T], seconds: float = 60) -> T:
        """The result of `work`, run in the loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(seconds)

    def close(self) -> None:
        """End the thread."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


@pytest.fixture(scope="session")
def loop() -> Iterator[Loop]:
    """A running event loop."""
    loop = Loop()
    yield loop
    loop.close()


@pytest.fixture(scope="session")
def demo_plan() -> Callable[..., Plan]:
    """Makes plans for the demo model."""
    model, mmproj = catalogue.find("demo").paths(ROOT / "models")

    def make(**changes: int) -> Plan:
        sizes = {"ctx_size": 2048, "pool": 8192, "threads": 2} | changes
        return Plan(str(model), str(mmproj), **sizes)

    return make


@pytest.fixture(scope="session")
def engine(loop: Loop, demo_plan: Callable[..., Plan]) -> Iterator[LocalEngine]:
    """The demo model, ready to answer."""
    engine = LocalEngine(demo_plan())
    loop.run(engine.start())
    yield engine
    loop.run(engine.close())


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium; not for the whole session: while Playwright runs, its thread has a loop and no other may run there."""
    if not CHROMIUM:
        pytest.skip("no chromium on this machine")
    expect.set_options(timeout=30_000)  # ms; busy machines are slow
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGS)
        yield chromium
        chromium.close()


@pytest.fixture
def drawing(tmp_path: Path) -> Path:
    """A picture file with one shape."""
    path = tmp_path / "drawing.png"
    world.draw(world.scene(3, n=1), (224, 224)).save(path)
    return path
