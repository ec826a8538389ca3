"""What of a model lies below the models folder: for a list to choose from, and to make room."""

from collections.abc import Collection
from pathlib import Path

from qwen_vl_app.catalogue import Model
from qwen_vl_app.weights.pieces import Journal


def bytes_here(model: Model, models_dir: Path) -> int:
    """Bytes of `model` that need not be downloaded again, unverified: whole files and parts."""
    return sum(_here(path) for path in model.paths(models_dir))


def _here(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    identity, done = Journal(path).read()
    return min(len(done) * identity.piece, identity.size) if identity else 0


def remove(model: Model, models_dir: Path, keep: Collection[Path] = ()) -> int:
    """Delete what was downloaded of `model`, parts included, but those paths to `keep`; the bytes that became free.

    Nothing of a model that was given as a file, or lies in Hugging Face's cache, is touched. Another model that
    shares a file (the projector of two quantisations) downloads it again unless it is kept.

    Raises:
        OSError: a file cannot be deleted.
    """
    freed = 0
    for path in set(model.paths(models_dir)).difference(keep) if model.repo else ():
        journal = Journal(path)
        for each in (path, journal.part, journal.path):
            if each.is_file() and each.resolve().is_relative_to(models_dir.resolve()):
                freed += each.stat().st_blocks * 512
                each.unlink()
    return freed
