"""The conversation in Chromium: settings, asking again, taking back, going on, what is rendered and copied."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, expect

from qwen_vl_app import catalogue
from qwen_vl_app.host import Host
from qwen_vl_app.settings import Settings
from tests.browsing import ask, choose, finished, opened
from tests.fake_engine import FakeEngine
from tests.site import served

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
RISKY = "$x^2$ costs $5 to $10: <img src=x onerror=alert(1)> ![p](http://elsewhere.example/p.png) `<b>`"


@pytest.fixture(scope="module")
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture(scope="module")
def url(engine: FakeEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(Host(Settings(), catalogue.find("8b"), engine), tmp_path_factory.mktemp("talk")) as address:
        yield address


def test_settings_reach_the_engine_survive_a_reload_and_go_back(
    browser: Browser, url: str, engine: FakeEngine, drawing: Path
) -> None:
    engine.answers = ["ok"]
    with opened(browser, url) as page:
        page.locator("#settings button").first.click()
        page.fill("#system textarea", "Be brief.")
        page.fill("#seed input", "7")
        page.fill("#temperature input[type=number]", "1.5")
        page.keyboard.press("Tab")
        choose(page, drawing)
        page.locator("#submit").click()
        finished(page)
        sent = engine.requests[-1]
        assert sent.messages[0].role == "system" and sent.sampling.seed == 7
        assert (sent.sampling.temperature, sent.sampling.top_p) == (1.5, 0.8)
        page.reload()
        page.locator("#settings button").first.click()
        expect(page.locator("#temperature input[type=number]")).to_have_value("1.5")
        expect(page.locator("#system textarea")).to_have_value("Be brief.")
        page.locator("#recommended").click()
        expect(page.locator("#temperature input[type=number]")).to_have_value("0.7")
        expect(page.locator("#seed input")).to_have_value("")
        choose(page, drawing)
        page.locator("#submit").click()
        finished(page)
        assert engine.requests[-1].messages[0].role == "user"
        assert engine.requests[-1].sampling == catalogue.INSTRUCT_SAMPLING


def test_the_detail_chosen_changes_what_the_model_sees(browser: Browser, url: str, tmp_path: Path) -> None:
    Image.effect_noise((1600, 1200), 60).convert("RGB").save(tmp_path / "large.png")
    with opened(browser, url, "zh-CN") as page:
        choose(page, tmp_path / "large.png")
        expect(page.locator("#notice .facts")).to_contain_text("768 个 token · 占上下文的 9.4%")
        page.locator("#settings button").first.click()
        page.locator("#detail input").click()
        page.get_by_role("option", name="粗略").click()
        expect(page.locator("#notice .facts")).to_contain_text("315 个 token · 占上下文的 3.8%")


def test_asked_again_taken_back_and_gone_on_with(browser: Browser, url: str, engine: FakeEngine, drawing: Path) -> None:
    engine.answers = ["A red circle.", "A round red thing.", "On the left side.", "right side."]
    with opened(browser, url) as page:
        choose(page, drawing)
        page.locator("#submit").click()
        assert finished(page) == "A red circle."
        page.get_by_label("Answer again").click()
        expect(page.locator("#chat [data-testid=bot]")).to_have_text("A round red thing.")
        finished(page)
        page.locator("#settings button").first.click()
        page.fill("#max_tokens input", "2")
        page.wait_for_timeout(300)
        ask(page, "Where?")
        expect(page.get_by_role("button", name="Go on")).to_be_visible()
        assert finished(page) == "On the"
        page.locator("#recommended").click()
        expect(page.locator("#max_tokens input")).to_have_value("")
        page.get_by_role("button", name="Go on").click()
        expect(page.locator("#chat [data-testid=bot]").last).to_have_text("On theright side.")
        finished(page)
        page.get_by_label("Change this question").nth(1).click()
        expect(page.locator("#question textarea")).to_have_value("Where?")
        expect(page.locator("#chat [data-testid=bot]")).to_have_count(1)
        before = len(engine.requests)
        ask(page, "Where exactly?")
        expect(page.locator("#chat [data-testid=bot]")).to_have_count(2)
        finished(page)
        assert len(engine.requests) == before + 1 and len(engine.requests[-1].messages) == 3
        page.get_by_label("Change this question").first.click()
        expect(page.locator("#chat [data-testid=bot]")).to_have_count(0)
        assert page.input_value("#question textarea").startswith("Describe")


def test_formulas_are_rendered_tags_are_not_and_copies_are_exact(
    browser: Browser, url: str, engine: FakeEngine
) -> None:
    engine.answers = [RISKY]
    with opened(browser, url, permissions=["clipboard-read", "clipboard-write"]) as page:
        ask(page, "Hello?")
        finished(page)
        answer = page.locator("#chat [data-testid=bot]")
        expect(answer.locator(".katex")).to_have_count(1)
        assert answer.locator("img").count() == 0 and answer.locator("code").inner_text() == "<b>"
        assert "<img src=x onerror=alert(1)>" in answer.inner_text() and "costs $5 to $10:" in answer.inner_text()
        page.locator("#chat [aria-label='Copy message']").last.click()
        copied = page.evaluate("navigator.clipboard.readText()")
        assert "<img src=x onerror=alert(1)>" in copied and "&lt;" not in copied


def test_pictures_are_added_named_in_the_words_taken_away_and_kept(
    browser: Browser, url: str, engine: FakeEngine, drawing: Path, tmp_path: Path
) -> None:
    engine.answers = ["A red circle.", "The second is larger.", "Yes."]
    files = [tmp_path / f"{name}.png" for name in ("one", "two", "three")]
    for side, file in enumerate(files, 1):
        Image.new("RGB", (40 * side, 40), "red").save(file)
    with opened(browser, url) as page:
        choose(page, drawing)
        page.locator("#submit").click()
        finished(page)
        page.set_input_files("#buttons input[type=file]", [str(file) for file in files])
        expect(page.locator(".added img")).to_have_count(3)
        page.get_by_label("Remove picture 2").click()
        expect(page.locator(".added img")).to_have_count(2)
        ask(page, "Is [2] larger than [1]?")
        expect(page.locator("#chat [data-testid=bot]")).to_have_count(2)
        finished(page)
        expect(page.locator(".added")).to_have_count(0)
        expect(page.locator("#chat .user-row").last.locator("img")).to_have_count(2)
        kinds = [type(part).__name__ for part in engine.requests[-1].messages[2].parts]
        assert kinds == ["Text", "Image", "Text", "Image", "Text"] and len(engine.requests[-1].messages[0].parts) == 2
        page.wait_for_function("store.all().then((all) => all[0]?.more?.length === 2)")
        page.reload()
        page.locator("[data-do=history]").click()
        page.locator("#history .open").first.click()
        expect(page.locator("#chat .user-row").last.locator("img")).to_have_count(2)
        ask(page, "Really?")
        expect(page.locator("#chat [data-testid=bot]")).to_have_count(3)
        finished(page)
        assert [len(message.parts) for message in engine.requests[-1].messages] == [2, 1, 5, 1, 1]
        page.get_by_label("Change this question").nth(1).click()
        expect(page.locator(".added img")).to_have_count(2)
