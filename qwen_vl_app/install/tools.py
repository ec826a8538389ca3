"""What this machine's tools say about its GPUs; and, cheap enough for every start, whether that may have changed."""

import hashlib
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from qwen_vl_app.install.accelerators import Tools

SECONDS = 20  # a driver that hangs must not hang the installation
COMPILERS = ("nvcc", "hipcc", "glslc")
# Where drivers and toolkits put their programs without telling PATH: WSL's driver, ROCm, CUDA.
FOLDERS = ("/usr/lib/wsl/lib", "/opt/rocm/bin", "/usr/local/cuda/bin")
DISPLAY_CLASS = "0x03"
# What changes with a driver or a card; of a file with many lines, those that begin so.
TRACES = (
    ("proc/driver/nvidia/version", ""),
    ("proc/driver/nvidia/gpus/*/information", "Model:"),
    ("opt/rocm/.info/version", ""),
    ("sys/class/kfd/kfd/topology/nodes/*/properties", "gfx_target_version"),
    ("sys/class/drm/renderD*/device/device", ""),
)
WSL_DRIVER = "usr/lib/wsl/lib/libcuda.so.1"  # WSL has none of the above


def read(environ: Mapping[str, str]) -> Tools:
    """What the tools print now; takes up to some seconds where there are GPUs."""
    path = search_path(environ)

    def output(*command: str) -> str:
        return _output(command, path)

    return Tools(
        system=platform.system(),
        machine=platform.machine(),
        translated=output("sysctl", "-n", "sysctl.proc_translated") if platform.system() == "Darwin" else "",
        nvidia_smi=output("nvidia-smi"),
        compute_cap=output("nvidia-smi", "--query-gpu=compute_cap", "--format=csv,noheader"),
        rocminfo=output("rocminfo"),
        rocm_version=_text(Path("/opt/rocm/.info/version")),
        vulkaninfo=output("vulkaninfo", "--summary"),
        compilers=frozenset(name for name in COMPILERS if shutil.which(name, path=path)),
        pci_vendors=frozenset(_display_vendors(Path("/sys/bus/pci/devices"))),
    )


def search_path(environ: Mapping[str, str]) -> str:
    """PATH, and the folders that it often lacks."""
    return os.pathsep.join([environ.get("PATH", os.defpath), *(each for each in FOLDERS if Path(each).is_dir())])


def _output(command: tuple[str, ...], path: str) -> str:
    """What a tool prints, also when it fails: nvidia-smi says there why; "" if it is absent or hangs."""
    program = shutil.which(command[0], path=path)
    if not program:
        return ""
    try:
        done = subprocess.run([program, *command[1:]], capture_output=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode(errors="replace")


def _display_vendors(devices: Path) -> Iterator[str]:
    for device in devices.glob("*"):
        if _text(device / "class").startswith(DISPLAY_CLASS):
            yield _text(device / "vendor").strip()


def devices(root: Path = Path("/")) -> str:
    """A digest of the GPUs and their drivers, "" where there is no trace of any; takes milliseconds."""
    found = [line for pattern, start in TRACES for file in sorted(root.glob(pattern)) for line in _lines(file, start)]
    driver = root / WSL_DRIVER
    if driver.exists():
        found.append(f"{driver.stat().st_size} {driver.stat().st_mtime_ns}")
    return hashlib.sha256("\n".join(found).encode()).hexdigest()[:16] if found else ""


def _lines(file: Path, start: str) -> list[str]:
    return [line for line in _text(file).splitlines() if line.startswith(start)]


def _text(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except OSError:
        return ""
