"""The first start as a person sees it: the true program, started by start.sh, whose engine takes long to build.

Everything is true but llama.install, which a test lets end when it wants.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import psutil
import pytest

from qwen_vl_app.install import stamp
from tests.fake_hub import FakeHub
from tests.test_background import alive, free_port, installed_copy
from tests.test_background import until as until_within
from tests.test_host import served_model

pytestmark = pytest.mark.timeout(600)  # whole programs are started: seconds each, minutes on a machine that is busy
PATIENCE = 200  # s
# Speaks as a build does until `word` lies in .build: `go`, or what the compiler says.
COMPILER = """
import pathlib, sys, time
print("[48/193] Building a.cpp", flush=True)
word = pathlib.Path(sys.argv[1], "word")
while not word.exists():
    time.sleep(0.02)
said = word.read_text()
word.unlink()
sys.exit(0 if said == "go" else said)
"""
INSTALL = f"""

def install(site, processor, found, before):
    with (site.build / "builds").open("a") as file:
        file.write("x")
    title = text("building", site.language, name="scripted", jobs=1)
    command = [str(site.python), "-c", {COMPILER!r}, str(site.build)]
    outcome = site.run(command, title, dict(site.environ))
    if outcome.code:
        raise site.failure(outcome, "build_failed")
    return Installed(Build("scripted", ()), "cpu")
"""
# The demo's files under another name, to be downloaded.
MODELS = """

MODELS["tiny"] = replace(
    MODELS["demo"], name="tiny", folder="Tiny-GGUF", repo={0.repo!r}, revision={0.revision!r}, model={0.model!r},
    mmproj={0.mmproj!r},
)
"""
UNPROVED = """
from qwen_vl_app.install import halves, stamp
venv = halves.ROOT / ".venv"
stamp.write(venv, stamp.unproved(stamp.expected(venv, halves.target("auto")), None))
"""


class Program:
    """A checkout whose page can be started and whose engine is not built yet."""

    def __init__(self, folder: Path, hub: FakeHub) -> None:
        self.folder, self.hub = folder, hub
        self.port = free_port()
        hidden = ("QWEN_VL_", "LC_", "LANG", "SSH_", "PYTHONPATH")
        kept = {key: value for key, value in os.environ.items() if not key.startswith(hidden)}
        self.environ = {**kept, "QWEN_VL_HOST": "127.0.0.1", "LANG": "C.UTF-8", "NO_PROXY": "127.0.0.1"}
        self.log = folder / "said"
        self.started: list[subprocess.Popen[bytes]] = []

    def start(self, port: str = "") -> "subprocess.Popen[bytes]":
        flags = ["--model", "tiny", "--hub", self.hub.url, "--ctx-size", "512", "--port", port or self.port]
        with self.log.open("ab") as log:
            command = ["bash", str(self.folder / "start.sh"), *flags]
            self.started.append(
                subprocess.Popen(command, env=self.environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            )
        return self.started[-1]

    def say(self, word: str) -> None:
        """Let the build end."""
        part = self.folder / ".build" / "part"
        part.write_text(word)
        part.replace(part.with_name("word"))

    @property
    def said(self) -> str:
        return self.log.read_text()

    @property
    def builds(self) -> int:
        return len((self.folder / ".build" / "builds").read_text())

    def health(self, port: str = "") -> dict[str, Any]:
        """What /health says; empty while there is no page."""
        try:
            return dict(json.loads(self.get("/health", port)[1]))
        except OSError:
            return {}

    def get(self, path: str, port: str = "", body: object = None) -> tuple[int, str]:
        data = None if body is None else json.dumps(body).encode()
        asked = Request(f"http://127.0.0.1:{port or self.port}{path}", data, {"Content-Type": "application/json"})
        try:
            with build_opener(ProxyHandler({})).open(asked, timeout=60) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def ask(self, model: str) -> tuple[int, str]:
        messages = [{"role": "user", "content": "hello"}]
        return self.get("/v1/chat/completions", body={"model": model, "max_tokens": 3, "messages": messages})

    def end(self) -> None:
        for process in self.started:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    model, files = served_model()
    folder = tmp_path / "我的 app"
    folder.mkdir()
    installed_copy(folder)
    for name, code in (("install/llama.py", INSTALL), ("catalogue.py", MODELS.format(model))):
        with (folder / "qwen_vl_app" / name).open("a") as file:
            file.write(code)
    (folder / ".build").mkdir()
    subprocess.run([folder / ".venv" / "bin" / "python", "-c", UNPROVED], cwd=folder, check=True)
    with FakeHub(files) as hub:
        made = Program(folder, hub)
        yield made
        made.end()


def until(true: Callable[[], bool]) -> None:
    until_within(true, PATIENCE)


def is_building(program: Program) -> bool:
    health = program.health()
    return bool(health.get("built")) and health["download"]["state"] == "ready"


def test_page_and_download_begin_while_the_engine_is_built(program: Program) -> None:
    process = program.start()
    until(lambda: is_building(program))
    health = program.health()
    assert (health["state"], round(health["built"], 3)) == ("installing", round(48 / 193, 3))
    assert program.get("/health")[0] == 503 and program.get("/")[0] == 200
    for model in ("default", "demo"):
        status, answer = program.ask(model)
        assert status == 503 and "installing llama.cpp, 25% built" in answer
    family = psutil.Process(process.pid).children(recursive=True)
    assert not any("qwen_vl_app.engine.worker" in " ".join(each.cmdline()) for each in family)

    program.say("go")
    until(lambda: program.health()["state"] == "ready")
    assert program.ask("default")[0] == 200 and program.ask("demo")[0] == 200
    if sys.platform == "linux":  # the page never has llama.cpp within it
        assert "libllama" not in Path(f"/proc/{process.pid}/maps").read_text()
    told = ["Open http", "Building llama-cpp-python", "Installed and proved.", "tokens each for"]
    assert [program.said.index(line) for line in told] == sorted(program.said.index(line) for line in told)

    program.end()
    program.start()
    until(lambda: program.health().get("state") == "ready")
    assert program.builds == 1 and program.said.count("Building llama-cpp-python") == 2  # begun and ended, once


def test_a_build_that_fails_leaves_the_page_up(program: Program) -> None:
    process = program.start()
    until(lambda: is_building(program))
    program.say("a.cpp:1: error: no such thing")
    until(lambda: program.health()["state"] == "failed")
    assert "engine could not be installed" in program.health()["failure"]
    assert str(program.folder) not in json.dumps(program.health())
    assert program.get("/")[0] == 200 and process.poll() is None
    until(lambda: "error: llama-cpp-python could not be built: no such thing" in program.said)
    program.end()
    assert process.returncode == 0


def test_the_end_of_the_page_ends_the_build_and_the_next_start_goes_on(program: Program) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        process = program.start()
        until(lambda: is_building(program))
        family = [process.pid, *(child.pid for child in psutil.Process(process.pid).children(recursive=True))]
        assert len(family) > 2  # the installation and its compiler
        process.send_signal(number)
        process.wait(30)
        until(lambda family=family: not any(map(alive, family)))  # type: ignore[misc]
    assert "Traceback" not in program.said

    program.start()
    program.say("go")
    until(lambda: program.health().get("state") == "ready")


def test_of_two_starts_at_once_one_builds(program: Program) -> None:
    other = free_port()
    program.start()
    until(lambda: is_building(program))
    program.start(other)
    until(lambda: "is installing; waiting for it" in program.said)
    program.say("go")
    until(lambda: program.health().get("state") == program.health(other).get("state") == "ready")
    assert program.builds == 1


def test_the_note_between_the_halves_keeps_what_is_known_of_an_earlier_build(tmp_path: Path) -> None:
    before = stamp.Stamp("3.11.7", "old", "b", "c", "d", "cu124", ("-DX=1",), accelerator="cuda")
    wanted = stamp.Stamp("3.12.1", "new", "b", "c", "d")
    noted = stamp.unproved(wanted, before)
    assert noted.same_packages(wanted) and not noted.same_proof(wanted)
    assert (noted.build, noted.options, noted.accelerator) == ("cu124", ("-DX=1",), "cuda")
    stamp.write(tmp_path, noted)
    stamp.withdraw(tmp_path)
    assert stamp.read(tmp_path) == stamp.Stamp("3.12.1", "new", "b", "c", "", "found", accelerator="cuda")
    shutil.rmtree(tmp_path)
    stamp.withdraw(tmp_path)  # nothing was noted
