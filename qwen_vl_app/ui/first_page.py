"""The first answer a browser gets: the page in its language, and the random id that tells its questions apart."""

import secrets

from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from qwen_vl_app.ui.document import dress
from qwen_vl_app.ui.person import OWNER_COOKIE
from qwen_vl_app.ui.texts import language_of

YEAR = 365 * 24 * 3600  # s


class FirstPage:
    """Writes language and title into the page's HTML and gives each browser its id."""

    def __init__(self, app: ASGIApp, max_upload: int) -> None:
        self._app = app
        self._max_upload = max_upload

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != "/" or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        cookies = cookie_parser(headers.get("cookie", ""))
        plain = [pair for pair in scope["headers"] if pair[0] != b"accept-encoding"]
        answer = _Whole()
        await self._app({**scope, "headers": plain}, receive, answer.take)
        body = dress(answer.body.decode(), language_of(headers, cookies), self._max_upload).encode()
        extra = [] if OWNER_COOKIE in cookies else [(b"set-cookie", owner_cookie().encode())]
        await answer.give(send, body, [(b"vary", b"accept-language, cookie"), (b"cache-control", b"no-store"), *extra])


class _Whole:
    """A response held back until it is complete."""

    def __init__(self) -> None:
        self.start: Message = {}
        self.body = b""

    async def take(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.start = message
        else:
            self.body += message.get("body", b"")

    async def give(self, send: Send, body: bytes, extra: list[tuple[bytes, bytes]]) -> None:
        kept = [pair for pair in self.start["headers"] if pair[0] != b"content-length"]
        length = (b"content-length", str(len(body)).encode())
        await send({**self.start, "headers": [*kept, length, *extra]})
        await send({"type": "http.response.body", "body": body})


def owner_cookie() -> str:
    """A cookie that tells this browser's questions from everybody else's; scripts cannot read it."""
    return f"{OWNER_COOKIE}={secrets.token_urlsafe(24)}; Max-Age={YEAR}; Path=/; HttpOnly; SameSite=Lax"
