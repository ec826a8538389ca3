"""The READMEs: tables as the code makes them, and every command in them run."""

import configparser
import importlib.util
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from qwen_vl_app import settings
from qwen_vl_app.install.background import STOP_SECONDS
from qwen_vl_app.install.background_texts import OWN_FLAGS
from tests.conftest import ROOT

READMES = ["README.md", "README.zh-CN.md"]
STARTS = ("bash start.sh", "bash tests/run.sh")


def blocks(readme: str, language: str) -> list[str]:
    text = (ROOT / readme).read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.mark.parametrize("readme", READMES)
def test_tables_are_as_the_code_makes_them(readme: str) -> None:
    spec = importlib.util.spec_from_file_location("tables", ROOT / "tools" / "tables.py")
    assert spec and spec.loader
    tables = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tables)
    text = (ROOT / readme).read_text(encoding="utf-8")
    assert tables.filled(text, "zh" if "zh" in readme else "en") == text, "run python tools/tables.py"


def test_both_languages_show_the_same_commands() -> None:
    def bare(block: str) -> str:
        return re.sub(r'"[^"]*[\u4e00-\u9fff][^"]*"|"(Describe|How) [^"]*"|(?<=--prompt )"[^"]*"', "WORDS", block)

    for language in ("bash", "python"):
        english, chinese = (blocks(readme, language) for readme in READMES)
        assert len(english) == len(chinese) > 0
        for one, other in zip(english, chinese, strict=True):
            assert re.sub(r"WORDS|\\\"[^\"]*\\\"", "", bare(one)) == re.sub(r"WORDS|\\\"[^\"]*\\\"", "", bare(other))


def test_links_and_pictures_are_there() -> None:
    for page in [ROOT / "README.md", ROOT / "README.zh-CN.md", ROOT / "AGENTS.md", *(ROOT / "docs").glob("*.md")]:
        for link in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert "://" in link or (page.parent / link).exists(), f"{page.name}: {link}"


def test_the_systemd_unit_starts_what_is_there_and_waits_for_its_end() -> None:
    unit = configparser.ConfigParser(interpolation=None)
    unit.read_string((ROOT / "docs/qwen-vl.service").read_text(encoding="utf-8"))
    service = unit["Service"]
    assert (ROOT / service["ExecStart"].split()[-1]).exists()
    assert service.getfloat("TimeoutStopSec") > STOP_SECONDS
    known = {settings.variable(option) for option in settings.options()}
    assert known >= {word.split("=")[0] for word in service["Environment"].split() if word.startswith(settings.PREFIX)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the picture that the examples use."""
    folder = tmp_path_factory.mktemp("readme")
    shutil.copy(next((ROOT / "models/demo/examples").glob("*.png")), folder / "picture.png")
    return folder


@pytest.fixture(scope="module")
def port(folder: Path) -> Iterator[int]:
    """The port of the program as the README's first command starts it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    environ = {**os.environ, "QWEN_VL_PORT": str(port), "QWEN_VL_HOST": "127.0.0.1"}
    first = blocks("README.md", "bash")[0].split()
    command = first if (ROOT / ".venv/ready.json").exists() else [sys.executable, "app.py", *first[2:]]
    process = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.DEVNULL)
    wait_until_ready(port, process)
    yield port
    process.send_signal(signal.SIGTERM)
    assert process.wait(15) in (0, 130, -signal.SIGTERM)


def wait_until_ready(port: int, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(300):
        assert process.poll() is None
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health") as answer:
                assert json.load(answer)["state"] == "ready"
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError("the server did not get ready")


@pytest.mark.parametrize("readme", READMES)
def test_python_examples_print_an_answer(readme: str, folder: Path, port: int) -> None:
    for code in blocks(readme, "python"):
        done = run([sys.executable, "-c", code.replace("7860", str(port))], folder)
        assert len(done.strip()) > 5


@pytest.mark.parametrize("readme", READMES)
def test_shell_examples_print_an_answer(readme: str, folder: Path, port: int) -> None:
    for block in blocks(readme, "bash"):
        if block.startswith(STARTS):
            continue
        block = block.replace("7860", str(port)).replace(".venv/bin/python app.py", f"{sys.executable} {ROOT}/app.py")
        done = run(["bash", "-c", "set -e\n" + block.replace("models/demo", f"{ROOT}/models/demo")], folder)
        assert len(done.strip()) > 5
        assert '"error"' not in done


def test_flags_of_the_start_commands_exist() -> None:
    known = run([sys.executable, "app.py", "serve", "--help"], ROOT) + OWN_FLAGS[0]
    for readme in READMES:
        for block in blocks(readme, "bash"):
            for flag in re.findall(r"--[a-z-]+", block) if block.startswith("bash start.sh") else ():
                assert flag in known, flag


def run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    return done.stdout
