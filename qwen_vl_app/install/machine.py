"""What the machine must have before the installation begins: room, a compiler, memory for its jobs."""

import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from qwen_vl_app.errors import Language
from qwen_vl_app.install.texts import InstallError

GB = 1024**3
ENVIRONMENT_BYTES = 1.5 * GB  # .venv with the packages, beside the wheels while they are unpacked
SCRATCH_BYTES = 1.0 * GB  # sources, objects and the wheel of llama-cpp-python while it is built
CUDA_BYTES = 3.0 * GB  # a ready build for CUDA and CUDA's runtime (cuBLAS), packed and unpacked
JOB_BYTES = 1.2 * GB  # what one compiler process may take
PROGRAM = "#include <thread>\n#include <vector>\nint main() { std::vector<int> v{1}; return v.size() - 1; }\n"

# Which command installs a compiler, by the package manager that is there.
COMPILER_PACKAGES = (
    ("apt-get", "apt-get install build-essential"),
    ("dnf", "dnf install gcc gcc-c++"),
    ("yum", "yum install gcc gcc-c++"),
    ("apk", "apk add build-base linux-headers"),
    ("pacman", "pacman -S base-devel"),
    ("zypper", "zypper install gcc gcc-c++"),
)
VENV_PACKAGES = (("apt-get", "apt-get install python{version}-venv"), ("apk", "apk add py3-pip"))


def as_root(command: str) -> str:
    """The command as this person must type it."""
    return command if os.geteuid() == 0 else f"sudo {command}"


def compiler_command() -> str:
    """How to install a compiler here."""
    if platform.system() == "Darwin":
        return "xcode-select --install"
    for manager, command in COMPILER_PACKAGES:
        if shutil.which(manager):
            return as_root(command)
    return "gcc, g++"


def venv_command() -> str:
    """How to install Python's venv module here."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    for manager, command in VENV_PACKAGES:
        if shutil.which(manager):
            return as_root(command.format(version=version))
    return f"python{version}-venv"


def check_compiler(environ: Mapping[str, str], language: Language) -> None:
    """Raise unless a C and a C++ compiler really make a program (macOS has a stub that does not)."""
    compilers = (
        (environ.get("CC"), ("cc", "gcc", "clang"), "c"),
        (environ.get("CXX"), ("c++", "g++", "clang++"), "c++"),
    )
    for chosen, names, kind in compilers:
        tried = [shlex.split(chosen)] if chosen else [[name] for name in names]
        if not any(_compiles(command, kind, environ) for command in tried):
            raise InstallError("no_compiler", language, command=compiler_command())


def _compiles(command: list[str], kind: str, environ: Mapping[str, str]) -> bool:
    if not shutil.which(command[0], path=environ.get("PATH")):
        return False
    source = PROGRAM if kind == "c++" else "#include <stdlib.h>\nint main(void) { return 0; }\n"
    with tempfile.TemporaryDirectory() as folder:
        target = ["-x", kind, "-", "-o", str(Path(folder) / "program")]
        try:
            done = subprocess.run(
                [*command, *target], input=source, text=True, capture_output=True, timeout=60, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return False
    return done.returncode == 0


def check_space(root: Path, scratch: Path, language: Language, more: float = 0) -> None:
    """Raise if a disk has less room than the installation, with `more` bytes of packages, takes on it."""
    needs = {root: ENVIRONMENT_BYTES + more, scratch: SCRATCH_BYTES}
    if os.stat(root).st_dev == os.stat(scratch).st_dev:  # noqa: PTH116 - one disk for both
        needs = {root: ENVIRONMENT_BYTES + more + SCRATCH_BYTES}
    for folder, need in needs.items():
        free = shutil.disk_usage(folder).free
        if free < need:
            shown = {"free": f"{free / GB:.1f}", "need": f"{need / GB:.1f}"}
            raise InstallError("no_space", language, folder=folder, **shown)


def choose_scratch(fallback: Path) -> Path:
    """A new folder for temporary files: the system's, unless that is too small or may not run programs."""
    system = Path(tempfile.gettempdir())
    if shutil.disk_usage(system).free >= SCRATCH_BYTES and _runs_programs(system):
        return Path(tempfile.mkdtemp(prefix="qwen-vl-install."))
    fallback.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(dir=fallback))


def _runs_programs(folder: Path) -> bool:
    flags = os.statvfs(folder).f_flag
    return not flags & os.ST_NOEXEC if hasattr(os, "ST_NOEXEC") else True


def build_jobs(environ: Mapping[str, str]) -> int:
    """How many compilers at once: one per processor, fewer where memory is short."""
    if environ.get("CMAKE_BUILD_PARALLEL_LEVEL", "").isdigit():
        return max(1, int(environ["CMAKE_BUILD_PARALLEL_LEVEL"]))
    return max(1, min(processors(), int(memory_bytes() / JOB_BYTES)))


def processors(quota: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """Processors that this process may use; a container's quota counts."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limit, _, period = _first_line(quota).partition(" ")
    return max(1, min(count, round(int(limit) / int(period)))) if limit.isdigit() and period.isdigit() else count


def memory_bytes(limit: Path = Path("/sys/fs/cgroup/memory.max")) -> int:
    """Memory that this process may use; a container's limit counts."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    stated = _first_line(limit)
    return min(total, int(stated)) if stated.isdigit() else total


def _first_line(path: Path) -> str:
    try:
        return path.read_text().split("\n")[0]
    except OSError:
        return ""
