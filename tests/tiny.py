"""A model of two small files, limits to match, and a fetch that checks what came: shared by the download's tests."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from qwen_vl_app import weights
from qwen_vl_app.catalogue import File, Model, PictureBudget
from qwen_vl_app.weights.limits import Limits
from qwen_vl_app.weights.progress import Progress
from tests.fake_hub import COMMIT, FakeHub, gguf

KIB = 1 << 10
SIZE, SMALL = 1600 * KIB + 17, 90 * KIB
LIMITS = Limits(
    piece=32 * KIB,
    connections=4,
    spare=1 << 20,
    probe=8 * KIB,
    probe_seconds=3.0,
    probe_patience=0.1,
    connect_seconds=1.0,
    stall_seconds=1.0,
    stall_bytes=KIB,
    first_pause=0.02,
    longest_pause=0.1,
    give_up_seconds=10.0,
)
HASTY = replace(LIMITS, give_up_seconds=0.1)  # for what never gets better
AT_ONCE = LIMITS.connections * LIMITS.piece  # bytes that a restart may fetch again
OVERLAP = SIZE // 3  # bytes that sockets may hold, sent already, where two connections meet
FILES = {"tiny-Q4_K_M.gguf": gguf(SIZE, 1), "mmproj-tiny-F16.gguf": gguf(SMALL, 2)}


def file(name: str) -> File:
    return File(name, len(FILES[name]), hashlib.sha256(FILES[name]).hexdigest())


TINY = Model(
    name="tiny",
    title="Tiny",
    folder="tiny",
    model=file("tiny-Q4_K_M.gguf"),
    mmproj=file("mmproj-tiny-F16.gguf"),
    budget=PictureBudget(1, 1),
    layers=1,
    cell_bytes=1,
    repo="Org/Tiny-GGUF",
    revision=COMMIT,
)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))


def fetch(
    hub: FakeHub | str, folder: Path, model: Model = TINY, limits: Limits = LIMITS, **more: object
) -> list[Progress]:
    """Fetch into `folder`; the progress that was reported. The files are checked."""
    seen: list[Progress] = []
    url = hub if isinstance(hub, str) else hub.url
    more = {"environ": {}, **more}
    paths = weights.fetch(model, folder, url, seen.append, limits=limits, **more)  # type: ignore[arg-type]
    assert [path.read_bytes() for path in paths] == list(FILES.values())
    return seen


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
