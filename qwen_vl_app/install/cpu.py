"""What the processor says it can do, and the llama.cpp build options that follow from it."""

import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# llama.cpp's option → every processor flag that it needs. AMX is left out on purpose: cloud guests that
# announce it may be denied its use, and then the first quantised matrix product kills the process.
X86_OPTIONS: Mapping[str, tuple[str, ...]] = {
    "GGML_SSE42": ("sse4_2",),
    "GGML_AVX": ("avx",),
    "GGML_AVX2": ("avx2",),
    "GGML_FMA": ("fma",),
    "GGML_F16C": ("f16c",),
    "GGML_BMI2": ("bmi2",),
    "GGML_AVX_VNNI": ("avx_vnni",),
    "GGML_AVX512": ("avx512f", "avx512cd", "avx512vl", "avx512dq", "avx512bw"),
    "GGML_AVX512_VBMI": ("avx512f", "avx512_vbmi"),
    "GGML_AVX512_VNNI": ("avx512f", "avx512_vnni"),
    "GGML_AVX512_BF16": ("avx512f", "avx512_bf16"),
}
ARM_EXTENSIONS: Mapping[str, str] = {"asimddp": "dotprod", "asimdhp": "fp16", "i8mm": "i8mm"}
# The same feature has other names in /proc/cpuinfo and in macOS's sysctl.
SYNONYMS = {"avx1.0": "avx", "sse4.2": "sse4_2", "avx512vbmi": "avx512_vbmi", "avx512vnni": "avx512_vnni"}
X86_MACHINES = ("x86_64", "amd64", "i386", "i686")
ARM_MACHINES = ("aarch64", "arm64")


@dataclass(frozen=True)
class Processor:
    """A machine name such as `x86_64` and the features it announces, in /proc/cpuinfo's spelling."""

    machine: str
    flags: frozenset[str]

    @property
    def announces_amx(self) -> bool:
        """Whether a native build would use Intel's AMX."""
        return any(flag.startswith("amx") for flag in self.flags)


@dataclass(frozen=True)
class Build:
    """One way to build llama-cpp-python: a name for people and the options for CMake."""

    name: str
    options: tuple[str, ...]


def parse_cpuinfo(text: str) -> frozenset[str]:
    """The features of the first processor in a /proc/cpuinfo (x86: `flags`, ARM: `Features`)."""
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip().lower() in ("flags", "features"):
            return _spelled(value)
    return frozenset()


def parse_sysctl(text: str) -> frozenset[str]:
    """The features of an Intel Mac from `sysctl machdep.cpu`."""
    lines = (line.partition(":") for line in text.splitlines())
    return _spelled(" ".join(value for key, _, value in lines if key.endswith("features")))


def _spelled(names: str) -> frozenset[str]:
    return frozenset(SYNONYMS.get(name, name) for name in names.lower().split())


def detect() -> Processor:
    """The processor of this machine; without a source of features, none are assumed."""
    return Processor(platform.machine().lower(), _read_flags())


def _read_flags() -> frozenset[str]:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        with cpuinfo.open(errors="replace") as file:
            first = [line for line, _ in zip(iter(file.readline, ""), range(64), strict=False)]
        return parse_cpuinfo("".join(first))
    try:
        result = subprocess.run(["sysctl", "machdep.cpu"], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return frozenset()
    return parse_sysctl(result.stdout)


def candidates(processor: Processor) -> tuple[Build, ...]:
    """The builds to try, in order, until one is proved.

    Where AMX is announced the native build is not tried at all. The last one leaves AVX-512 out too.
    """
    native = Build("native", ())
    safe = Build("safe", safe_options(processor))
    plain = Build("plain", safe_options(_without_wide_vectors(processor)))
    tried = (safe, plain) if processor.announces_amx else (native, safe, plain)
    return tuple(build for i, build in enumerate(tried) if build.options not in [b.options for b in tried[:i]])


def safe_options(processor: Processor) -> tuple[str, ...]:
    """Options for a build that uses only announced features, and never AMX."""
    if processor.machine in X86_MACHINES:
        chosen = {name: needs <= processor.flags for name, needs in _needs().items()}
        return ("-DGGML_NATIVE=OFF", *(f"-D{name}={'ON' if on else 'OFF'}" for name, on in chosen.items()))
    extensions = [arm for flag, arm in ARM_EXTENSIONS.items() if flag in processor.flags]
    if processor.machine in ARM_MACHINES and extensions:
        return ("-DGGML_NATIVE=OFF", "-DGGML_CPU_ARM_ARCH=armv8.2-a+" + "+".join(extensions))
    return ("-DGGML_NATIVE=OFF",)


def _needs() -> dict[str, frozenset[str]]:
    return {name: frozenset(needs) for name, needs in X86_OPTIONS.items()}


def _without_wide_vectors(processor: Processor) -> Processor:
    kept = (f for f in processor.flags if not f.startswith(("avx512", "avx_vnni")) and f not in ARM_EXTENSIONS)
    return Processor(processor.machine, frozenset(kept))
