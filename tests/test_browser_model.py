"""The first start in Chromium: a model that is downloaded while the page is up, with the demo's files as its own."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from qwen_vl_app import choices
from qwen_vl_app.catalogue import Model
from qwen_vl_app.host import Host
from tests.browsing import ask, choose, finished, opened
from tests.fake_hub import FakeHub, Manners
from tests.site import served
from tests.slow_build import WHY, SlowBuild
from tests.test_host import served_model, settings
from training import answers, world

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
SLOW = 200e3  # bytes per second: the tiny model takes half a minute, unless the hub hurries
VISITOR = {"extra_http_headers": {"x-forwarded-for": "203.0.113.7"}}


@contextmanager
def arriving(folder: Path, manners: Manners, build: SlowBuild | None = None) -> Iterator[tuple[str, FakeHub]]:
    """The address of a page whose model comes from a hub of these manners, and the hub; its engine of a `build`."""
    model, files = served_model()
    with FakeHub(files, manners) as hub:
        installation = build.installation if build else None
        host = Host(settings(folder / "models", hub.url), replace(model, title="Tiny"), installation=installation)
        (folder / "uploads").mkdir()
        with served(host, folder / "uploads") as address:
            yield address, hub


def is_right(answer: str) -> bool:
    return answers.thing(world.scene(3, n=1).shapes[0], "en").lower() in answer.lower()


def test_a_question_waits_for_the_download_and_is_answered(browser: Browser, tmp_path: Path, drawing: Path) -> None:
    with arriving(tmp_path, Manners(bytes_per_second=SLOW)) as (url, hub), opened(browser, url) as page:
        expect(page.locator("#arrival .card h2")).to_have_text("Tiny is on its way")
        choose(page, drawing)
        page.locator("#submit").click()
        expect(page.locator("#status .waits")).to_contain_text("Your question waits for the model.")
        expect(page.locator("#arrival progress")).to_be_visible()
        expect(page.locator("#arrival .numbers")).to_contain_text(re.compile(r"[1-9]\d? %"))
        hub.manners.bytes_per_second = 0
        assert is_right(finished(page))
        expect(page.locator("#arrival .card")).to_have_count(0)
        expect(page.locator("#chat em")).to_have_count(0)
        expect(page.locator("#let-demo")).to_be_hidden()


def test_a_question_waits_for_the_engine_that_fails_is_built_again_and_answers(
    browser: Browser, tmp_path: Path, drawing: Path
) -> None:
    build = SlowBuild(tmp_path)
    with arriving(tmp_path, Manners(), build) as (url, _), opened(browser, url) as page:
        card = page.locator("#arrival .card")
        expect(card).to_contain_text("The engine is being built for this machine: 25 %")
        choose(page, drawing)
        page.locator("#submit").click()
        expect(page.locator("#status .waits")).to_contain_text("The engine is being built")
        build.say("fail")
        expect(card).to_contain_text(WHY["en"])
        expect(page.locator(".status.failed")).to_contain_text("The engine could not be installed")
        page.get_by_role("button", name="Retry", exact=True).click()
        expect(card).to_contain_text("25 %")
        page.locator("#submit").click()
        page.locator("#let-demo").click()  # it needs the engine too
        expect(page.locator("#let-demo")).to_be_hidden()
        expect(page.locator("#status")).to_contain_text("The engine is being built")
        page.locator("#stop").click()
        expect(page.locator(".status.done")).to_contain_text("Stopped before the first word")
        page.locator("#submit").click()
        expect(page.locator("#status .waits")).to_be_visible()
        build.say("go")
        assert is_right(finished(page))
        expect(card).to_have_count(0)
        expect(page.locator("#chat em")).to_have_count(0)


def test_the_demo_answers_meanwhile_and_says_so(browser: Browser, tmp_path: Path, drawing: Path) -> None:
    with arriving(tmp_path, Manners(bytes_per_second=SLOW / 4)) as (url, hub), opened(browser, url) as page:
        choose(page, drawing)
        page.locator("#submit").click()
        page.locator("#let-demo").click()
        assert is_right(finished(page))
        expect(page.locator("#chat em")).to_have_text("Demo model, which knows only drawn shapes:")
        expect(page.locator(".status.done")).to_contain_text("Demo model · First word")
        hub.manners.bytes_per_second = 0
        expect(page.locator("#arrival .card")).to_have_count(0)
        ask(page, "Describe this picture.")
        expect(page.locator(".status.done span")).to_have_text(re.compile("^First word"))
        assert is_right(finished(page))
        expect(page.locator("#chat em")).to_have_count(1)


def test_a_download_that_fails_says_why_and_is_tried_again(browser: Browser, tmp_path: Path, drawing: Path) -> None:
    with arriving(tmp_path, Manners(status=404)) as (url, hub), opened(browser, url) as page:
        alert = page.locator("#arrival .card[role=alert]")
        expect(alert).to_contain_text("model.gguf could not be downloaded")
        expect(alert).to_contain_text("Tiny-GGUF")
        choose(page, drawing)
        page.fill("#question textarea", "What is in this picture?")
        page.locator("#submit").click()
        expect(page.locator(".status.failed")).to_contain_text("model.gguf could not be downloaded")
        expect(page.locator("#question textarea")).to_have_value("What is in this picture?")
        with opened(browser, url, **VISITOR) as visitor:
            expect(visitor.locator("#arrival .card[role=alert]")).to_contain_text("Whoever runs this program")
            expect(visitor.locator("#steps button")).to_have_count(0)
            assert "Tiny-GGUF" not in visitor.content()
        hub.manners.status = 0
        page.get_by_role("button", name="Retry", exact=True).click()
        expect(page.locator("#arrival .card")).to_have_count(0)
        page.locator("#submit").click()
        assert is_right(finished(page))


def test_the_operator_chooses_another_model_and_deletes_the_first(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, drawing: Path
) -> None:
    monkeypatch.setattr(choices.catalogue, "MODELS", {**two_models(), **choices.catalogue.MODELS})
    with arriving(tmp_path, Manners()) as (url, _), opened(browser, url) as page:
        expect(page.locator("#arrival .card")).to_have_count(0)
        page.get_by_role("button", name="Models on this machine").click()
        tiny, other = (page.locator("#models tr", has_text=name) for name in ("Tiny", "Other"))
        expect(tiny).to_contain_text("answers now")
        with opened(browser, url, **VISITOR) as visitor:
            expect(visitor.locator("#foot .foot")).to_contain_text("tokens each")
            expect(visitor.locator("#models")).to_be_hidden()
            expect(visitor.locator("#models tr")).to_have_count(0)
        other.get_by_role("button", name="Use").click()
        expect(other).to_contain_text("answers now")
        expect(page.locator("#head .model")).to_have_text("Other")
        tiny.get_by_text("Delete…").click()
        assert (tmp_path / "models/Tiny-GGUF/model.gguf").is_file()
        tiny.get_by_role("button", name="Yes, delete").click()
        expect(tiny).not_to_contain_text("downloaded")
        assert not (tmp_path / "models/Tiny-GGUF/model.gguf").exists()
        choose(page, drawing)
        page.locator("#submit").click()
        assert is_right(finished(page))


def two_models() -> dict[str, Model]:
    """The model that `arriving` begins with, and another with the same files."""
    tiny = replace(served_model()[0], title="Tiny", files=(served_model()[0].model,))
    return {"tiny": tiny, "other": replace(tiny, name="other", title="Other", folder="Other-GGUF")}
