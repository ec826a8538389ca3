"""Which builds of llama-cpp-python to try on this machine, best first: a pure decision on what its tools say.

Every candidate still has to be proved (`llama.prove`). What was found but has no candidate is named in
`Detection.unusable`, so that a GPU never ends on the processor quietly.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from qwen_vl_app.errors import Language, SetupError
from qwen_vl_app.install.texts import text
from qwen_vl_app.settings import AUTO_WORD, Accelerator

Kind = Literal["wheel", "source"]
Version = tuple[int, int]

WHEELS = "https://abetlen.github.io/llama-cpp-python/whl/"  # the project's own indices, one folder per tag
# tag of the index → least driver version, least and greatest compute capability (greater ones run its PTX, slower
# to start), packages of the CUDA runtime, which these wheels do not bundle.
CUDA_WHEELS: tuple[tuple[str, Version, Version, tuple[str, ...]], ...] = (
    ("cu132", (13, 2), (7, 5), ("nvidia-cuda-runtime>=13.2,<14", "nvidia-cublas>=13,<14")),
    ("cu130", (13, 0), (7, 5), ("nvidia-cuda-runtime>=13,<14", "nvidia-cublas>=13,<14")),
    ("cu125", (12, 5), (6, 0), ("nvidia-cuda-runtime-cu12", "nvidia-cublas-cu12")),
    ("cu124", (12, 4), (6, 0), ("nvidia-cuda-runtime-cu12", "nvidia-cublas-cu12")),
    ("cu123", (12, 3), (6, 0), ("nvidia-cuda-runtime-cu12", "nvidia-cublas-cu12")),
    ("cu122", (12, 2), (6, 0), ("nvidia-cuda-runtime-cu12", "nvidia-cublas-cu12")),
    ("cu121", (12, 1), (6, 0), ("nvidia-cuda-runtime-cu12", "nvidia-cublas-cu12")),
    ("cu118", (11, 8), (6, 0), ("nvidia-cuda-runtime-cu11", "nvidia-cublas-cu11")),
)
WHEELS_TRIED = 2  # one may be missing from the indices; more would only be older
NVIDIA_PCI = "0x10de"
ROCM_WHEEL = ("rocm72", (7, 2))
ROCM_TARGETS = frozenset(
    [
        "gfx908",
        "gfx90a",
        "gfx942",
        "gfx1030",
        "gfx1100",
        "gfx1101",
        "gfx1102",
        "gfx1150",
        "gfx1151",
        "gfx1200",
        "gfx1201",
    ]
)
SOURCE_OPTIONS = {
    "cuda": "-DGGML_CUDA=on -DCMAKE_CUDA_ARCHITECTURES=native",
    "metal": "-DGGML_METAL=on",
    "vulkan": "-DGGML_VULKAN=on",
    "cpu": "",
}


@dataclass(frozen=True)
class Tools:
    """What the machine's tools print; "" where a tool is absent or fails. `compilers` are names on PATH."""

    system: str = "Linux"
    machine: str = "x86_64"
    translated: str = ""  # macOS: sysctl -n sysctl.proc_translated
    nvidia_smi: str = ""
    compute_cap: str = ""  # nvidia-smi --query-gpu=compute_cap --format=csv,noheader
    rocminfo: str = ""
    rocm_version: str = ""  # /opt/rocm/.info/version
    vulkaninfo: str = ""  # vulkaninfo --summary
    compilers: frozenset[str] = frozenset()
    pci_vendors: frozenset[str] = frozenset()  # of the display controllers


@dataclass(frozen=True)
class Candidate:
    """One build to install and prove: from a wheel index, or from source with options for CMake."""

    accelerator: Accelerator
    kind: Kind
    index: str = ""
    packages: tuple[str, ...] = ()
    options: str = ""

    @property
    def name(self) -> str:
        """What people are told about it: `cu124` of an index, else the accelerator."""
        return self.index.rstrip("/").rpartition("/")[2] or self.accelerator


@dataclass(frozen=True)
class Unusable:
    """Something that computes faster, was seen, and is not used; `reason` is a key of the texts."""

    accelerator: Accelerator
    reason: str
    details: Mapping[str, str] = field(default_factory=dict)

    def why(self, language: Language) -> str:
        """The reason and its remedy, for people."""
        return text(self.reason, language, **self.details)


@dataclass(frozen=True)
class Detection:
    """The builds to try, and what was seen but cannot be used."""

    candidates: tuple[Candidate, ...]
    unusable: tuple[Unusable, ...] = ()


def detect(tools: Tools, wanted: str = AUTO_WORD, language: Language = "en") -> Detection:
    """The builds to try; with `wanted` (--accelerator) only of that kind.

    Raises:
        SetupError: `wanted` is unknown, or this machine has nothing of that kind.
    """
    if wanted != AUTO_WORD and wanted not in get_args(Accelerator):
        raise SetupError(text("no_accelerator", language, wanted=wanted, known=", ".join(get_args(Accelerator))))
    if tools.system == "Darwin" and tools.machine == "x86_64" and tools.translated.strip() == "1":
        raise SetupError(text("rosetta", language))
    found = [kind(tools) for kind in (_metal, _cuda, _rocm, _vulkan, _cpu)]
    every = tuple(candidate for part in found for candidate in part.candidates)
    unusable = tuple(reason for part in found for reason in part.unusable)
    if wanted == AUTO_WORD:
        return Detection(every, unusable)
    chosen = tuple(candidate for candidate in every if candidate.accelerator == wanted)
    if not chosen:
        reasons = (found.why(language) for found in unusable if found.accelerator == wanted)
        why = next(reasons, text("no_device", language))
        raise SetupError(text("not_usable", language, wanted=wanted, why=why))
    return Detection(chosen)


def _source(accelerator: Accelerator, options: str = "") -> Candidate:
    return Candidate(accelerator, "source", options=options or SOURCE_OPTIONS[accelerator])


def _cpu(tools: Tools) -> Detection:
    """From source only: the wheels for every processor leave half of this one's speed unused."""
    return Detection((_source("cpu"),))


def _metal(tools: Tools) -> Detection:
    if (tools.system, tools.machine) != ("Darwin", "arm64"):
        return Detection(())
    return Detection((Candidate("metal", "wheel", WHEELS + "metal"), _source("metal")))


def _cuda(tools: Tools) -> Detection:
    driver = _version(r"CUDA(?: \w+)? Version:\s*(\d+)\.(\d+)", tools.nvidia_smi)
    capability = min(_versions(r"^(\d+)\.(\d+)$", tools.compute_cap), default=None)
    if not driver or not capability:
        return Detection((), tuple(Unusable("cuda", reason) for reason in _cuda_broken(tools)))
    wheels = []
    if (tools.system, tools.machine) == ("Linux", "x86_64"):
        fitting = (w for w in CUDA_WHEELS if driver >= w[1] and capability >= w[2])
        wheels = [Candidate("cuda", "wheel", WHEELS + tag, packages) for tag, _, _, packages in fitting]
    sources = [_source("cuda")] if "nvcc" in tools.compilers else []
    candidates = (*wheels[:WHEELS_TRIED], *sources)
    if candidates:
        return Detection(candidates)
    return Detection((), (_cuda_unusable(tools, driver, capability),))


def _cuda_broken(tools: Tools) -> list[str]:
    """Why nvidia-smi lists no GPU although one is there."""
    if "NVIDIA" in tools.nvidia_smi or "NVML" in tools.nvidia_smi:
        return ["broken_driver"]
    return ["no_driver"] if NVIDIA_PCI in tools.pci_vendors and not tools.nvidia_smi else []


def _cuda_unusable(tools: Tools, driver: Version, capability: Version) -> Unusable:
    if tools.machine != "x86_64":
        return Unusable("cuda", "no_ready_build")
    if driver < CUDA_WHEELS[-1][1]:
        return Unusable("cuda", "old_driver", {"version": f"{driver[0]}.{driver[1]}"})
    return Unusable("cuda", "old_gpu", {"version": f"{capability[0]}.{capability[1]}"})


def _rocm(tools: Tools) -> Detection:
    targets = list(dict.fromkeys(re.findall(r"Name:\s+(gfx\w+)", tools.rocminfo)))
    if not targets:
        return Detection(())
    version = _version(r"(\d+)\.(\d+)", tools.rocm_version)
    tag, least = ROCM_WHEEL
    wheel = version is not None and version >= least and tools.machine == "x86_64" and set(targets) <= ROCM_TARGETS
    candidates = [Candidate("rocm", "wheel", WHEELS + tag)] if wheel else []
    if "hipcc" in tools.compilers:
        candidates.append(_source("rocm", f"-DGGML_HIP=on -DAMDGPU_TARGETS={';'.join(targets)}"))
    if candidates:
        return Detection(tuple(candidates))
    return Detection((), (Unusable("rocm", "old_rocm"),))


def _vulkan(tools: Tools) -> Detection:
    devices = re.findall(r"deviceType\s*=\s*(\w+)", tools.vulkaninfo)
    if not any(device != "PHYSICAL_DEVICE_TYPE_CPU" for device in devices):  # llvmpipe only
        return Detection(())
    wheel = (tools.system, tools.machine) == ("Linux", "x86_64")
    candidates = [Candidate("vulkan", "wheel", WHEELS + "vulkan")] if wheel else []
    if "glslc" in tools.compilers:
        candidates.append(_source("vulkan"))
    return Detection(tuple(candidates), () if candidates else (Unusable("vulkan", "no_glslc"),))


def _versions(pattern: str, text: str) -> list[Version]:
    return [(int(major), int(minor)) for major, minor in re.findall(pattern, text, re.M)]


def _version(pattern: str, text: str) -> Version | None:
    return next(iter(_versions(pattern, text)), None)
