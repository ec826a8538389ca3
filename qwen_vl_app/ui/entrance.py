"""The address that the terminal shows to the operator: its token becomes a cookie and leaves the address bar."""

from urllib.parse import parse_qs

from starlette.types import ASGIApp, Receive, Scope, Send

from qwen_vl_app.peers import OPERATOR_COOKIE, Operators


class Entrance:
    """Answers `/?operator=TOKEN` with the page's plain address, and with the cookie if the token is right."""

    def __init__(self, app: ASGIApp, operators: Operators) -> None:
        self._app = app
        self._operators = operators

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = token(scope) if scope["type"] == "http" and scope["path"] == "/" else ""
        if not given:
            await self._app(scope, receive, send)
            return
        headers = [(b"location", b"./"), (b"cache-control", b"no-store"), (b"content-length", b"0")]
        if self._operators.know(given):
            headers.append((b"set-cookie", cookie(given).encode()))
        await send({"type": "http.response.start", "status": 303, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


def token(scope: Scope) -> str:
    """The operator's token in the request's address, "" for none."""
    query: bytes = scope["query_string"]
    return parse_qs(query.decode("latin-1")).get(OPERATOR_COOKIE, [""])[0]


def cookie(token: str) -> str:
    """A cookie for this browser until it is closed; neither scripts nor other sites' pages can use it."""
    return f"{OPERATOR_COOKIE}={token}; Path=/; HttpOnly; SameSite=Strict"
