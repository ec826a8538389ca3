"""The API in the whole server, behind the gate: clients that leave, other sites, passwords."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from qwen_vl_app.engine.local import LocalEngine
from qwen_vl_app.engine.plan import Plan
from qwen_vl_app.host import Host
from qwen_vl_app.server import create_app
from tests.conftest import Loop
from tests.fake_engine import FakeEngine
from tests.serving import api_app, chat, data_url, demo_host, image_part, png, served, user

CHAT = "/v1/chat/completions"


async def whole_app(host: Host) -> FastAPI:
    """The app, made in the event loop: outside of one Gradio makes loops that it never closes."""
    return create_app(host)


@pytest.fixture(scope="module")
def single(loop: Loop, demo_plan: Callable[..., Plan]) -> Iterator[str]:
    """A server that writes one answer at a time and never has to end one."""
    engine = LocalEngine(replace(demo_plan(), parallel=1, ctx_size=32_768, pool=32_768))
    loop.run(engine.start())
    with served(loop, loop.run(whole_app(demo_host(engine)))) as url:
        yield url
    loop.run(engine.close())


def endless(stream: bool) -> dict[str, Any]:
    """A request whose answer takes a minute and never repeats itself: the schema leaves no choice."""
    schema = {"const": " ".join(map(str, range(4500)))}
    named = {"type": "json_schema", "json_schema": {"name": "endless", "schema": schema}}
    return chat(response_format=named, stream=stream)


def short_answer(url: str, seconds: float) -> float:
    """How long a short answer takes, s."""
    started = time.monotonic()
    answer = httpx2.post(url + CHAT, json=chat(max_tokens=1), timeout=seconds)
    assert answer.status_code == 200
    return time.monotonic() - started


def test_whoever_leaves_a_stream_frees_its_place(single: str) -> None:
    with httpx2.stream("POST", single + CHAT, json=endless(stream=True), timeout=20) as answer:
        chunks = answer.iter_bytes()
        next(chunk for chunk in chunks if b'"content":"' in chunk.replace(b'"content":""', b""))
        with pytest.raises(httpx2.ReadTimeout):
            short_answer(single, 2)  # the place is taken as long as somebody reads
    assert short_answer(single, 10) <= 2


def test_whoever_leaves_before_a_whole_answer_frees_its_place(single: str) -> None:
    with pytest.raises(httpx2.ReadTimeout):
        httpx2.post(single + CHAT, json=endless(stream=False), timeout=1)
    assert short_answer(single, 10) <= 2


def test_a_crash_of_the_engine_is_not_seen_in_a_stream(loop: Loop, demo_plan: Callable[..., Plan]) -> None:
    words = " ".join(map(str, range(300)))  # the schema leaves the model no choice: what is lost or doubled shows
    form = {"type": "json_schema", "json_schema": {"name": "count", "schema": {"const": words}}}
    engine = LocalEngine(demo_plan())
    loop.run(engine.start())
    read = ""
    killed = False
    with (
        served(loop, api_app(demo_host(engine))) as url,
        httpx2.stream("POST", url + CHAT, json=chat(response_format=form, stream=True), timeout=30) as answer,
    ):
        for line in answer.iter_lines():
            read += content(line)
            if len(read) > 20 and not killed:
                assert engine._worker
                engine._worker.process.kill()
                killed = True
    loop.run(engine.close())
    assert json.loads(read) == words


def content(line: str) -> str:
    """The words that a line of a stream brings."""
    if not line.startswith("data: {"):
        return ""
    choices = json.loads(line.removeprefix("data: "))["choices"]
    return str(choices[0]["delta"].get("content", ""))


def test_whoever_leaves_in_the_middle_of_a_body_does_no_harm(single: str) -> None:
    host, _, port = single.removeprefix("http://").partition(":")
    for sent in (b"", b'{"messages": ['):
        with socket.create_connection((host, int(port))) as connection:
            head = f"POST {CHAT} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1000\r\n\r\n"
            connection.sendall(head.encode() + sent)
    assert short_answer(single, 10) <= 2


def test_the_gate_stands_in_front(single: str) -> None:
    foreign = httpx2.post(single + CHAT, json=chat(), headers={"origin": "http://evil.example"})
    assert (foreign.status_code, foreign.json()["error"]["code"]) == (403, "forbidden_origin")
    picture = user(image_part(data_url(png())), "What?")
    assert httpx2.post(single + CHAT, json=chat(picture, max_tokens=2), timeout=20).status_code == 200
    assert httpx2.get(single + "/v1/nothing").json()["error"]["code"] == "unknown_address"


def test_a_password_is_asked_for_here_too(loop: Loop) -> None:
    with served(loop, loop.run(whole_app(demo_host(FakeEngine(), auth="ann:secret")))) as url:
        assert httpx2.post(url + CHAT, json=chat()).status_code == 401
        assert httpx2.post(url + CHAT, json=chat(), auth=("ann", "secret")).status_code == 200
        bearer = {"authorization": "Bearer secret"}
        assert httpx2.post(url + CHAT, json=chat(), headers=bearer).status_code == 200
        assert httpx2.get(url + "/health").status_code == 200
