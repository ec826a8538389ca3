"""What a hub's answer to a request for bytes means: the file's facts, or whose fault it is that there are none."""

import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

import httpx2

from qwen_vl_app.catalogue import File
from qwen_vl_app.weights.failures import (
    Busy,
    Cut,
    NotThere,
    OtherFile,
    Portal,
    Refused,
    ServerTrouble,
    Stalled,
    Trouble,
    Unreachable,
    gb,
)

MAGIC = b"GGUF"
CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")
SHA256 = re.compile(r"[0-9a-f]{64}")
LONGEST_PAUSE = 600.0  # seconds: a Retry-After beyond ten minutes is not believed


@dataclass(frozen=True)
class Facts:
    """What headers say of a file: its size in bytes, its sha256 or "", its validator; `start` of this body."""

    size: int
    sha256: str
    etag: str
    ranges: bool
    start: int


def facts(answer: httpx2.Response, file: File, start: int) -> Facts:
    """The facts in the answer to a request for the bytes from `start` on, checked against what is known of `file`.

    Raises:
        Trouble: the answer is not this file; each kind of answer has its own.
    """
    host = _netloc(answer.url)
    _check_status(answer, host)
    if "text/html" in answer.headers.get("content-type", "") or _is_encoded(answer):
        raise Portal(host=host)
    found = _range(answer, start, host) if answer.status_code == 206 else _whole(answer, host)
    if file.size and found.size != file.size:
        raise OtherFile(host=host, found=gb_exact(found.size), expected=gb_exact(file.size))
    if file.sha256 and found.sha256 and found.sha256 != file.sha256:
        raise OtherFile(host=host, found=f"sha256 {found.sha256[:12]}…", expected=f"{file.sha256[:12]}…")
    return found


def check_beginning(data: bytes, answer: httpx2.Response) -> None:
    """Raise unless `data`, from the beginning of a file, begins as a model file does.

    Raises:
        Portal: it does not: a page, or a pointer of git-lfs.
    """
    if not data.startswith(MAGIC):
        raise Portal(host=_netloc(answer.url))


def _netloc(url: httpx2.URL) -> str:
    return url.netloc.decode()


def _check_status(answer: httpx2.Response, host: str) -> None:
    status = answer.status_code
    if 400 <= status < 500 and status not in (416, 429) and answer.history and _netloc(answer.history[0].url) != host:
        raise ServerTrouble(host=host, status=status)  # the hub has it; where it sent us does not, e.g. no longer
    if status in (401, 403, 407):
        raise Refused(host=host, status=status)
    if status == 416:  # nothing at that place: the file is shorter
        raise OtherFile(host=host, found=answer.headers.get("content-range", "?"), expected="more bytes")
    if status == 429 or status >= 500:
        kind = Busy if status == 429 else ServerTrouble
        trouble: Trouble = kind(host=host, status=status)
        trouble.pause = retry_after(answer.headers.get("retry-after", ""))
        raise trouble
    if status == 408:
        raise Cut(host=host, why="HTTP 408")
    if status not in (200, 206):
        raise NotThere(host=host, status=status)


def _is_encoded(answer: httpx2.Response) -> bool:
    return answer.headers.get("content-encoding", "identity") != "identity"


def _range(answer: httpx2.Response, start: int, host: str) -> Facts:
    match = CONTENT_RANGE.fullmatch(answer.headers.get("content-range", ""))
    if not match or int(match[1]) != start:
        raise Cut(host=host, why="wrong Content-Range")
    return Facts(int(match[2]), *_validators(answer), True, start)


def _whole(answer: httpx2.Response, host: str) -> Facts:
    length = answer.headers.get("content-length", "")
    if not length.isdigit():
        raise Portal(host=host)
    return Facts(int(length), *_validators(answer), False, 0)


def _validators(answer: httpx2.Response) -> tuple[str, str]:
    """Sha256 and validator. Hugging Face states the hash as X-Linked-ETag of the answer that redirects."""
    sha256 = etag = ""
    for hop in [*answer.history, answer]:
        linked = hop.headers.get("x-linked-etag", "").strip('"').lower()
        sha256 = linked if SHA256.fullmatch(linked) else sha256
        etag = linked or etag
    return sha256, etag or answer.headers.get("etag", "")


def retry_after(header: str, now: datetime | None = None) -> float:
    """Seconds that a Retry-After header asks for; it holds seconds or a date. 0 where it says nothing."""
    if header.isdigit():
        return min(float(header), LONGEST_PAUSE)
    try:
        date = parsedate_to_datetime(header)
    except ValueError:
        return 0.0
    moment = now or datetime.now(timezone.utc)
    aware = date if date.tzinfo else date.replace(tzinfo=timezone.utc)
    return min(max((aware - moment).total_seconds(), 0.0), LONGEST_PAUSE)


def gb_exact(count: int) -> str:
    """Bytes, whole where two files of nearly the same size are compared."""
    return f"{count:,} bytes ({gb(count)})"


@contextmanager
def network(host: str, stall_seconds: float) -> Iterator[None]:
    """Turn the client's errors into `Trouble` of `host`; where a redirect led elsewhere, of that host."""
    try:
        yield
    except httpx2.HTTPError as error:
        raise _trouble(error, host, stall_seconds) from error


def _trouble(error: httpx2.HTTPError, host: str, stall_seconds: float) -> Trouble:
    try:
        where = _netloc(error.request.url)
    except RuntimeError:  # an error before there was a request
        where = host
    if isinstance(error, (httpx2.ReadTimeout, httpx2.WriteTimeout)):
        return Stalled(host=where, seconds=round(stall_seconds))
    if isinstance(error, (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError, httpx2.TooManyRedirects)):
        why = str(error) or "no answer"
        if _is_certificate(error):
            why = "its certificate was refused: check this machine's clock, or a proxy that reads along"
        if where != host:
            why += f"; {host} sent us there"
        return Unreachable(host=where, why=why)
    return Cut(host=where, why=str(error) or type(error).__name__)


def _is_certificate(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLError) or "CERTIFICATE" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False
