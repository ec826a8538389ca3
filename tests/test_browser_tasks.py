"""Every task that the demo model knows, done in the page as a person does it, against the drawn truth."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as PillowImage
from playwright.sync_api import Browser, Page, Route, expect

from qwen_vl_app.errors import Language
from qwen_vl_app.host import open_host
from qwen_vl_app.settings import Settings
from qwen_vl_app.tasks import TASKS
from tests.browsing import PHONE, WIDE, choose, finished, opened
from tests.scenes import overlap
from tests.site import served
from training import world
from training.answers import thing

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
SEED, SIDE = 3, 224  # px
SCENE = world.scene(SEED, n=2)
ONE = world.scene(SEED, n=1)
ONE_BOX = [edge * SIDE for edge in ONE.boxes()[0]]
OUTLINE = (11, 106, 168)  # the palette's first
WORDS = ("describe", "detail", "keywords", "summary")  # tasks whose answers are words


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(open_host(Settings(model="demo")), tmp_path_factory.mktemp("tasks")) as address:
        yield address


@pytest.fixture
def drawing(tmp_path: Path) -> Path:
    path = tmp_path / "drawing.png"
    world.draw(SCENE, (SIDE, SIDE)).save(path)
    return path


@pytest.fixture
def one(tmp_path: Path) -> Path:
    path = tmp_path / "one.png"
    world.draw(ONE, (SIDE, SIDE)).save(path)
    return path


def do(page: Page, task: str, language: Language, given: str = "") -> str:
    """Choose the task, type what it takes, submit; the answer."""
    before = page.locator("#chat .bot [data-testid=bot]").count()
    page.locator(f"#tasks label:has(input[value={task}])").click()
    ready = "" if TASKS[task].hint else TASKS[task].prompt(language)
    expect(page.locator("#question textarea")).to_have_value(ready)
    if given:
        page.fill("#question textarea", given)
    page.locator("#submit").click()
    expect(page.locator("#chat .bot [data-testid=bot]")).to_have_count(before + 1)
    return finished(page)


def places(page: Page) -> list[dict[str, object]]:
    """The places in the JSON that the page offers."""
    with page.expect_download() as waiting:
        page.locator("#files a[download$='-places.json']").click()
    return list(json.loads(waiting.value.path().read_text(encoding="utf-8"))["places"])


@pytest.mark.parametrize(("locale", "language"), [("en-US", "en"), ("zh-CN", "zh")])
def test_tasks_in_words_say_what_is_drawn(
    browser: Browser, url: str, locale: str, language: Language, drawing: Path
) -> None:
    with opened(browser, url, locale) as page:
        choose(page, drawing)
        for task in WORDS:
            assert do(page, task, language).strip() == SCENE.answer(task, language)


@pytest.mark.parametrize(("locale", "language"), [("en-US", "en"), ("zh-CN", "zh")])
def test_a_chosen_task_is_asked_even_before_the_server_has_heard_of_it(
    browser: Browser, url: str, locale: str, language: Language, drawing: Path
) -> None:
    held: list[Route] = []
    with opened(browser, url, locale) as page:
        choose(page, drawing)
        page.fill("#question textarea", "My own words")
        page.locator("#tasks label:has(input[value=find])").click()
        expect(page.locator("#question textarea")).to_have_attribute(
            "placeholder", TASKS["find"].hint[language == "zh"]
        )
        expect(page.locator("#question textarea")).to_have_value("My own words")
        page.fill("#question textarea", "")
        page.route("**/run/predict**", lambda route: held.append(route))
        page.locator("#tasks label:has(input[value=keywords])").click()
        expect(page.locator("#question textarea")).to_have_value(TASKS["keywords"].prompt(language))
        page.locator("#submit").click()
        expect(page.locator("#chat .bot [data-testid=bot]")).to_have_count(1)
        assert held, "the server was to hear of the choice"
        for route in held:
            route.continue_()
        assert finished(page).strip() == SCENE.answer("keywords", language)


@pytest.mark.parametrize(("locale", "other"), [("en-US", "zh"), ("zh-CN", "en")])
def test_an_answer_is_had_in_the_other_language(
    browser: Browser, url: str, locale: str, other: Language, drawing: Path
) -> None:
    with opened(browser, url, locale) as page:
        choose(page, drawing)
        do(page, "describe", "zh" if other == "en" else "en")
        page.locator("[data-press=translate]").click()
        expect(page.locator("#chat .bot [data-testid=bot]")).to_have_count(2)
        assert finished(page).strip() == SCENE.answer("describe", other)


@pytest.mark.parametrize(("locale", "language"), [("en-US", "en"), ("zh-CN", "zh")])
def test_things_are_found_and_pointed_to_where_they_are(
    browser: Browser, url: str, locale: str, language: Language, drawing: Path
) -> None:
    truth = {
        thing(shape, language): [edge * SIDE for edge in box]
        for shape, box in zip(SCENE.shapes, SCENE.boxes(), strict=True)
    }
    with opened(browser, url, locale) as page:
        choose(page, drawing)
        do(page, "find", language)
        boxes = {str(place["label"]): place["bbox"] for place in places(page)}
        do(page, "point", language)
        points = {str(place["label"]): place["point"] for place in places(page)}
    assert boxes.keys() == points.keys() == truth.keys()
    for name, box in truth.items():
        assert overlap(boxes[name], box) > 0.5  # type: ignore[arg-type]
        x, y = points[name]  # type: ignore[misc]
        assert box[0] < x < box[2] and box[1] < y < box[3]


@pytest.mark.parametrize(("locale", "task"), [("en-US", "Find things"), ("zh-CN", "框出物体")])
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_things_are_found_drawn_and_taken_away(
    browser: Browser, url: str, locale: str, task: str, size: Any, one: Path
) -> None:
    with opened(browser, url, locale, size) as page:
        choose(page, one)
        page.locator("#tasks label").filter(has_text=task).click()
        expect(page.locator("#question textarea")).to_have_value("")
        page.locator("#submit").click()
        finished(page)
        expect(page.locator("#result rect")).to_have_count(1)
        page.locator("#result li").first.focus()
        expect(page.locator("#result rect.lit")).to_have_count(1)
        for part in ("#picture", "#chat", "#result", "#tasks", "#question"):  # what is cut off makes no scroll bar
            box = page.locator(part).bounding_box()
            assert box and box["x"] >= 0 and box["x"] + box["width"] <= size["width"]
        with page.expect_download() as waiting:
            page.locator("#files a").filter(has_text="JSON").click()
        found = json.loads(waiting.value.path().read_text(encoding="utf-8"))["places"][0]["bbox"]
        with page.expect_download() as waiting:
            page.locator("#files a").filter(has_text="PNG").click()
        with PillowImage.open(waiting.value.path()) as drawn:
            outline = {(x, y) for x in range(SIDE) for y in range(SIDE) if drawn.getpixel((x, y)) == OUTLINE}
    bottom = max(y for _, y in outline)  # the label stands at the top
    across = [x for x, y in outline if y == bottom]
    assert (min(across), max(across), bottom) == pytest.approx((found[0], found[2], found[3]), abs=4)
    assert overlap(found, ONE_BOX) > 0.3


def test_two_pictures_are_compared(browser: Browser, url: str, one: Path) -> None:
    with opened(browser, url) as page:
        choose(page, one)
        page.locator("#tasks label").filter(has_text="Compare two").click()
        page.locator("#submit").click()
        expect(page.locator(".status.failed")).to_contain_text("choose the second one")
        page.set_input_files("#second input[type=file]", str(one))
        expect(page.locator("#second img")).to_be_visible()
        page.locator("#submit").click()
        assert "icture 2" in finished(page)
