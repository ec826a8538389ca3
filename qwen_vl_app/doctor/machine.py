"""The doctor's look at the machine: Python, the build of llama.cpp, processor, GPU, port, locale."""

import errno
import json
import os
import platform
import socket
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from urllib.request import ProxyHandler, build_opener

import psutil

from qwen_vl_app.doctor.finding import Finding
from qwen_vl_app.errors import Language
from qwen_vl_app.install import address, llama, proof, tools
from qwen_vl_app.install.accelerators import Unusable, detect
from qwen_vl_app.install.texts import InstallError
from qwen_vl_app.settings import ROOT, Accelerator, Settings
from qwen_vl_app.weights.failures import gb

OLDEST_PYTHON = (3, 10)
PROOF_SECONDS = 120
TOOL_SECONDS = 20
GPUS = """
import json
from dataclasses import asdict
from qwen_vl_app.engine.devices import gpus
print(json.dumps([asdict(gpu) for gpu in gpus()]))
"""
GPU_NAMES: Mapping[Accelerator, str] = {"cuda": "NVIDIA", "metal": "Apple", "rocm": "AMD (ROCm)", "vulkan": "Vulkan"}


def python() -> Finding:
    """Whether this Python is new enough and of 64 bit."""
    bits = 64 if sys.maxsize > 2**32 else 32
    good = sys.version_info[:2] >= OLDEST_PYTHON and bits == 64
    details = {"version": platform.python_version(), "bits": bits}
    return Finding("python", "ok" if good else "fail", "python", "" if good else "python", details)


def build() -> Finding:
    """Which llama-cpp-python is installed."""
    try:
        return Finding("build", "ok", "build", details={"version": version(llama.PACKAGE)})
    except PackageNotFoundError:
        return Finding("build", "fail", "no_build", "install")


def prove(is_built: bool) -> Finding:
    """Whether the build computes, in a child process: one for another processor dies."""
    if not is_built:
        return Finding("proof", "note", "unproved")
    code, output = _run([sys.executable, "-m", proof.__name__], PROOF_SECONDS)
    if code == 0:
        return Finding("proof", "ok", "proof")
    return Finding("proof", "fail", "no_proof", "install", {"why": llama.how_it_ended(code, output)})


def processor(cores: int) -> Finding:
    """The processor and its memory; `cores` are those that the engine would use."""
    memory = psutil.virtual_memory()
    details = {"machine": platform.machine(), "cores": cores, "free": gb(memory.available), "total": gb(memory.total)}
    return Finding("processor", "ok", "processor", details=details)


def gpu(is_built: bool, settings: Settings) -> list[Finding]:
    """The GPUs that the build uses; one that lies idle is a failure unless the settings want it so."""
    usable = _usable_gpus() if is_built else []
    if usable:
        return [Finding("gpu", "ok", "gpu", details=each) for each in usable]
    if not is_built or settings.gpu_layers == 0 or settings.accelerator == "cpu":
        return [Finding("gpu", "note", "no_gpu")]
    found = detect(tools.read(os.environ))
    best = found.candidates[0].accelerator
    if best != "cpu":
        return [Finding("gpu", "fail", "gpu_unused", "accelerator", {"name": GPU_NAMES[best], "accelerator": best})]
    return [_without_build(each) for each in found.unusable] or [Finding("gpu", "note", "no_gpu")]


def _without_build(found: Unusable) -> Finding:
    """What start.sh saw and has no build for: the reason says what to install."""
    why = InstallError(found.reason, "en", **found.details)
    return Finding("gpu", "note", "gpu_unusable", details={"name": GPU_NAMES[found.accelerator], "why": why})


def _usable_gpus() -> list[dict[str, object]]:
    code, output = _run([sys.executable, "-c", GPUS], TOOL_SECONDS)
    if code != 0:
        return []  # the proof says why
    found = json.loads(output.strip().splitlines()[-1])
    return [{"name": each["name"], "free": gb(each["free"]), "total": gb(each["total"])} for each in found]


def _run(command: list[str], seconds: float) -> tuple[int, str]:
    """Exit status and output of a child; 1 where it cannot be started or takes longer."""
    quiet = {"GOMP_SPINCOUNT": "0", "OMP_WAIT_POLICY": "passive"}
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=os.environ | quiet, capture_output=True, timeout=seconds, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return 1, str(error)
    output = done.stdout if done.returncode == 0 else done.stderr
    return done.returncode, output.decode(errors="replace")


def port(host: str, number: int) -> Finding:
    """Whether the page could listen there, or does so already."""
    details: dict[str, object] = {"host": host, "port": number}
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, number))
            probe.listen()
        except OSError as error:
            return _taken(details, error)
    advice = "" if host in ("127.0.0.1", "::1", "localhost") else "open"
    return Finding("port", "ok", "port", advice, details)


def _taken(details: dict[str, object], error: OSError) -> Finding:
    if error.errno == errno.EADDRINUSE and _is_ours(str(details["host"]), details["port"]):
        return Finding("port", "ok", "running", details=details)
    advice = "port" if error.errno in (errno.EADDRINUSE, errno.EACCES) else "address"
    return Finding("port", "fail", "busy", advice, details | {"why": error.strerror})


def _is_ours(host: str, number: object) -> bool:
    """Whether this program's /health answers there."""
    try:
        with build_opener(ProxyHandler({})).open(address.local(host, str(number)) + "/health", timeout=2) as answer:
            return "version" in json.load(answer)
    except (OSError, ValueError):
        return False


def locale(environ: Mapping[str, str], language: Language, encoding: str) -> Finding:
    """The language of the messages, and whether the terminal takes Chinese."""
    good = encoding.lower().replace("-", "") == "utf8"
    named = environ.get("LC_ALL") or environ.get("LC_MESSAGES") or environ.get("LANG") or "C"
    details = {"language": f"{named} ({language})", "encoding": encoding}
    return Finding("locale", "ok" if good else "note", "locale", "" if good else "utf8", details)
