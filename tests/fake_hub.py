"""A hub on this machine that speaks Hugging Face's protocol and ModelScope's addresses, and misbehaves on demand."""

import hashlib
import json
import random
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

COMMIT = "c0ffee" * 6 + "c0ff"
CHUNK = 8 << 10


def gguf(size: int, seed: int) -> bytes:
    """Bytes that begin like a model file."""
    return b"GGUF" + random.Random(seed).randbytes(size - 4)


@dataclass
class Manners:
    """How the hub behaves; all of it may change while it runs. Offsets are places in a file, in bytes."""

    status: int = 0  # instead of the file
    retry_after: str = ""
    times: int = 1 << 30  # how often `status`, `cut`, `stall` and `flip` happen
    cut: int = -1  # the connection is reset where a body comes past this place
    stall: int = -1  # nothing more comes from this place on
    flip: int = -1  # this byte is wrong
    extra: int = 0  # bytes that the file is longer than it should be
    ranges: bool = True
    html: bool = False
    redirect: str = ""  # where the resolve address leads instead
    hashes: bool = True  # whether X-Linked-ETag is sent
    bytes_per_second: float = 0.0  # of each connection
    delay: float = 0.0  # seconds before each answer
    largest: int = 1 << 60  # connections that are served at once; more get 429


@dataclass
class Asked:
    """One request, and the bytes of the file that were sent for it."""

    path: str
    start: int
    authorization: str
    sent: int = 0


@dataclass
class FakeHub:
    """The hub: `files` by name; use it in `with`, then ask `url`. `asked` holds what was asked of file bodies."""

    files: dict[str, bytes] = field(repr=False)
    manners: Manners = field(default_factory=Manners)
    asked: list[Asked] = field(default_factory=list)
    open: int = 0

    def __enter__(self) -> "FakeHub":
        hub = self

        class Handler(_Handler):
            def __init__(self, *arguments: object) -> None:
                self.hub = hub
                super().__init__(*arguments)  # type: ignore[arg-type]

        self.stopped = threading.Event()
        self._server = _Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stopped.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """The hub's address."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def sent(self) -> int:
        """Bytes of files that went out."""
        return sum(asked.sent for asked in self.asked)

    def happens(self) -> bool:
        """Whether a misbehaviour happens once more."""
        self.manners.times -= 1
        return self.manners.times >= 0

    @contextmanager
    def connection(self) -> Iterator[int]:
        """Count a body that is being sent."""
        self.open += 1
        try:
            yield self.open
        finally:
            self.open -= 1


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A client that was killed, or has enough, is no error."""


class _Handler(BaseHTTPRequestHandler):
    hub: FakeHub
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *arguments: object) -> None:
        pass

    def do_HEAD(self) -> None:
        """huggingface_hub asks so for the facts; without a redirect, as for files that the hub serves itself."""
        data = self.hub.files.get(self.path.rpartition("/")[2])
        self.send_response(404 if data is None else 200)
        if data is not None:
            self.send_header("Content-Length", str(len(data)))
            self.send_header("ETag", f'"{_sha256(data)}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()

    def do_GET(self) -> None:
        manners = self.hub.manners
        time.sleep(manners.delay)
        name = self.path.partition("?")[0].rpartition("/")[2]
        if manners.status and self.hub.happens():
            self._plain(manners.status, b"no", {"Retry-After": manners.retry_after} if manners.retry_after else {})
        elif manners.html:
            self._plain(200, b"<html>Please log in</html>", {"Content-Type": "text/html; charset=utf-8"})
        elif self.path.startswith("/api/models/"):
            self._listing()
        elif name not in self.hub.files:
            self._plain(404, b"Entry not found", {})
        elif match := re.fullmatch(r"/([^/]+/[^/]+)/resolve/\w+/.+", self.path):
            self._redirect(name, match[1])
        else:
            with self.hub.connection() as count:
                self._body(name) if count <= manners.largest else self._plain(429, b"too many", {})

    def _plain(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)

    def _listing(self) -> None:
        siblings = [
            {
                "rfilename": name,
                "size": len(data),
                "lfs": {"sha256": _sha256(data), "size": len(data), "pointerSize": 1},
            }
            for name, data in self.hub.files.items()
        ]
        body = json.dumps({"id": "Org/Tiny-GGUF", "sha": COMMIT, "siblings": siblings}).encode()
        self._plain(200, body, {"Content-Type": "application/json"})

    def _redirect(self, name: str, repo: str) -> None:
        headers = {"Location": self.hub.manners.redirect or f"/cdn/{repo}/{name}", "X-Repo-Commit": COMMIT}
        if self.hub.manners.hashes:
            headers["X-Linked-ETag"] = f'"{_sha256(self.hub.files[name])}"'
        self._plain(302, b"", headers)

    def _body(self, name: str) -> None:
        manners = self.hub.manners
        data = self.hub.files[name] + bytes(manners.extra)
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")) if manners.ranges else None
        start = int(asked[1]) if asked else 0
        end = min(int(asked[2]) + 1, len(data)) if asked and asked[2] else len(data)
        record = Asked(self.path, start, self.headers.get("Authorization", ""))
        self.hub.asked.append(record)
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(data)}")
        self.send_header("Content-Length", str(end - start))
        self.send_header("ETag", f'"{len(data)}"')
        self.end_headers()
        try:
            self._send(data, start, end, record)
        except OSError:  # the client has enough
            self.close_connection = True

    def _send(self, data: bytes, start: int, end: int, record: Asked) -> None:
        manners = self.hub.manners
        while start < end:
            stop = min(start + CHUNK, end)
            chunk = data[start:stop]
            for place in (manners.cut, manners.stall):
                if start <= place < stop and self.hub.happens():
                    self.wfile.flush()
                    if place == manners.stall:
                        self.hub.stopped.wait(20)
                    self.close_connection = True
                    return
            if start <= manners.flip < stop and self.hub.happens():
                at = manners.flip - start
                chunk = chunk[:at] + bytes([chunk[at] ^ 1]) + chunk[at + 1 :]
            self.wfile.write(chunk)
            record.sent += len(chunk)
            start = stop
            if manners.bytes_per_second:
                time.sleep(len(chunk) / manners.bytes_per_second)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
