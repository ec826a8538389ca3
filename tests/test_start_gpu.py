"""start.sh where a GPU comes, cannot be had a build for, and goes: true pip, an index of this test's own."""

import json
import os
import shutil
import subprocess
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from qwen_vl_app.install import accelerators
from tests.test_install_accelerators import SMI
from tests.test_start import environment, make_app, packages, start, with_index

__all__ = ["packages"]
pytestmark = pytest.mark.timeout(600)
TOOL = f"""#!/bin/sh
if [ "$1" ]; then echo 8.9; else cat <<'END'
{SMI.format(driver="550.54.14", cuda="12.4", name="NVIDIA GeForce RTX 4090")}
END
fi
"""
# This machine's own GPUs and compilers do not count, and its processor has the one build that works at once.
DEVICES = "\n\nCOMPILERS = ()\n\n\ndef devices(root=None):\n    return os.environ.get('FAKE_DEVICES', '')\n"
PROCESSOR = "\n\ndef detect() -> Processor:\n    return Processor('x86_64', frozenset({'avx2', 'amx_tile'}))\n"


def make_wheel(folder: Path, name: str, files: dict[str, str]) -> None:
    """A wheel of these files; `name` is NAME-VERSION."""
    folder.mkdir(parents=True)
    info = f"{name}.dist-info"
    package, version = name.split("-")
    with zipfile.ZipFile(folder / f"{name}-py3-none-any.whl", "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")


@dataclass
class Index:
    """Package indices as folders, served; which paths were asked for."""

    folder: Path
    asked: list[str] = field(default_factory=list)
    address: str = ""

    def serve(self) -> ThreadingHTTPServer:
        asked = self.asked

        class Handler(SimpleHTTPRequestHandler):
            def log_request(self, *about: Any) -> None:
                asked.append(self.path)

            def log_message(self, *about: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(self.folder)))
        self.address = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server


@pytest.fixture
def index(packages: Path, tmp_path: Path) -> Iterator[Index]:
    """The person's own index (`simple`) and that of the ready builds (`whl`)."""
    made = Index(tmp_path / "index")
    simple = made.folder / "simple"
    for name in ("tiny", "llama-cpp-python"):
        (simple / name).mkdir(parents=True)
    shutil.copy(packages / "tiny-1.0-py3-none-any.whl", simple / "tiny")
    shutil.copy(packages / "llama_cpp_python-0.3.36.tar.gz", simple / "llama-cpp-python")
    for part, file in (("cuda-runtime", "libcudart.so.12"), ("cublas", "libcublas.so.12")):
        path = f"nvidia/{part.replace('-', '_')}/lib/{file}"
        make_wheel(simple / f"nvidia-{part}-cu12", f"nvidia_{part.replace('-', '_')}_cu12-12.4", {path: ""})
    build = {"llama_cpp/__init__.py": "CUDA = True\n"}
    make_wheel(made.folder / "whl" / "cu124" / "llama-cpp-python", "llama_cpp_python-0.3.36", build)
    server = made.serve()
    yield made
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory, packages: Path) -> Path:
    """An app that was installed on a machine without a GPU."""
    app = make_app(tmp_path_factory.mktemp("home") / "app")
    for name, code in (("tools.py", DEVICES), ("cpu.py", PROCESSOR)):
        with (app / "qwen_vl_app" / "install" / name).open("a") as file:
            file.write(code)
    done = start(app, env=with_index(packages, DISPLAY=":0"))
    assert done.stderr == "", done.stderr
    return app


class Machine:
    """The installed app on a machine that gets and loses an RTX 4090."""

    def __init__(self, folder: Path, installed: Path, index: Index) -> None:
        self.app = Path(shutil.copytree(installed, folder / "app", symlinks=True))
        decisions = self.app / "qwen_vl_app" / "install" / "accelerators.py"
        decisions.write_text(decisions.read_text().replace(accelerators.WHEELS, index.address + "/whl/"))
        (folder / "bin").mkdir()
        self.tool = folder / "bin" / "nvidia-smi"
        self.env = environment(PIP_INDEX_URL=index.address + "/simple", DISPLAY=":0", PIP_RETRIES="0")
        self.env["PATH"] = str(folder / "bin") + os.pathsep + self.env["PATH"]

    def gpu(self, there: bool) -> None:
        self.env["FAKE_DEVICES"] = "550.54.14" if there else ""
        self.tool.unlink(missing_ok=True)
        if there:
            self.tool.write_text(TOOL)
            self.tool.chmod(0o755)

    def start(self, *flags: str, **more: str) -> subprocess.CompletedProcess[str]:
        return start(self.app, *flags, env={**self.env, **more})

    @property
    def stamp(self) -> dict[str, Any]:
        return dict(json.loads((self.app / ".venv" / "ready.json").read_text()))


@pytest.fixture
def machine(tmp_path: Path, installed: Path, index: Index) -> Machine:
    return Machine(tmp_path, installed, index)


def test_a_gpu_comes_and_goes(machine: Machine, index: Index) -> None:
    assert machine.stamp["accelerator"] == "cpu"
    machine.gpu(True)
    first = machine.start()
    assert "has changed" in first.stdout and "Fetching a ready build (cu124)" in first.stdout, first.stdout
    assert first.stdout.splitlines()[-1].startswith("APP") and first.stderr == ""
    assert (machine.stamp["accelerator"], machine.stamp["build"]) == ("cuda", "cu124")
    second = machine.start()
    assert second.stdout.startswith("APP") and second.stdout.count("\n") == 1

    machine.gpu(False)
    gone = machine.start()
    assert "Building" in gone.stdout and "APP" in gone.stdout
    assert (machine.stamp["accelerator"], machine.stamp["build"]) == ("cpu", "safe")


def test_a_gpu_never_ends_on_the_processor_quietly(machine: Machine, index: Index) -> None:
    shutil.rmtree(index.folder / "whl")
    machine.gpu(True)
    first = machine.start()
    assert first.returncode == 0, first.stdout + first.stderr
    assert "APP" in first.stdout and machine.stamp["accelerator"] == "cpu"
    again = machine.start(LANG="zh_CN.UTF-8")  # and at every start
    assert again.stdout.count("\n") == 1
    for result, said in ((first, "answers are computed on the PROCESSOR"), (again, "回答在处理器（CPU）上计算")):
        assert said in result.stderr and "bash start.sh --accelerator cuda" in result.stderr
    meant = machine.start("--accelerator", "cpu")
    assert meant.stderr == "" and "Building" not in meant.stdout
    assert machine.start(QWEN_VL_ACCELERATOR="cpu").stdout.count("\n") == 1
    asked = machine.start("--accelerator", "cuda")
    assert asked.returncode == 1 and "no ready build could be had" in asked.stderr
    kept = machine.start("--accelerator", "cpu")  # what worked still does
    assert kept.stdout.count("\n") == 1 and kept.stderr == ""


def test_what_is_not_there_is_refused_before_anything_is_touched(machine: Machine) -> None:
    machine.gpu(False)
    for wanted, said in (("cuda", "no such device was found"), ("gpu", "known: auto, cuda")):
        asked = machine.start("--accelerator", wanted)
        assert asked.returncode == 1 and said in asked.stderr and len(asked.stderr.splitlines()) == 1
    assert machine.stamp["accelerator"] == "cpu"
