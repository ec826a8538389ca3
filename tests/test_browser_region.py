"""A part of the picture selected in Chromium: with the mouse, a finger and the keyboard, against the drawn truth."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as PillowImage
from playwright.sync_api import Browser, Page, expect

from qwen_vl_app.errors import Language
from qwen_vl_app.host import open_host
from qwen_vl_app.settings import Settings
from qwen_vl_app.tasks import TASKS
from qwen_vl_app.ui import choice
from tests.browsing import PHONE, choose, finished, opened
from tests.scenes import overlap
from tests.site import served
from training import world

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
SHEET, SIDE = (672, 448), 224  # px
ONE, OTHER = world.scene(3, n=1), world.scene(9, n=1)
AT = (448, 224)  # where the other one is
OTHER_BOX = [AT[at % 2] + side * SIDE for at, side in enumerate(OTHER.boxes((SIDE, SIDE))[0])]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(open_host(Settings(model="demo")), tmp_path_factory.mktemp("region")) as address:
        yield address


@pytest.fixture
def sheet(tmp_path: Path) -> Path:
    """A white sheet with a drawing in its upper left corner and another one in its lower right."""
    paper = PillowImage.new("RGB", SHEET, "white")
    paper.paste(world.draw(ONE, (SIDE, SIDE)), (0, 0))
    paper.paste(world.draw(OTHER, (SIDE, SIDE)), AT)
    paper.save(tmp_path / "sheet.png")
    return tmp_path / "sheet.png"


def on_screen(page: Page, x: float, y: float) -> tuple[float, float]:
    """Where px (x, y) of the picture are in the window."""
    box = page.locator("#region-layer").bounding_box()
    assert box
    return box["x"] + x / SHEET[0] * box["width"], box["y"] + y / SHEET[1] * box["height"]


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    page.locator("#region-layer").scroll_into_view_if_needed()
    page.mouse.move(*on_screen(page, *start))
    page.mouse.down()
    page.mouse.move(*on_screen(page, (start[0] + end[0]) / 2, (start[1] + end[1]) / 2))
    page.mouse.move(*on_screen(page, *end))
    page.mouse.up()


def numbers(page: Page) -> list[int]:
    return [int(field.input_value()) for field in page.locator("#region [data-side]").all()]


def submit(page: Page, task: str) -> str:
    page.locator(f"#tasks label:has(input[value={task}])").click()
    language: Language = "zh" if page.evaluate("document.documentElement.lang").startswith("zh") else "en"
    expect(page.locator("#question textarea")).to_have_value(choice.ready(TASKS[task], language))
    before = page.locator("#chat .bot [data-testid=bot]").count()
    page.locator("#submit").click()
    expect(page.locator("#chat .bot [data-testid=bot]")).to_have_count(before + 1)
    return finished(page)


def test_only_the_part_is_described_and_its_places_are_those_of_the_picture(
    browser: Browser, url: str, sheet: Path
) -> None:
    with opened(browser, url) as page:
        choose(page, sheet)
        whole = page.locator("#notice .facts").inner_text()
        drag(page, (SHEET[0] - 1, SHEET[1] - 1), AT)  # from the far corner: any direction will do
        assert numbers(page) == pytest.approx([*AT, *SHEET], abs=3)
        expect(page.locator("#notice .facts")).not_to_have_text(whole)
        said = submit(page, "describe")
        assert OTHER.shapes[0].colour in said and ONE.shapes[0].colour not in said and "two" not in said.lower()
        expect(page.locator("#chat")).to_contain_text("Selected part: 67–100 % across")
        submit(page, "find")
        with page.expect_download() as waiting:
            page.locator("#files a[download$='-places.json']").click()
        found = json.loads(waiting.value.path().read_text(encoding="utf-8"))
        assert (found["width"], found["height"]) == SHEET and len(found["places"]) == 1
        assert overlap(found["places"][0]["bbox"], OTHER_BOX) > 0.5
        drag(page, AT, (SHEET[0] - SIDE / 2, SHEET[1] - SIDE / 2))  # a corner is taken hold of, the opposite one stays
        assert numbers(page) == pytest.approx([560, 336, *SHEET], abs=3)
        page.locator("[data-region=whole]").click()
        expect(page.locator("#region fieldset")).to_be_hidden()
        expect(page.locator("#region-layer .frame").first).to_have_attribute("d", "")
        expect(page.locator("#notice .facts")).to_have_text(whole)
        submit(page, "describe")
        expect(page.get_by_text("Selected part:")).to_have_count(2)


def test_a_finger_draws_only_after_the_button(browser: Browser, url: str, sheet: Path) -> None:
    with opened(browser, url, "zh-CN", PHONE, has_touch=True, is_mobile=True) as page:
        choose(page, sheet)
        swipe(page, (20, 20), (200, 200))
        expect(page.locator("#region fieldset")).to_be_hidden()
        page.get_by_role("button", name="选择区域").tap()
        swipe(page, (0, 0), (SIDE, SIDE))
        assert numbers(page) == pytest.approx([0, 0, SIDE, SIDE], abs=4)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        said = submit(page, "describe")
        assert said == ONE.answer("describe", "zh")


def swipe(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    session = page.context.new_cdp_session(page)
    page.locator("#region-layer").scroll_into_view_if_needed()

    def touch(kind: str, *points: tuple[float, float]) -> None:
        where: list[Any] = [dict(zip("xy", on_screen(page, *point), strict=True)) for point in points]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": where})

    touch("touchStart", start)
    touch("touchMove", ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2))
    touch("touchMove", end)
    touch("touchEnd")


def test_a_keyboard_is_enough_and_a_tiny_part_is_refused_in_words(browser: Browser, url: str, sheet: Path) -> None:
    with opened(browser, url) as page:
        expect(page.locator("#region")).to_be_hidden()  # there is nothing to select from
        choose(page, sheet)
        expect(page.locator("[data-region=select]")).to_be_visible()
        page.locator("[data-region=select]").focus()
        page.keyboard.press("Enter")
        for number in ("448", "224", "452", "9999"):
            page.keyboard.press("ControlOrMeta+a")
            page.keyboard.type(number)
            page.keyboard.press("Tab")
        assert numbers(page) == [448, 224, 452, 448]
        expect(page.locator("#notice .failed")).to_contain_text("smaller than 16 × 16 px")
        page.locator("#submit").click()
        expect(page.locator("#status .failed")).to_contain_text("smaller than 16 × 16 px")
        page.locator("#region [data-side='2']").fill("672")
        page.keyboard.press("Enter")
        expect(page.locator("#notice .facts")).to_be_visible()
        assert OTHER.shapes[0].colour in submit(page, "describe")


def test_another_picture_is_whole_and_an_earlier_conversation_has_its_part(
    browser: Browser, url: str, sheet: Path, drawing: Path
) -> None:
    with opened(browser, url) as page:
        choose(page, sheet)
        drag(page, (0, 0), (SIDE, SIDE))
        part = numbers(page)
        submit(page, "describe")
        page.wait_for_function("store.all().then((items) => items.length === 1)")
        page.locator("#clear").click()
        expect(page.locator("#region-layer")).to_have_count(0)
        choose(page, drawing)
        expect(page.locator("#region fieldset")).to_be_hidden()
        page.reload()
        page.locator("[data-do=history]").click()
        page.locator("#history .open").first.click()
        expect(page.locator("#region fieldset")).to_be_visible()
        assert numbers(page) == part
        page.fill("#question textarea", "How many shapes are there?")
        page.locator("#submit").click()
        expect(page.locator("#chat .bot [data-testid=bot]")).to_have_count(2)
        expect(page.get_by_text("Selected part:")).to_have_count(2)


def test_a_long_picture_is_read_part_by_part(browser: Browser, url: str, tmp_path: Path) -> None:
    PillowImage.new("RGB", (SIDE, 880), "white").save(tmp_path / "long.png")
    with opened(browser, url) as page:
        choose(page, tmp_path / "long.png")
        page.evaluate(
            "window.said = []; new MutationObserver(() => said.push(document.querySelector('#status').innerText))"
            ".observe(document.body, { subtree: true, childList: true, characterData: true })"
        )
        submit(page, "read")
        expect(page.locator("#status .done")).to_contain_text("Read in 3 parts")
        said = "\n".join(page.evaluate("said"))
        assert said.index("Part 1 of 3") < said.index("Part 2 of 3") < said.index("Part 3 of 3")
