"""Every body that is refused, in OpenAI's error shape and with the field that is named."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from tests.conftest import Loop
from tests.fake_engine import FakeEngine
from tests.serving import api_app, chat, data_url, demo_host, image_part, png, served, user

PICTURE = image_part(data_url(png()))
ADDRESSES = (
    "http://127.0.0.1:1/a.png",
    "HTTPS://example.com/a.png",
    " https://example.com/a.png",
    "//example.com/a.png",
    "file:///etc/passwd",
    "file:/etc/passwd",
    "\\\\server\\share\\a.png",
    "c:\\a.png",
    "ftp://example.com/a.png",
    "gopher://127.0.0.1:1/",
    "blob:http://127.0.0.1/1",
    "javascript:alert(1)",
    "http://127.0.0.1\\@example.com/a.png",
)


@pytest.fixture(scope="module")
def client(loop: Loop) -> Iterator[httpx2.Client]:
    host = demo_host(FakeEngine(["a fine answer"]))
    with served(loop, api_app(host)) as url, httpx2.Client(base_url=f"{url}/v1") as client:
        yield client


def post(client: httpx2.Client, body: Any) -> httpx2.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.post("/chat/completions", content=content, headers={"content-type": "application/json"})


@pytest.mark.parametrize("url", ADDRESSES)
def test_pictures_are_never_fetched(client: httpx2.Client, url: str) -> None:
    error = refused(client, chat(user(image_part(url))))
    assert error["code"] == "remote_url_refused"
    assert error["param"] == "messages[0].content[0].image_url.url"


def refused(client: httpx2.Client, body: Any, status: int = 400) -> dict[str, Any]:
    answer = post(client, body)
    assert answer.status_code == status, answer.text
    error: dict[str, Any] = answer.json()["error"]
    assert {"message", "type", "param", "code"} <= set(error)
    assert "Traceback" not in answer.text
    assert "pydantic" not in answer.text
    return error


@pytest.mark.parametrize(
    "url",
    [
        "data:image/png;base64," + base64.b64encode(b"not a picture").decode(),
        "data:image/png;base64,",
        "",
        data_url(png()[:60]),
        data_url(b"<html></html>"),
        "AAAA",
    ],
    ids=["text", "empty", "nothing", "cut off", "html", "zeros"],
)
def test_what_is_no_picture_is_named(client: httpx2.Client, url: str) -> None:
    error = refused(client, chat(user("see"), {"role": "assistant", "content": "?"}, user("a", image_part(url))))
    assert error["code"] == "unreadable_picture"
    assert error["param"] == "messages[2].content[1].image_url.url"


BAD_MESSAGES: list[tuple[Any, str, str]] = [
    (None, "messages", "must be a list"),
    ("hi", "messages", "must be a list"),
    ({}, "messages", "must be a list"),
    ([], "messages", "must have at least 1 item"),
    ([None], "messages[0]", "must be an object"),
    (["hi"], "messages[0]", "must be an object"),
    ([{}], "messages[0].role", "is required"),
    ([{"role": "user"}], "messages[0].content", "is required"),
    ([{"content": "hi"}], "messages[0].role", "is required"),
    ([{"role": "USER", "content": "hi"}], "messages[0].role", "must be 'system', 'developer', 'user' or 'assistant'"),
    ([{"role": "tool", "content": "hi"}], "messages[0].role", "must be 'system'"),
    ([{"role": 5, "content": "hi"}], "messages[0].role", "must be 'system'"),
    ([{"role": "user", "content": None}], "messages[0].content", "must be a string or a list"),
    ([{"role": "user", "content": 5}], "messages[0].content", "must be a string or a list"),
    ([{"role": "user", "content": {"text": "hi"}}], "messages[0].content", "must be a string or a list"),
    ([{"role": "user", "content": []}], "messages[0].content", "must have at least 1 item"),
    ([user("a", 5)], "messages[0].content[1]", "must be an object"),  # type: ignore[arg-type]
    ([user("a", {})], "messages[0].content[1].type", "is required"),
    ([user({"type": "video"})], "messages[0].content[0].type", "must be one of 'text', 'image_url'"),
    ([user({"type": "text"})], "messages[0].content[0].text", "is required"),
    ([user({"type": "text", "text": 7})], "messages[0].content[0].text", "must be a string"),
    ([user({"type": "image_url"})], "messages[0].content[0].image_url", "is required"),
    ([user({"type": "image_url", "image_url": "x"})], "messages[0].content[0].image_url", "must be an object"),
    ([user({"type": "image_url", "image_url": {}})], "messages[0].content[0].image_url.url", "is required"),
    ([user(image_part(None))], "messages[0].content[0].image_url.url", "must be a string"),  # type: ignore[arg-type]
    ([user(image_part("data:text/html;base64,AAAA"))], "messages[0].content[0].image_url.url", "data:image/"),
    ([user(image_part("data:image/png,AAAA"))], "messages[0].content[0].image_url.url", "base64"),
    ([user(image_part("data:image/png;base64,@@@"))], "messages[0].content[0].image_url.url", "is not base64"),
    ([user(image_part("ünïcode"))], "messages[0].content[0].image_url.url", "is not base64"),
    ([{"role": "assistant", "content": "hi"}], "messages[0].role", "must be 'user' in the last message"),
    ([user("a"), {"role": "system", "content": "b"}, user("c")], "messages[1].role", "in the first message only"),
    ([{"role": "system", "content": [PICTURE]}, user("c")], "messages[0].content", "in user messages only"),
    ([user("a")] * 1001, "messages", "must have at most 1000 items"),
]


@pytest.mark.parametrize(("messages", "field", "why"), BAD_MESSAGES)
def test_a_bad_message_is_named(client: httpx2.Client, messages: Any, field: str, why: str) -> None:
    error = refused(client, {"messages": messages})
    assert (error["code"], error["param"]) == ("invalid_field", field)
    assert error["message"].startswith(f"'{field}' ")
    assert why in error["message"]


BAD_OPTIONS: list[tuple[dict[str, Any], str, str]] = [
    ({"model": 5}, "model", "must be a string"),
    ({"stream": "yes"}, "stream", "must be true or false"),
    ({"stream_options": True}, "stream_options", "must be an object"),
    ({"stream_options": {"include_usage": 1}}, "stream_options.include_usage", "must be true or false"),
    ({"n": 2}, "n", "must be at most 1"),
    ({"n": 0}, "n", "must be at least 1"),
    ({"max_tokens": 0}, "max_tokens", "must be at least 1"),
    ({"max_tokens": -1e9}, "max_tokens", "must be at least 1"),
    ({"max_tokens": 1.5}, "max_tokens", "must be a whole number"),
    ({"max_tokens": "9"}, "max_tokens", "must be a whole number"),
    ({"max_tokens": True}, "max_tokens", "must be a whole number"),
    ({"max_completion_tokens": []}, "max_completion_tokens", "must be a whole number"),
    ({"stop": 5}, "stop", "must be a string or a list"),
    ({"stop": ["a"] * 5}, "stop", "must have at most 4 items"),
    ({"stop": ["a", None]}, "stop[1]", "must be a string"),
    ({"stop": "a" * 501}, "stop", "must have at most 500 characters"),
    ({"seed": 2**63}, "seed", "must be at most"),
    ({"seed": 1e300}, "seed", "must be at most"),
    ({"temperature": 2.1}, "temperature", "must be at most 2"),
    ({"temperature": 1e9}, "temperature", "must be at most 2"),
    ({"temperature": -0.1}, "temperature", "must be at least 0"),
    ({"temperature": "hot"}, "temperature", "must be a number"),
    ({"temperature": False}, "temperature", "must be a number"),
    ({"top_p": 1.1}, "top_p", "must be at most 1"),
    ({"min_p": -1}, "min_p", "must be at least 0"),
    ({"top_k": -2}, "top_k", "must be at least -1"),
    ({"top_k": 2**31}, "top_k", "must be at most"),
    ({"presence_penalty": 3}, "presence_penalty", "must be at most 2"),
    ({"frequency_penalty": -3}, "frequency_penalty", "must be at least -2"),
    ({"repeat_penalty": 0}, "repeat_penalty", "must be more than 0"),
    ({"repetition_penalty": "1"}, "repetition_penalty", "must be a number"),
    ({"logit_bias": [[1, 2]]}, "logit_bias", "must be an object"),
    ({"logit_bias": {"-1": 1}}, "logit_bias.-1", "must be the number of a token"),
    ({"logit_bias": {"1": 101}}, "logit_bias.1", "must be at most 100"),
    ({"logit_bias": {"1": "x"}}, "logit_bias.1", "must be a number"),
    ({"response_format": "json"}, "response_format", "must be an object"),
    ({"response_format": {}}, "response_format.type", "is required"),
    ({"response_format": {"type": "xml"}}, "response_format.type", "must be one of"),
    ({"response_format": {"type": "json_schema"}}, "response_format.json_schema", "is required"),
    (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}},
        "response_format.json_schema.schema",
        "is required",
    ),
    (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": []}}},
        "response_format.json_schema.schema",
        "must be an object",
    ),
]


@pytest.mark.parametrize(("options", "field", "why"), BAD_OPTIONS)
def test_a_bad_option_is_named(client: httpx2.Client, options: dict[str, Any], field: str, why: str) -> None:
    error = refused(client, chat(**options))
    assert (error["code"], error["param"]) == ("invalid_field", field)
    assert why in error["message"]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "is not JSON"),
        (b"{", "is not JSON"),
        (b"\xff\xfe\xfd", "is not JSON"),
        (b'"hi"', "is not a JSON object"),
        (b"[]", "is not a JSON object"),
        (b'{"temperature": NaN}', "NaN is not JSON"),
        (b'{"temperature": -Infinity}', "-Infinity is not JSON"),
        (b'{"seed": ' + b"9" * 5000 + b"}", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b'{"a": ' * 65 + b"1" + b"}" * 65, "64 levels"),
        (b'{"a": [' + b"1," * 200_000 + b"1]}", "200000 values"),
        (json.dumps({"logit_bias": {str(i): 1 for i in range(1001)}}).encode(), "1000 names"),
    ],
    ids=range(12),
)
def test_a_body_that_is_no_request_is_refused(client: httpx2.Client, body: bytes, why: str) -> None:
    error = refused(client, body)
    assert error["code"] == "bad_request"
    assert why in error["message"]


def test_a_number_beyond_floats_is_refused(client: httpx2.Client) -> None:
    body = b'{"messages": [{"role": "user", "content": "hi"}], "temperature": 1e999}'
    assert refused(client, body)["param"] == "temperature"


def test_other_addresses_and_methods_are_refused_in_the_same_shape(client: httpx2.Client) -> None:
    for path in ("/completions", "/chat", "/chat/completions/", "/models/demo/x", "/"):
        answer = client.get(path)
        assert answer.status_code == 404, path
        assert answer.json()["error"]["code"] in ("unknown_address", "model_not_found")
    for method, path, allowed in (("GET", "/chat/completions", "POST"), ("DELETE", "/models", "GET")):
        answer = client.request(method, path)
        assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
        assert answer.json()["error"]["code"] == "method_not_allowed"
    assert (
        "access-control-allow-origin" not in client.options("/models", headers={"origin": "http://a.example"}).headers
    )


def test_half_a_surrogate_pair_in_a_name_is_no_fault(client: httpx2.Client) -> None:
    error = refused(client, b'{"messages": [{"role": "user", "content": "hi"}], "model": "\\ud800"}', 404)
    assert error["code"] == "model_not_found"
