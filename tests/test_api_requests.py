"""What a body becomes for the engine."""

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx2
import pytest

from qwen_vl_app import catalogue
from qwen_vl_app.chat import Image, Request, Text
from tests.conftest import Loop
from tests.fake_engine import FakeEngine
from tests.serving import api_app, chat, data_url, demo_host, image_part, png, served, user

PICTURE = image_part(data_url(png()))


@pytest.fixture(scope="module")
def engine() -> FakeEngine:
    return FakeEngine(["a fine answer"])


@pytest.fixture(scope="module")
def client(loop: Loop, engine: FakeEngine) -> Iterator[httpx2.Client]:
    host = demo_host(engine)
    host.model = replace(host.model, sampling=catalogue.INSTRUCT_SAMPLING)
    with served(loop, api_app(host)) as url, httpx2.Client(base_url=f"{url}/v1") as client:
        yield client


def post(client: httpx2.Client, body: Any) -> httpx2.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.post("/chat/completions", content=content, headers={"content-type": "application/json"})


def asked(client: httpx2.Client, engine: FakeEngine, *messages: dict[str, Any], **options: Any) -> Request:
    answer = post(client, chat(*messages, **options))
    assert answer.status_code == 200, answer.text
    return engine.requests[-1]


def test_turns_keep_their_order_and_their_parts(client: httpx2.Client, engine: FakeEngine) -> None:
    request = asked(
        client,
        engine,
        {"role": "developer", "content": [{"type": "text", "text": "Be brief."}]},
        user("Look:", PICTURE, "and", PICTURE),
        {"role": "assistant", "content": "Seen."},
        user("So?"),
    )
    assert [message.role for message in request.messages] == ["system", "user", "assistant", "user"]
    assert [type(part) for part in request.messages[1].parts] == [Text, Image, Text, Image]
    assert request.messages[3].parts == (Text("So?"),)


def test_a_task_brings_its_prompt_its_sampling_and_its_fields(client: httpx2.Client, engine: FakeEngine) -> None:
    found = asked(client, engine, user("红色圆形", PICTURE), task="find")
    assert found.messages[-1].parts[-1] == Text("请框出红色圆形，以JSON格式输出bbox坐标。")
    assert isinstance(found.messages[-1].parts[0], Image) and found.sampling.temperature == 0
    pairs = asked(client, engine, user(PICTURE, "name, date"), task="pairs", temperature=0.5)
    assert json.loads(pairs.json_schema or "")["required"] == ["name", "date"] and pairs.sampling.temperature == 0.5
    described = asked(client, engine, user(PICTURE), task="describe")
    assert described.messages[-1].parts[-1] == Text("Describe this picture.")
    refused = post(client, chat(user(PICTURE), task="dance"))
    assert refused.status_code == 400
    assert "'task' must be 'ask', 'describe', 'detail'" in refused.json()["error"]["message"]


def test_what_is_left_out_is_the_models_own(client: httpx2.Client, engine: FakeEngine) -> None:
    request = asked(client, engine, temperature=None, seed=None, stop=None, logit_bias=None, response_format=None)
    assert request.sampling == catalogue.INSTRUCT_SAMPLING
    assert (request.max_tokens, request.stop, request.logit_bias, request.json_schema) == (None, (), (), None)


def test_what_is_given_replaces_the_models_own(client: httpx2.Client, engine: FakeEngine) -> None:
    given = {"temperature": 0, "top_p": 0.5, "top_k": 7.0, "min_p": 0.1, "seed": -1, "repeat_penalty": 1.2}
    request = asked(client, engine, **given, presence_penalty=-2, frequency_penalty=2, max_tokens=1e9)
    expected = replace(catalogue.INSTRUCT_SAMPLING, presence_penalty=-2, frequency_penalty=2, **given)
    assert request.sampling == expected
    assert request.max_tokens == 1_000_000_000


def test_both_names_of_a_field_are_known(client: httpx2.Client, engine: FakeEngine) -> None:
    request = asked(client, engine, max_completion_tokens=5, max_tokens=9, repetition_penalty=1.3)
    assert (request.max_tokens, request.sampling.repeat_penalty) == (5, 1.3)


def test_stop_and_bias_become_tuples(client: httpx2.Client, engine: FakeEngine) -> None:
    request = asked(client, engine, stop="END", logit_bias={"15": -100, "3": 2.5})
    assert (request.stop, request.logit_bias) == (("END",), ((15, -100.0), (3, 2.5)))
    assert asked(client, engine, stop=["a", "b", "c", "d"]).stop == ("a", "b", "c", "d")


def test_formats_become_schemas(client: httpx2.Client, engine: FakeEngine) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    named = {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": schema}}
    assert json.loads(asked(client, engine, response_format=named).json_schema or "") == schema
    assert json.loads(asked(client, engine, response_format={"type": "json_object"}).json_schema or "") == {
        "type": "object"
    }
    assert asked(client, engine, response_format={"type": "text"}).json_schema is None


def test_unknown_fields_are_ignored(client: httpx2.Client, engine: FakeEngine) -> None:
    part = {**PICTURE, "image_url": {**PICTURE["image_url"], "detail": "high"}, "cache": 1}
    assert asked(client, engine, {**user(part), "name": "ann"}, tools=[], logprobs=True, user="x", n=1, grammar="root")


@pytest.mark.parametrize(
    "url",
    [
        data_url(png(), "image/jpeg"),
        data_url(png(), "IMAGE/PNG").replace("data:", "DATA:"),
        data_url(png(), "image/svg+xml;charset=utf-8"),
        base64.b64encode(png()).decode(),
        data_url(png()).rstrip("="),
    ],
    ids=["other kind", "capitals", "parameters", "base64 alone", "no padding"],
)
def test_pictures_come_in_several_forms(client: httpx2.Client, engine: FakeEngine, url: str) -> None:
    request = asked(client, engine, user(image_part(url)))
    expected = asked(client, engine, user(PICTURE))
    assert request.messages[0].parts == expected.messages[0].parts
