"""A model given as a .gguf file: what it is, and which projector beside it belongs to it, by their metadata."""

from dataclasses import replace
from pathlib import Path

from qwen_vl_app import catalogue
from qwen_vl_app.catalogue import DEFAULT_MMPROJ, File, Model
from qwen_vl_app.weights.failures import NoProjector, NoSuchFile, NotGguf, place
from qwen_vl_app.weights.gguf import Metadata, number, read, text

PROJECTOR_ARCHITECTURE = "clip"  # general.architecture of every projector that llama.cpp's converter writes
FILE_TYPES = {0: "F32", 1: "F16", 7: "Q8_0", 15: "Q4_K_M", 32: "BF16"}  # general.file_type, llama.h's llama_ftype
F16_BYTES = 2


def from_file(path: Path, mmproj: str = "") -> Model:
    """The model in the file at `path`, its projector the one in the same folder that belongs to it.

    `mmproj` names the projector: a .gguf file, or a quantisation where several lie there; "" prefers F16.

    Raises:
        WeightsError: there is no such file, it is not a language model, or no projector belongs to it.
    """
    metadata = _read(path)
    if is_projector(metadata):
        raise NotGguf(path=place(path), why="it is a projector; name the language model, this goes with --mmproj")
    path = path.resolve()
    projector = Path(mmproj) if mmproj.endswith(".gguf") else _beside(path, metadata, mmproj)
    blank = Model(
        name=path.stem,
        title=text(metadata, "general.name") or path.stem,
        folder=str(path.parent),
        model=File(path.name, path.stat().st_size),
        mmproj=given(projector),
        budget=catalogue.QWEN_BUDGET,
        layers=0,
        cell_bytes=0,
    )
    return described(blank, metadata)


def given(path: Path) -> File:
    """A projector that the person names by its path.

    Raises:
        WeightsError: there is no such file, or it is not a projector.
    """
    if not is_projector(_read(path)):
        raise NotGguf(path=place(path), why="it is not a projector")
    return File(str(path.resolve()), path.stat().st_size)


def described(model: Model, metadata: Metadata) -> Model:
    """`model` with what its file's metadata say: layers, KV bytes per token, picture budget, sampling."""
    architecture = text(metadata, "general.architecture")
    names = f"{text(metadata, 'general.name')} {text(metadata, 'general.finetune')}"
    budget, sampling = catalogue.described(architecture, names)
    layers = number(metadata, f"{architecture}.block_count")
    return replace(model, layers=layers, cell_bytes=cell_bytes(metadata), budget=budget, sampling=sampling)


def cell_bytes(metadata: Metadata) -> int:
    """KV cache of one token in bytes, F16: layers x KV heads x (key + value width) x 2."""
    prefix = text(metadata, "general.architecture")
    heads = number(metadata, f"{prefix}.attention.head_count")
    width = number(metadata, f"{prefix}.embedding_length") // max(heads, 1)
    key = number(metadata, f"{prefix}.attention.key_length") or width
    value = number(metadata, f"{prefix}.attention.value_length") or width
    kv_heads = number(metadata, f"{prefix}.attention.head_count_kv") or heads
    return max(1, number(metadata, f"{prefix}.block_count") * kv_heads * (key + value) * F16_BYTES)


def is_projector(metadata: Metadata) -> bool:
    """Whether these are a projector's metadata."""
    return (
        text(metadata, "general.architecture") == PROJECTOR_ARCHITECTURE or text(metadata, "general.type") == "mmproj"
    )


def _read(path: Path) -> Metadata:
    if not path.is_file():
        raise NoSuchFile(path=path)
    return read(path)


def _beside(path: Path, metadata: Metadata, quant: str) -> Path:
    """The projector in the folder of `path` whose vectors have the width that the model takes."""
    width = number(metadata, f"{text(metadata, 'general.architecture')}.embedding_length")
    fitting = [(other, kind) for other, kind in _projectors(path) if kind[0] == width]
    wanted = catalogue.quant_name(quant or DEFAULT_MMPROJ)
    exact = [other for other, kind in fitting if kind[1] == wanted]
    if exact or (fitting and not quant):
        return exact[0] if exact else fitting[0][0]
    raise NoProjector(folder=place(path.parent), name=f"{path.name} (--mmproj {quant})" if quant else path.name)


def _projectors(path: Path) -> list[tuple[Path, tuple[int, str]]]:
    """The projectors beside `path`: the width of their vectors, and their quantisation."""
    found = []
    for other in sorted(path.parent.glob("*.gguf")):
        try:
            metadata = read(other)
        except NotGguf:
            continue
        if other != path and is_projector(metadata):
            width = number(metadata, "clip.vision.projection_dim")
            found.append((other, (width, FILE_TYPES.get(number(metadata, "general.file_type"), ""))))
    return found
