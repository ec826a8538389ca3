"""Files that are here already: downloaded, placed by hand, or in Hugging Face's cache; checked once, then remembered.

A checked file is stamped in `<models-dir>/.verified.json` under its path, size and time of change, so that gigabytes
are not hashed at every start.
"""

import glob
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

from huggingface_hub import constants

from qwen_vl_app.catalogue import File, Model
from qwen_vl_app.weights.answers import MAGIC

STAMPS = ".verified.json"
BLOCK = 4 << 20


class Stamps:
    """Which files were hashed, and to what."""

    def __init__(self, models_dir: Path) -> None:
        self._path = models_dir / STAMPS

    def get(self, file: Path) -> str:
        """The sha256 that `file` had, "" if it was never hashed or has changed since."""
        entry = self._read().get(str(file.resolve()))
        return str(entry[-1]) if entry and entry[:-1] == _key(file) else ""

    def put(self, file: Path, sha256: str) -> None:
        """Note the sha256 of `file`; where that cannot be written it will be hashed again."""
        entries = {path: entry for path, entry in self._read().items() if Path(path).is_file()}
        entries[str(file.resolve())] = [*_key(file), sha256]
        part = self._path.with_name(f"{self._path.name}.{os.getpid()}.part")
        try:
            part.write_text(json.dumps(entries, indent=1), encoding="utf-8")
            part.replace(self._path)
        except OSError:
            part.unlink(missing_ok=True)

    def _read(self) -> dict[str, list[int | str]]:
        try:
            entries = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return entries if isinstance(entries, dict) else {}


def _key(file: Path) -> list[int | str]:
    facts = file.stat()
    return [facts.st_size, facts.st_mtime_ns]


def places(model: Model, file: File, models_dir: Path) -> list[Path]:
    """Where `file` may lie: its own folder, the top of `models_dir`, Hugging Face's cache (any revision)."""
    found = [models_dir / model.folder / file.name, models_dir / file.name]
    if model.repo:
        cached = Path(constants.HF_HUB_CACHE) / f"models--{model.repo.replace('/', '--')}" / "snapshots"
        if os.access(cached, os.R_OK | os.X_OK):  # not another person's
            found += sorted(
                cached.glob(f"*/{glob.escape(file.name)}"), key=lambda path: path.parent.name != model.revision
            )
    return [path for path in found if path.is_file()]


def find(
    model: Model, file: File, models_dir: Path, checking: Callable[[Path, int], bool]
) -> tuple[Path | None, list[Path]]:
    """The place of `file` as it should be, and the places where a wrong one lies.

    `checking(path, bytes hashed)` is told how far the hashing is, and returns whether to go on.

    Raises:
        InterruptedError: `checking` returned False.
    """
    stamps = Stamps(models_dir)
    wrong: list[Path] = []
    for path in places(model, file, models_dir):
        if _is(path, file, stamps, checking):
            return path, wrong
        wrong.append(path)
    return None, wrong


def _is(path: Path, file: File, stamps: Stamps, checking: Callable[[Path, int], bool]) -> bool:
    if file.size and path.stat().st_size != file.size:
        return False
    if not file.sha256:
        with path.open("rb") as stream:
            return stream.read(len(MAGIC)) == MAGIC
    found = stamps.get(path)
    if not found:
        found = sha256(path, lambda done: checking(path, done))
        stamps.put(path, found)
    return found == file.sha256


def sha256(path: Path, go_on: Callable[[int], bool]) -> str:
    """The sha256 of the file at `path`; `go_on` is told the bytes hashed so far.

    Raises:
        InterruptedError: `go_on` returned False.
    """
    digest, done = hashlib.sha256(), 0
    with path.open("rb") as stream:
        while block := stream.read(BLOCK):
            digest.update(block)
            done += len(block)
            if not go_on(done):
                raise InterruptedError
    return digest.hexdigest()
