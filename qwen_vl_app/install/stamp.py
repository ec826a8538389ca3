"""The note in .venv that says what was installed and proved, and whether it still holds here."""

import hashlib
import json
import os
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from qwen_vl_app.install import proof, requirements
from qwen_vl_app.install.cpu import Processor
from qwen_vl_app.settings import AUTO_WORD

NAME = "ready.json"


@dataclass(frozen=True)
class Target:
    """What an installation is for: the processor, the GPUs (`tools.devices`), what --accelerator asks for."""

    processor: Processor
    devices: str = ""
    wanted: str = AUTO_WORD


@dataclass(frozen=True)
class Stamp:
    """What an installation depends on; from `build` on, how llama-cpp-python was built and what lies idle."""

    python: str
    packages: str
    engine: str
    processor: str
    proof: str
    build: str = ""
    options: tuple[str, ...] = ()
    devices: str = ""
    wanted: str = AUTO_WORD
    accelerator: str = "cpu"
    idle: tuple[tuple[str, str, str], ...] = ()  # accelerator, why it is not used in English and in Chinese

    def same_packages(self, other: "Stamp") -> bool:
        """Whether the installed packages are the ones asked for now."""
        return (self.python, self.packages) == (other.python, other.packages)

    def same_proof(self, other: "Stamp") -> bool:
        """Whether the proof that was given still holds."""
        return self._proof() == other._proof()

    def _proof(self) -> tuple[str, ...]:
        return (self.engine, self.processor, self.proof, self.devices, self.wanted)


def expected(venv: Path, target: Target) -> Stamp:
    """The stamp that an installation on this machine, with this Python, would get now."""
    processor = target.processor
    return Stamp(
        python=".".join(map(str, sys.version_info[:3])),
        packages=_digest("\n".join(requirements.listed("dependencies")).encode()),
        engine=f"{installed_engine(venv)} for {requirements.listed('engine')[0]}",
        processor=_digest(" ".join([processor.machine, *sorted(processor.flags)]).encode()),
        proof=_digest(proof.MODEL.read_bytes()),
        devices=target.devices,
        wanted=target.wanted,
    )


def installed_engine(venv: Path) -> str:
    """The installed version of llama-cpp-python, "" if there is none."""
    for found in venv.glob("lib/python*/site-packages/llama_cpp_python-*.dist-info"):
        return found.name.split("-")[1].removesuffix(".dist")
    return ""


def read(venv: Path) -> Stamp | None:
    """The stamp of an installation, None if it was never finished."""
    try:
        values = json.loads((venv / NAME).read_text(encoding="utf-8"))
        idle = tuple(tuple(each) for each in values.get("idle", ()))
        return Stamp(**{**values, "options": tuple(values["options"]), "idle": idle})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def write(venv: Path, stamp: Stamp) -> None:
    """Note a finished installation, all or nothing."""
    part = venv / (NAME + ".part")
    part.write_text(json.dumps(asdict(stamp), indent=1), encoding="utf-8")
    os.replace(part, venv / NAME)  # noqa: PTH105 - the habit's name


def unproved(wanted: Stamp, before: Stamp | None) -> Stamp:
    """The note between the two halves: the packages are those of `wanted`, the engine that of `before`, if any."""
    known = before or replace(wanted, build="found")
    return replace(known, python=wanted.python, packages=wanted.packages, proof="", idle=())


def withdraw(venv: Path) -> None:
    """Note that the engine is not the one that was proved."""
    found = read(venv)
    if found:
        write(venv, replace(found, proof="", build="found", options=(), idle=()))


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
