"""The models this program knows, as data: names, files, hashes, picture budgets, sampling."""

from dataclasses import dataclass
from pathlib import Path

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


@dataclass(frozen=True)
class File:
    """A file of a model: its name in `repo` and in `<models-dir>/<folder>`; size in bytes; hash where known."""

    name: str
    size: int = 0
    sha256: str = ""


@dataclass(frozen=True)
class Model:
    """One model: language part and projector, and what is good for it."""

    name: str
    title: str
    folder: str
    model: File
    mmproj: File
    budget: PictureBudget
    cell_bytes: int  # KV cache of one token, F16: 2 x layers x KV heads x head width x 2 bytes
    sampling: Sampling = Sampling()
    repo: str = ""
    revision: str = ""

    def paths(self, models_dir: Path) -> tuple[Path, Path]:
        """Where the language model and the projector lie below `models_dir`."""
        return models_dir / self.folder / self.model.name, models_dir / self.folder / self.mmproj.name


QWEN_BUDGET = PictureBudget(min_tokens=64, max_tokens=1280)  # README example of Qwen3-VL: 256-1280; captions need fewer

MODELS: dict[str, Model] = {
    model.name: model
    for model in (
        Model(
            name="8b",
            title="Qwen3-VL-8B-Instruct",
            folder="Qwen3-VL-8B-Instruct-GGUF",
            repo="Qwen/Qwen3-VL-8B-Instruct-GGUF",
            revision="f982a07559d4a2f6c8744d840bf6fccab30eea96",
            model=File(
                "Qwen3VL-8B-Instruct-Q4_K_M.gguf",
                5_027_784_800,
                "67d1659bfe71b89d50b45a4ad1a9e5b997e5bb16ce5da66a6a6167abd569e9e2",
            ),
            mmproj=File(
                "mmproj-Qwen3VL-8B-Instruct-F16.gguf",
                1_159_029_824,
                "ca524100ebf825c9a870db1c580d03879e0da0ab2541697e2458e64891cf9d38",
            ),
            budget=QWEN_BUDGET,
            cell_bytes=144 << 10,
            sampling=INSTRUCT_SAMPLING,
        ),
        Model(
            name="4b",
            title="Qwen3-VL-4B-Instruct",
            folder="Qwen3-VL-4B-Instruct-GGUF",
            repo="Qwen/Qwen3-VL-4B-Instruct-GGUF",
            revision="1cd86afb9a95c410a6038ab3b40d8b578c892266",
            model=File(
                "Qwen3VL-4B-Instruct-Q4_K_M.gguf",
                2_497_281_664,
                "66358cb18bb6b3b1b6675aa412c7a88ef01d228f481184d13668e5201c730a0a",
            ),
            mmproj=File(
                "mmproj-Qwen3VL-4B-Instruct-F16.gguf",
                836_180_256,
                "256f3a43bd4205ffef48d6b92715e1e70b5b0e9aef06522584967513a9985331",
            ),
            budget=QWEN_BUDGET,
            cell_bytes=144 << 10,
            sampling=INSTRUCT_SAMPLING,
        ),
        Model(
            name="2b",
            title="Qwen3-VL-2B-Instruct",
            folder="Qwen3-VL-2B-Instruct-GGUF",
            repo="Qwen/Qwen3-VL-2B-Instruct-GGUF",
            revision="52d6c8ffea26cc873ac5ad116f8631268d7eb503",
            model=File(
                "Qwen3VL-2B-Instruct-Q4_K_M.gguf",
                1_107_409_952,
                "089d75c52f4b7ffc56ba998ffc50aae89fcafc755f9e7208aacca281dca6c2ae",
            ),
            mmproj=File(
                "mmproj-Qwen3VL-2B-Instruct-F16.gguf",
                819_394_848,
                "c3d5afbef5287953acd57b4043d2269456e5761a4eaccb3b71b062996970aea5",
            ),
            budget=QWEN_BUDGET,
            cell_bytes=112 << 10,
            sampling=INSTRUCT_SAMPLING,
        ),
        Model(
            name="demo",
            title="Demo (drawn shapes only)",
            folder="demo",
            model=File("model.gguf"),
            mmproj=File("mmproj.gguf"),
            budget=PictureBudget(min_tokens=49, max_tokens=64),
            cell_bytes=2 << 10,
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
