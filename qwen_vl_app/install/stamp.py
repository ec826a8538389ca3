"""The note in .venv that says what was installed and proved, and whether it still holds here."""

import hashlib
import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from qwen_vl_app.install import proof, requirements
from qwen_vl_app.install.cpu import Processor

NAME = "ready.json"


@dataclass(frozen=True)
class Stamp:
    """What an installation depends on; `build` and `options` say how llama-cpp-python was built."""

    python: str
    packages: str
    engine: str
    processor: str
    proof: str
    build: str = ""
    options: tuple[str, ...] = ()

    def same_packages(self, other: "Stamp") -> bool:
        """Whether the installed packages are the ones asked for now."""
        return (self.python, self.packages) == (other.python, other.packages)

    def same_proof(self, other: "Stamp") -> bool:
        """Whether the proof that was given still holds."""
        return (self.engine, self.processor, self.proof) == (other.engine, other.processor, other.proof)


def expected(venv: Path, processor: Processor) -> Stamp:
    """The stamp that an installation on this machine, with this Python, would get now."""
    return Stamp(
        python=".".join(map(str, sys.version_info[:3])),
        packages=_digest("\n".join(requirements.listed("dependencies")).encode()),
        engine=f"{installed_engine(venv)} for {requirements.listed('engine')[0]}",
        processor=_digest(" ".join([processor.machine, *sorted(processor.flags)]).encode()),
        proof=_digest(proof.MODEL.read_bytes()),
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
        return Stamp(**{**values, "options": tuple(values["options"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def write(venv: Path, stamp: Stamp) -> None:
    """Note a finished installation, all or nothing."""
    part = venv / (NAME + ".part")
    part.write_text(json.dumps(asdict(stamp), indent=1), encoding="utf-8")
    os.replace(part, venv / NAME)  # noqa: PTH105 - the habit's name


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
