"""What `--model`, `--quant` and `--mmproj` mean: a known model, a .gguf file, or a repository."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from qwen_vl_app import catalogue
from qwen_vl_app.catalogue import Model
from qwen_vl_app.errors import SetupError
from qwen_vl_app.weights import files, hubs, repository
from qwen_vl_app.weights.failures import NoSuchFile, UnknownName
from qwen_vl_app.weights.gguf import read

SUFFIX = ".gguf"


def named(
    name: str,
    quant: str = "",
    mmproj: str = "",
    *,
    models_dir: Path,
    hub: str = hubs.AUTO,
    environ: Mapping[str, str] = os.environ,
) -> Model:
    """The model that a person means. `mmproj` may be a quantisation or a .gguf file.

    A repository is listed over the network the first time; what is learnt only from its file is filled in by `refined`.

    Raises:
        SetupError: there is no such model, file, repository or quantisation; the message lists what there is.
    """
    if name in catalogue.MODELS:
        if not mmproj.endswith(SUFFIX):
            return catalogue.resolve(name, quant, mmproj)
        return replace(catalogue.resolve(name, quant), mmproj=files.given(Path(mmproj).expanduser()))
    path = Path(name).expanduser()
    if name.endswith(SUFFIX) or path.exists():
        if quant:
            raise SetupError(f"--quant {quant}: the quantisation of {name} is its own; leave --quant out")
        if path.is_dir():
            raise NoSuchFile(path=path / f"*{SUFFIX}")
        return files.from_file(path, str(Path(mmproj).expanduser()) if mmproj.endswith(SUFFIX) else mmproj)
    if repository.NAME.fullmatch(name):
        return repository.from_repository(name, quant, mmproj, models_dir, hub, environ)
    raise UnknownName(name=name, known=", ".join(catalogue.MODELS))


def refined(model: Model, paths: tuple[Path, Path]) -> Model:
    """`model` with what only its file tells, now that it is at `paths`: KV bytes, budget, sampling.

    Raises:
        NotGguf: its header is damaged.
    """
    return model if model.cell_bytes else files.described(model, read(paths[0]))
