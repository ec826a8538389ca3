"""The gate: who may come in, from where, with how much."""

import base64
import time
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.testclient import TestClient

from qwen_vl_app.gate import Gate, Message, Receive, Scope, Send, knows_password, same_site

LIMIT = 1000  # bytes
BASIC = "Basic " + base64.b64encode("我:pass:word".encode()).decode()


async def inner(scope: Scope, receive: Receive, send: Send) -> None:
    request = Request(scope, receive, send)
    body = await request.body()
    await JSONResponse({"path": scope["path"], "bytes": len(body)})(scope, receive, send)


def client(**options: Any) -> TestClient:
    return TestClient(Gate(inner, LIMIT, **options), base_url="http://localhost:7860")


def test_an_ordinary_request_passes_with_security_headers() -> None:
    answer = client().get("/page")
    assert answer.json() == {"path": "/page", "bytes": 0}
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'self'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:7860", 200),
        ("http://evil.example", 403),
        ("http://localhost:9999", 403),
        ("null", 403),
        ("", 403),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_only_our_own_page_is_an_origin(method: str, origin: str, status: int) -> None:
    answer = client().request(method, "/gradio_api/call/describe", headers={"origin": origin})
    assert answer.status_code == status
    assert "access-control-allow-origin" not in answer.headers


def test_a_refusal_has_the_shape_of_the_api() -> None:
    error = client().post("/", headers={"origin": "http://evil.example"}).json()["error"]
    assert error == {
        "message": "Another web site is not allowed to use this program.",
        "type": "permission_error",
        "code": "forbidden_origin",
        "param": None,
        "details": {},
    }


@pytest.mark.parametrize(
    ("method", "headers", "allowed"),
    [
        ("POST", {"host": "a.example", "origin": "https://a.example"}, True),
        ("POST", {"host": "a.example:443", "origin": "https://a.example"}, True),
        ("POST", {"host": "127.0.0.1:7860", "x-forwarded-host": "a.example", "origin": "https://a.example"}, True),
        ("POST", {"host": "a.example", "origin": "https://b.example", "sec-fetch-site": "same-origin"}, True),
        ("POST", {"host": "a.example", "origin": "https://a.example", "sec-fetch-site": "cross-site"}, False),
        ("GET", {"host": "a.example", "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, True),
        ("GET", {"host": "a.example", "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}, False),
        ("POST", {"host": "a.example", "sec-fetch-site": "same-site", "sec-fetch-mode": "navigate"}, False),
        ("POST", {"host": "a.example"}, True),
    ],
)
def test_same_site(method: str, headers: dict[str, str], allowed: bool) -> None:
    assert same_site(method, headers) is allowed


@pytest.mark.parametrize("host", ["localhost:7860", "127.0.0.1:8080", "[::1]:7860", "127.1.2.3", "my.localhost"])
def test_loopback_answers_to_its_own_names(host: str) -> None:
    assert client().get("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "192.168.1.5:7860", ""])
def test_loopback_refuses_other_names(host: str) -> None:
    answer = client().get("/", headers={"host": host})
    assert answer.status_code == 403 and answer.json()["error"]["code"] == "forbidden_host"


def test_on_a_network_any_name_will_do() -> None:
    assert client(loopback=False).get("/", headers={"host": "gpu-box.lan:7860"}).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=http://169.254.169.254/latest",
        "/gradio_api/file=HTTPS://example.com/a.png",
        "/gradio_api/file%3Dhttp://example.com/a.png",
        "/gradio_api/file/http://example.com",
        "/gradio_api/proxy=https://example.com",
        "/monitoring",
        "/gradio_api/vibe-edit/",
        "/gradio_api/process_recording",
    ],
)
def test_addresses_are_not_fetched_and_unused_parts_are_closed(path: str) -> None:
    assert client().get(path).json()["error"]["code"] == "closed_address"


def test_an_uploaded_file_is_served() -> None:
    assert client().get("/gradio_api/file=/tmp/x/a.png").status_code == 200


def test_a_body_up_to_the_limit_passes_whole() -> None:
    assert client().post("/", content=b"x" * LIMIT).json()["bytes"] == LIMIT


def test_a_body_announced_too_large_is_refused_unread() -> None:
    answer = client().post("/", content=b"x" * (LIMIT + 1))
    assert answer.status_code == 413 and answer.json()["error"]["code"] == "body_too_large"


def test_a_body_that_grows_too_large_is_cut_off() -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(20):
            yield b"x" * 100

    assert client().post("/", content=chunks()).status_code == 413


def test_the_refusal_stands_if_the_app_swallows_the_cut() -> None:
    async def swallowing(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await Request(scope, receive, send).body()
        except Exception:
            await Response("bad request", 400)(scope, receive, send)

    chunks = iter([b"x" * 600, b"x" * 600])
    answer = TestClient(Gate(swallowing, LIMIT), base_url="http://localhost").post("/", content=chunks)
    assert answer.status_code == 413


def test_a_stalled_upload_is_a_client_that_left(monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    from qwen_vl_app import gate

    monkeypatch.setattr(gate, "BODY_IDLE", 0.05)
    seen: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(await receive())

    async def never() -> Message:
        await asyncio.sleep(10)
        return {}

    async def send(message: Message) -> None: ...

    asyncio.run(gate.Body(app, LIMIT).pass_on({"type": "http"}, never, send))
    assert seen == [{"type": "http.disconnect"}]


@pytest.mark.parametrize("authorization", [BASIC, BASIC.replace("Basic", "basic"), "Bearer pass:word"])
def test_the_password_opens(authorization: str) -> None:
    assert client(auth="我:pass:word").get("/", headers={"authorization": authorization}).status_code == 200


@pytest.mark.parametrize(
    "path", ["/", "/config", "/gradio_api/startup-events", "/gradio_api/openapi.json", "/theme.css", "/health/../"]
)
def test_without_the_password_everything_is_closed(path: str) -> None:
    answer = client(auth="me:secret").get(path)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic ")


def test_health_is_open() -> None:
    assert client(auth="me:secret").get("/health").status_code == 200


@pytest.mark.parametrize(
    "authorization", ["Basic !!!", "Basic bWU6", "Bearer me:secret", "Bearer ", "Digest x", "Basic", "Bearer \xff"]
)
def test_wrong_passwords(authorization: str) -> None:
    assert knows_password(authorization, b"me:secret") is False


def test_wrong_passwords_take_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qwen_vl_app.gate.WRONG_PASSWORD_PAUSE", 0.1)
    before = time.monotonic()
    assert client(auth="me:secret").get("/", headers={"authorization": "Bearer no"}).status_code == 401
    assert time.monotonic() - before >= 0.1


def test_with_a_key_of_its_own_the_api_is_not_asked_for_the_password() -> None:
    keyed = client(auth="me:secret", keyed=True)
    assert keyed.get("/v1/models").status_code == 200
    assert keyed.get("/").status_code == 401
    assert keyed.get("/v1").status_code == 401
    assert client(auth="me:secret").get("/v1/models").status_code == 401
