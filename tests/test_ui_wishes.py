"""What a person changes of the model's settings: what is taken, what is refused, and what the panel shows."""

import asyncio
from typing import Any

import gradio as gr
import pytest

from qwen_vl_app import catalogue
from qwen_vl_app.catalogue import INSTRUCT_SAMPLING
from qwen_vl_app.chat import Message, Request, Sampling, Text
from qwen_vl_app.errors import InvalidField, SettingOutOfRange
from qwen_vl_app.host import Host
from qwen_vl_app.settings import Settings
from qwen_vl_app.ui.settings_panel import Panel, details
from qwen_vl_app.ui.wishes import Wishes, read
from tests.desk import request
from tests.fake_engine import FakeEngine

ASKED = Request((Message("user", (Text("What?"),)),), sampling=INSTRUCT_SAMPLING)


@pytest.mark.parametrize("kept", [None, {}, [], "x", {"unknown": 1}, {"temperature": None, "system": "", "detail": ""}])
def test_what_is_not_changed_is_the_models_own(kept: object) -> None:
    assert read(kept) == Wishes()
    assert Wishes().on(ASKED) == ASKED


def test_one_change_leaves_the_rest() -> None:
    taken = read({"temperature": 0}).sampling(INSTRUCT_SAMPLING)
    assert taken == Sampling(temperature=0.0, top_p=0.8, top_k=20, presence_penalty=1.5)


def test_whole_numbers_arrive_whole() -> None:
    wishes = read({"top_k": 5.0, "seed": 2**32 - 1, "max_tokens": 1})
    assert (wishes.top_k, wishes.seed, wishes.max_tokens) == (5, 2**32 - 1, 1) and isinstance(wishes.top_k, int)


@pytest.mark.parametrize(
    ("name", "value"),
    [("temperature", 2.1), ("temperature", "hot"), ("top_p", -0.1), ("seed", -1), ("max_tokens", 0), ("top_k", True)],
)
def test_a_number_out_of_range_is_named(name: str, value: object) -> None:
    with pytest.raises(SettingOutOfRange, match=name):
        read({name: value})


@pytest.mark.parametrize(("name", "value"), [("system", 5), ("detail", "huge"), ("detail", ["fine"])])
def test_other_wrong_values_are_refused(name: str, value: object) -> None:
    with pytest.raises(InvalidField, match=name):
        read({name: value})


def shown(model: str, kept: object, language: str = "en") -> dict[str, Any]:
    async def show() -> dict[str, Any]:
        host = Host(Settings(), catalogue.find(model), FakeEngine())
        with gr.Blocks():
            panel = Panel(host, lambda key: key)
        return dict(zip(panel.fields, await panel.show(kept, request(language)), strict=True))

    return asyncio.run(show())


def test_the_panel_shows_the_models_own_and_what_was_changed() -> None:
    values = shown("8b", {"seed": 4, "system": "Short."})
    assert (values["temperature"], values["top_p"], values["top_k"], values["presence_penalty"]) == (0.7, 0.8, 20, 1.5)
    assert (values["seed"], values["system"], values["max_tokens"]) == (4, "Short.", None)
    assert shown("demo", {})["temperature"] == 0
    assert shown("8b", {"temperature": 99})["temperature"] == 0.7


def test_the_detail_says_its_tokens() -> None:
    eight = catalogue.find("8b")
    assert [name for _, name in details(eight, "en")] == ["", "coarse", "usual", "fine"]
    assert [label for label, _ in details(eight, "zh")][2] == "一般：最多 1280 个 token"
    assert shown("8b", {"detail": "fine"}, "zh")["detail"]["value"] == "fine"


def test_at_first_only_what_is_kept_is_filled_in() -> None:
    """What a person types while the page is still loading is not emptied by it."""

    async def greeted(kept: object) -> dict[str, object]:
        with gr.Blocks():
            panel = Panel(Host(Settings(), catalogue.find("8b"), FakeEngine()), lambda key: key)
        return dict(zip(panel.fields, await panel.greet(kept, request()), strict=True))

    untouched = asyncio.run(greeted({"system": "Be brief."}))
    assert untouched.pop("system") == "Be brief." and untouched.pop("detail")["__type__"] == "update"
    assert all(value == gr.skip() for value in untouched.values())
