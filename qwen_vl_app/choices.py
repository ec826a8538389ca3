"""The models that an operator can choose from, and what each of them takes."""

from dataclasses import dataclass, replace

import psutil

from qwen_vl_app import catalogue
from qwen_vl_app.catalogue import File, Model
from qwen_vl_app.engine.fit import needed_bytes
from qwen_vl_app.engine.local import LocalEngine
from qwen_vl_app.host import BUNDLED, DEMO, Host


@dataclass(frozen=True)
class Choice:
    """A model that the operator may choose: what it takes, in bytes, and where it is.

    `size` is 0 where it is not known. `whole`: its language part is here, `part`: some of that. The projector is
    shared by all quantisations and says nothing.
    """

    model: Model
    size: int
    need: int
    fits: bool
    answers: bool
    coming: bool
    whole: bool
    part: bool


@dataclass(frozen=True)
class Projector:
    """A projector that the operator may choose for the present model; `need` is both parts' memory, in bytes."""

    file: File
    need: int
    fits: bool
    used: bool
    here: bool


def models(projector: str = "") -> list[Model]:
    """Every model and quantisation that can be chosen, with the projector of that quantisation, else the usual one."""
    official = [seeing_by(model, projector) for model in catalogue.MODELS.values() if model.repo]
    return [*(replace(model, model=file) for model in official for file in model.files), bundled()]


def seeing_by(model: Model, projector: str) -> Model:
    """`model` with its projector of that quantisation, if it has one."""
    return replace(model, mmproj=next((file for file in model.projectors if file.quant == projector), model.mmproj))


def bundled() -> Model:
    """The demo, wherever the other models lie."""
    demo = catalogue.find(DEMO)
    sizes = [path.stat().st_size for path in demo.paths(BUNDLED)]
    files = replace(demo.model, size=sizes[0]), replace(demo.mmproj, size=sizes[1])
    return replace(demo, folder=str(BUNDLED / demo.folder), model=files[0], mmproj=files[1])


def offered(name: str, quant: str, projector: str = "") -> Model | None:
    """The model of `models` with that name and quantisation."""
    return next((model for model in models(projector) if (model.name, model.model.quant) == (name, quant)), None)


def room_bytes(host: Host) -> int:
    """Memory for a model in bytes: what is free and what the present one would give back; a GPU's if that is more."""
    memory, engine = psutil.virtual_memory(), host.engine.engine
    if not isinstance(engine, LocalEngine) or engine.state != "ready":
        return memory.available
    device = engine.device.total if engine.device else 0
    return max(device, min(memory.total, memory.available + (0 if device else needed_bytes(engine.fitted))))


def same(one: Model, other: Model) -> bool:
    """Whether both are the same model in the same quantisation."""
    return (one.name, one.model.quant) == (other.name, other.model.quant)


def alone(model: Model) -> Model:
    """`model` without its projector."""
    return replace(model, mmproj=File(""))
