"""What of a model lies below the models folder: for a list to choose from, and to make room."""

from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from qwen_vl_app.catalogue import Model
from qwen_vl_app.weights.pieces import Journal

CHOSEN = ".chosen"  # the file below the models folder that names the model chosen in the page


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


def remember(models_dir: Path, name: str, quant: str, projector: str) -> None:
    """Note that this model was chosen, for the next start; where that cannot be written it is forgotten."""
    with suppress(OSError):
        models_dir.mkdir(parents=True, exist_ok=True)
        (models_dir / CHOSEN).write_text(f"{name} {quant} {projector}\n", encoding="utf-8")


def remembered(models_dir: Path) -> tuple[str, str, str]:
    """Name, quantisation and that of the projector of the model that was chosen last; empty where none was."""
    try:
        words = (models_dir / CHOSEN).read_text(encoding="utf-8").rstrip("\n").split(" ")
    except (OSError, ValueError):
        words = []
    name, quant, projector, *_ = *words, "", "", ""
    return name, quant, projector
