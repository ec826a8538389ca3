"""The models this program knows, as data: names, files, hashes, picture budgets, sampling."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

from qwen_vl_app.chat import Sampling
from qwen_vl_app.errors import SetupError

PATCH = 16  # px, a side of the vision tower's patch
MERGE = 2  # patches a side that become one token
CELL = PATCH * MERGE  # px: one picture token covers CELL x CELL px (Qwen3-VL)

# Qwen3-VL README, "Generation Hyperparameters", Instruct; llama.cpp's window instead of vLLM's whole answer.
INSTRUCT_SAMPLING = Sampling(temperature=0.7, top_p=0.8, top_k=20, presence_penalty=1.5)


@dataclass(frozen=True)
class PictureBudget:
    """Limits of one picture in tokens (32x32 px each); small pictures are enlarged to `min_tokens`."""

    min_tokens: int
    max_tokens: int


Detail: TypeAlias = Literal["coarse", "usual", "fine"]  # how closely a picture is looked at


@dataclass(frozen=True)
class File:
    """A file of a model: its name in `repo` and in `<models-dir>/<folder>`.

    `size` in bytes (0: not known), `sha256` ("": not known); what is not known is taken from the hub's headers.
    """

    name: str
    size: int = 0
    sha256: str = ""
    quant: str = ""


@dataclass(frozen=True)
class Model:
    """One model: language part and projector, what is good for it, and the quantisations there are of both."""

    name: str
    title: str
    folder: str
    model: File
    mmproj: File
    budget: PictureBudget
    layers: int
    cell_bytes: int  # KV cache of one token, F16: 2 x layers x KV heads x head width x 2 bytes
    sampling: Sampling = Sampling()
    repo: str = ""
    revision: str = ""
    files: tuple[File, ...] = ()
    projectors: tuple[File, ...] = ()

    def paths(self, models_dir: Path) -> tuple[Path, Path]:
        """Where the language model and the projector lie below `models_dir`."""
        return models_dir / self.folder / self.model.name, models_dir / self.folder / self.mmproj.name

    def budget_for(self, detail: Detail) -> PictureBudget:
        """The picture budget for that detail; models with a budget of their own, as the demo, have one for all."""
        return QWEN_BUDGETS[detail] if self.budget == QWEN_BUDGET else self.budget

    @property
    def size(self) -> int:
        """Bytes of both files; 0 where one is not known."""
        return self.model.size + self.mmproj.size if self.model.size and self.mmproj.size else 0


QWEN_BUDGET = PictureBudget(min_tokens=64, max_tokens=1280)  # README example of Qwen3-VL: 256-1280; captions need fewer
QWEN_BUDGETS: dict[Detail, PictureBudget] = {
    "coarse": PictureBudget(min_tokens=64, max_tokens=320),
    "usual": QWEN_BUDGET,
    # Grounding needs at least 1,024 (llama.cpp's clip.cpp, its issue 16842), reading 512 to 2,048 (Qwen's cookbook).
    "fine": PictureBudget(min_tokens=1024, max_tokens=2048),
}
QWEN_ARCHITECTURES = ("qwen3vl", "qwen3vlmoe")  # general.architecture in GGUF files that llama.cpp's converter writes
DEFAULT_QUANT, DEFAULT_MMPROJ = "Q4_K_M", "F16"
LAYER_CELL_BYTES = 2 * 8 * 128 * 2  # K and V of one layer and token: 8 KV heads of 128 in F16 (all official sizes)
WORKING_BYTES = 1 << 30  # compute buffers of both contexts and the page, beside weights and KV cache

# What people call a quantisation, and what it is called in file names.
QUANT_NAMES = {
    **dict.fromkeys(("int4", "4bit", "q4"), "Q4_K_M"),
    **dict.fromkeys(("int8", "8bit", "q8"), "Q8_0"),
    **dict.fromkeys(("fp16", "float16", "16bit"), "F16"),
}

Row = tuple[str, int, str]  # quantisation, bytes (0: not known), sha256 ("": not known)


def _official(size: str, revision: str, layers: int, weights: tuple[Row, ...], projectors: tuple[Row, ...]) -> Model:
    title = f"Qwen3-VL-{size}-Instruct"
    files = tuple(File(f"Qwen3VL-{size}-Instruct-{row[0]}.gguf", row[1], row[2], row[0]) for row in weights)
    mmprojs = tuple(File(f"mmproj-Qwen3VL-{size}-Instruct-{row[0]}.gguf", row[1], row[2], row[0]) for row in projectors)
    return Model(
        name=size.lower(),
        title=title,
        folder=f"{title}-GGUF",
        repo=f"Qwen/{title}-GGUF",
        revision=revision,
        model=_pick(files, DEFAULT_QUANT),
        mmproj=_pick(mmprojs, DEFAULT_MMPROJ),
        budget=QWEN_BUDGET,
        layers=layers,
        cell_bytes=layers * LAYER_CELL_BYTES,
        sampling=INSTRUCT_SAMPLING,
        files=files,
        projectors=mmprojs,
    )


def _pick(files: tuple[File, ...], quant: str) -> File:
    return next(file for file in files if file.quant == quant)


# Sizes and hashes: as at least three public projects pin them, all agreeing; "one source" where only one does.
MODELS: dict[str, Model] = {
    model.name: model
    for model in (
        _official(
            "8B",
            "f982a07559d4a2f6c8744d840bf6fccab30eea96",
            36,
            (
                ("Q4_K_M", 5_027_784_800, "67d1659bfe71b89d50b45a4ad1a9e5b997e5bb16ce5da66a6a6167abd569e9e2"),
                ("Q8_0", 8_709_519_456, "0d264b3941185d00a74f75c4245521dae088ff1efc90ab8d1754e83f5844adb0"),
                # one source
                ("F16", 16_388_044_896, "2715c1a097f1943fb88ad59c7c0e9288a7a50c84d60cf18c6227bd9a40520972"),
            ),
            (
                ("F16", 1_159_029_824, "ca524100ebf825c9a870db1c580d03879e0da0ab2541697e2458e64891cf9d38"),
                ("Q8_0", 752_289_728, "c6ba85508d82f42590e6eb77d5340369ab6fecf107a7561d809523d8aa5f3bfd"),
            ),
        ),
        _official(
            "4B",
            "1cd86afb9a95c410a6038ab3b40d8b578c892266",
            36,
            (
                # another revision of the repository is pinned elsewhere with other bytes
                ("Q4_K_M", 2_497_281_664, "66358cb18bb6b3b1b6675aa412c7a88ef01d228f481184d13668e5201c730a0a"),
                # one source
                ("Q8_0", 4_280_406_144, "054721f478bc5fa6beffb7f38eae575d45298f88cbb8d2f83ef675a727863eb1"),
                ("F16", 0, ""),  # size and hash not known here
            ),
            (
                ("F16", 836_180_256, "256f3a43bd4205ffef48d6b92715e1e70b5b0e9aef06522584967513a9985331"),
                ("Q8_0", 453_974_304, "30ba2c7dd3127a4561b6cba9d13d0f711c91bdb38742e2f56d73c8cb596bd06d"),
            ),
        ),
        _official(
            "2B",
            "52d6c8ffea26cc873ac5ad116f8631268d7eb503",
            28,
            (
                ("Q4_K_M", 1_107_409_952, "089d75c52f4b7ffc56ba998ffc50aae89fcafc755f9e7208aacca281dca6c2ae"),
                ("Q8_0", 1_834_427_424, "1e8db19207c8ce0733ddd78c2eff8a9e22c27c82f4443df94c25792ed8fe04f2"),
                ("F16", 0, ""),  # size and hash not known here
            ),
            (
                ("F16", 819_394_848, "c3d5afbef5287953acd57b4043d2269456e5761a4eaccb3b71b062996970aea5"),
                ("Q8_0", 445_053_216, "f9a68fabba69c3b81e153367b2c7521030b0fa8bb0de400c9599c8e6725f9c82"),
            ),
        ),
        Model(
            name="demo",
            title="Demo (drawn shapes only)",
            folder="demo",
            model=File("model.gguf"),
            mmproj=File("mmproj.gguf"),
            budget=PictureBudget(min_tokens=56, max_tokens=72),
            layers=4,
            cell_bytes=1 << 10,
        ),
    )
}


def find(name: str) -> Model:
    """The model called `name`.

    Raises:
        SetupError: no model has that name; the message lists those there are.
    """
    if name not in MODELS:
        raise SetupError(f"no model '{name}'; known models: {', '.join(MODELS)}")
    return MODELS[name]


def quant_name(text: str) -> str:
    """The name in file names of a quantisation as a person calls it: `fp16` is F16, `int4` is Q4_K_M."""
    return QUANT_NAMES.get(text.lower(), text.upper())


def resolve(name: str, quant: str = "", mmproj: str = "") -> Model:
    """The model called `name` in the quantisation `quant`, its projector in `mmproj`; "" for its default.

    Raises:
        SetupError: there is no such model or quantisation; the message lists those there are.
    """
    model = find(name)
    return replace(
        model,
        model=_choose(model, "quant", quant, model.model, model.files),
        mmproj=_choose(model, "mmproj", mmproj, model.mmproj, model.projectors),
    )


def _choose(model: Model, option: str, wanted: str, default: File, there: tuple[File, ...]) -> File:
    if not wanted:
        return default
    for file in there:
        if file.quant == quant_name(wanted):
            return file
    known = ", ".join(file.quant for file in there) or "none to choose from"
    raise SetupError(f"--{option} {wanted}: model '{model.name}' has no such quantisation; known: {known}")


def need_bytes(model: Model, ctx_size: int) -> int:
    """Memory that `model` takes with one conversation of `ctx_size` tokens, in bytes: weights, KV cache, buffers."""
    return model.size + ctx_size * model.cell_bytes + WORKING_BYTES


def largest_fitting(free_bytes: int, ctx_size: int, quant: str = "", mmproj: str = "") -> Model:
    """The largest official model that `free_bytes` of memory hold, in those quantisations; else the smallest one.

    Raises:
        SetupError: there is no such quantisation.
    """
    official = [resolve(model.name, quant, mmproj) for model in MODELS.values() if model.repo]
    fitting = (model for model in official if model.size and need_bytes(model, ctx_size) <= free_bytes)
    return next(fitting, official[-1])


def described(architecture: str, name: str) -> tuple[PictureBudget, Sampling]:
    """Budget and sampling for a model known only by its GGUF metadata: `general.architecture` and `general.name`.

    Greedy unless it calls itself an Instruct model of the Qwen3-VL family: the recommended sampling is for those.
    """
    instruct = architecture in QWEN_ARCHITECTURES and "instruct" in name.lower()
    return QWEN_BUDGET, INSTRUCT_SAMPLING if instruct else Sampling()
