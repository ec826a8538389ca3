"""The outermost layer: who may come in, from which site, with how much; knows nothing of what is behind it.

Pure ASGI, because the frameworks' own middleware buffers streams and reads bodies whole.
"""

import asyncio
import base64
import hmac
import json
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from qwen_vl_app.errors import AppError, BodyTooLarge, ClosedAddress, ForbiddenHost, ForbiddenOrigin, Unauthorized
from qwen_vl_app.peers import host_name, is_loopback

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

MB = 1_000_000  # bytes
WRONG_PASSWORD_PAUSE = 0.5  # s; wrong ones are answered one after the other
BODY_IDLE = 30.0  # s without a byte of an unfinished upload
OPEN_PATHS = ("/health",)
API_PATHS = "/v1/"
# Parts of Gradio that fetch addresses, run recordings or edit code; nothing here uses them.
CLOSED_PATHS = ("file=http", "file/http", "proxy=", "/process_recording", "/vibe-", "/undo-vibe", "/monitoring")
POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; "
    "style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; worker-src 'self' blob:; "
    "connect-src 'self' data: blob:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
)
HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"content-security-policy", POLICY.encode()),
]


class Gate:
    """Lets through what is allowed and answers the rest itself, in the API's error shape."""

    def __init__(self, app: App, max_bytes: int, auth: str = "", keyed: bool = False, loopback: bool = True) -> None:
        """`auth` is user:password for everything; below /v1/ an API key of its own is asked for if `keyed`."""
        self._app = app
        self._keyed = keyed
        self._max_bytes = max_bytes
        self._auth = auth.encode()
        self._loopback = loopback
        self._wrong = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, _with_headers(send))

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            self._check(scope, headers)
            await self._check_password(scope["path"], headers.get("authorization", ""))
        except AppError as error:
            await refuse(error, send)
            return
        await Body(self._app, self._max_bytes).pass_on(scope, receive, send)

    def _check(self, scope: Scope, headers: dict[str, str]) -> None:
        if self._loopback and not is_loopback(host_name(headers.get("host", ""))):
            raise ForbiddenHost()
        if not same_site(scope["method"], headers):
            raise ForbiddenOrigin()
        path = scope["path"].lower()
        if any(closed in path for closed in CLOSED_PATHS):
            raise ClosedAddress()
        if _length(headers) > self._max_bytes:
            raise BodyTooLarge(limit_mb=self._max_bytes // MB)

    async def _check_password(self, path: str, authorization: str) -> None:
        if not self._auth or path in OPEN_PATHS or knows_password(authorization, self._auth):
            return
        if self._keyed and path.startswith(API_PATHS):
            return  # the API asks for its own key there
        if authorization:
            async with self._wrong:
                await asyncio.sleep(WRONG_PASSWORD_PAUSE)
        raise Unauthorized()


class Body:
    """One request's body on its way in: counted as it arrives, cut off when too large or stalled."""

    def __init__(self, app: App, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._seen = 0
        self._complete = False
        self._too_large = False
        self._started = False

    async def pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the app; if the body grew too large, its answer is replaced by the refusal."""

        async def counted() -> Message:
            return await self._receive(receive)

        async def guarded(message: Message) -> None:
            if not self._too_large or self._started:
                self._started = True
                await send(message)

        with suppress(_Cut):
            await self._app(scope, counted, guarded)
        if self._too_large and not self._started:
            await refuse(BodyTooLarge(limit_mb=self._max_bytes // MB), send)

    async def _receive(self, receive: Receive) -> Message:
        if self._complete:
            return await receive()
        try:
            message = await asyncio.wait_for(receive(), BODY_IDLE)
        except asyncio.TimeoutError:
            return {"type": "http.disconnect"}
        self._complete = not message.get("more_body", False)
        self._seen += len(message.get("body", b""))
        if self._seen > self._max_bytes:
            self._too_large = True
            raise _Cut
        return message


class _Cut(Exception):
    """The body is larger than allowed."""


async def refuse(error: AppError, send: Send) -> None:
    """Answer with the error: its status, and its text in the shape of the API."""
    body = json.dumps(error.answer()).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if error.status == Unauthorized.status:
        headers.append((b"www-authenticate", b'Basic realm="password", charset="UTF-8"'))
    if error.status == BodyTooLarge.status:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def knows_password(authorization: str, auth: bytes) -> bool:
    """Whether the header carries `user:password` (Basic) or the password alone (Bearer, for API clients)."""
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return hmac.compare_digest(value.strip().encode("latin-1"), auth.partition(b":")[2])
    try:
        given = base64.b64decode(value, validate=True) if scheme.lower() == "basic" else b""
    except ValueError:
        given = b""
    return hmac.compare_digest(given, auth)


def same_site(method: str, headers: dict[str, str]) -> bool:
    """Whether the request comes from our own page, from a program, or is a person following a link to us."""
    site = headers.get("sec-fetch-site")
    if site == "same-origin":
        return True
    if site in ("cross-site", "same-site"):
        return method == "GET" and headers.get("sec-fetch-mode") == "navigate" and "origin" not in headers
    origin = headers.get("origin")
    if origin is None:
        return True
    own = {_netloc(headers[name]) for name in ("host", "x-forwarded-host") if headers.get(name)}
    return _netloc(urlsplit(origin).netloc) in own


def _netloc(netloc: str) -> str:
    """Host and port without the port that a scheme implies."""
    return netloc.lower().removesuffix(":80").removesuffix(":443")


def _length(headers: dict[str, str]) -> int:
    given = headers.get("content-length", "")
    return int(given) if given.isascii() and given.isdigit() else 0


def _with_headers(send: Send) -> Send:
    async def send_with(message: Message) -> None:
        if message["type"] == "http.response.start":
            present = {name.lower() for name, _ in message.get("headers", [])}
            extra = [pair for pair in HEADERS if pair[0] not in present]
            message = {**message, "headers": [*message.get("headers", []), *extra]}
        await send(message)

    return send_with
