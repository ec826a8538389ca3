"""The program of the child, here in the test's own process and without its limits."""

import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from qwen_vl_app.media import child
from tests.pictures import encoded, huge, noise

REQUEST = {
    "operation": "fitted",
    "kind": "PNG",
    "tiled": False,
    "region": None,
    "min_tokens": 4,
    "max_tokens": 64,
    "max_short_side": 768,
}
CONTENT = encoded(noise(96, 64), "PNG")


class Ended(Exception):
    """Stands for the end of the process."""


class Heard(io.BytesIO):
    """Keeps what was written when it is closed."""

    def close(self) -> None:
        pass


@pytest.fixture
def talk(monkeypatch: pytest.MonkeyPatch) -> Any:
    def end(code: int) -> None:
        raise Ended(code)

    def converse(said: bytes) -> bytes:
        heard = Heard()
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(said)))
        monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=heard))
        with pytest.raises(Ended, match="0"):
            child.main()
        return heard.getvalue()

    monkeypatch.setattr(child, "limit", lambda: None)
    monkeypatch.setattr(child.os, "_exit", end)
    return converse


def line(request: dict[str, Any]) -> bytes:
    return json.dumps(request).encode() + b"\n"


def test_bytes_and_path_get_the_same_reply(talk: Any, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(CONTENT)
    reply = talk(line(REQUEST) + CONTENT)
    header, _, pixels = reply.partition(b"\n")
    assert json.loads(header) == {"width": 96, "height": 64, "note": ""} and len(pixels) == 96 * 64 * 3
    assert talk(line(REQUEST | {"path": str(tmp_path / "a.png")})) == reply


def test_refusals_are_replies(talk: Any) -> None:
    assert json.loads(talk(line(REQUEST) + CONTENT[:99])) == {"refusal": "unreadable"}
    assert json.loads(talk(line(REQUEST) + huge("PNG")))["refusal"] == "too_large"
    assert json.loads(talk(line(REQUEST | {"operation": "unknown"}) + CONTENT)) == {"refusal": "unreadable"}


def test_no_request_no_reply(talk: Any) -> None:
    assert talk(b"") == b""


def test_too_little_memory_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def hungry(file: object, request: object) -> Any:
        raise MemoryError

    monkeypatch.setitem(child.OPERATIONS, "fitted", hungry)
    assert child.answer(io.BytesIO(CONTENT), REQUEST) == ({"refusal": "too_costly"}, [])
