"""start.sh on machines that lack something: the whole of it, with a llama-cpp-python that is built in no time."""

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(600)  # environments are made: seconds each, minutes on a machine that is busy
ROOT = Path(__file__).resolve().parent.parent
BASE_PYTHON = Path(sys._base_executable)  # type: ignore[attr-defined]
TOOLS = ("bash", "dirname", "uname", "sh", "env")
FLAGS = "frozenset({'sse4_2', 'avx', 'avx2', 'fma', 'f16c', 'bmi2'})"
# Says "UP" where the engine is still to be installed, has that done, and then how it was started.
APP = """
import asyncio, os, sys
from qwen_vl_app.errors import SetupError
from qwen_vl_app.install import address, meanwhile, start
async def engine():
    wanted = address.given("accelerator", sys.argv[1:]) or os.environ.get(start.ACCELERATOR_VARIABLE) or "auto"
    installation = meanwhile.pending(os.environ, wanted)
    if installation:
        print("UP", flush=True)
        await installation.done()
try:
    asyncio.run(engine())
except SetupError as error:
    sys.exit(error.text("en"))
print('APP', os.environ.get('QWEN_VL_HOST'), os.getcwd(), sys.argv[1:])
"""
PROOF = """
import os, sys
from pathlib import Path
MODEL = Path(__file__)
GPU_FLAG = "--gpu"
if __name__ == "__main__":
    import llama_cpp
    if GPU_FLAG in sys.argv and not (hasattr(llama_cpp, "CUDA") and "cublas" in os.environ["LD_LIBRARY_PATH"]):
        sys.exit("proof: this build finds no GPU")
"""
# A build backend without requirements: its llama_cpp dies as a native build does where AMX is denied.
BACKEND = """
import os, pathlib, time, zipfile
FILES = {
    "llama_cpp/__init__.py": "import os\\nARGS = %r\\nif 'GGML_NATIVE=OFF' not in ARGS: os.kill(os.getpid(), 4)\\n",
    "llama_cpp_python-0.3.36.dist-info/METADATA": "Metadata-Version: 2.1\\nName: llama_cpp_python\\nVersion: 0.3.36\\n",
    "llama_cpp_python-0.3.36.dist-info/WHEEL":
        "Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    "llama_cpp_python-0.3.36.dist-info/RECORD": "",
}
def prepare_metadata_for_build_wheel(directory, config_settings=None):
    for path, text in list(FILES.items())[1:]:
        target = pathlib.Path(directory, path)
        target.parent.mkdir(exist_ok=True)
        target.write_text(text)
    return "llama_cpp_python-0.3.36.dist-info"
def build_wheel(directory, config_settings=None, metadata_directory=None):
    time.sleep(float(os.environ.get("FAKE_SECONDS", "0")))
    name = "llama_cpp_python-0.3.36-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(directory, name), "w") as wheel:
        for path, text in FILES.items():
            wheel.writestr(path, text % os.environ["CMAKE_ARGS"] if "%r" in text else text)
    return name
"""
PYPROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that stands for the package index: one small dependency and the fast llama-cpp-python."""
    folder = tmp_path_factory.mktemp("index")
    sources = folder / "llama_cpp_python-0.3.36"
    sources.mkdir()
    (sources / "backend.py").write_text(BACKEND)
    (sources / "pyproject.toml").write_text(PYPROJECT)
    (sources / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: llama_cpp_python\nVersion: 0.3.36\n")
    with tarfile.open(folder / "llama_cpp_python-0.3.36.tar.gz", "w:gz") as archive:
        archive.add(sources, sources.name)
    with zipfile.ZipFile(folder / "tiny-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny.py", "")
        wheel.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        wheel.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("tiny-1.0.dist-info/RECORD", "")
    return folder


def make_app(folder: Path) -> Path:
    """A copy of what start.sh needs, with an app that has no page."""
    package = folder / "qwen_vl_app"
    package.mkdir(parents=True)
    for name in ("__init__.py", "errors.py", "settings.py"):
        shutil.copy(ROOT / "qwen_vl_app" / name, package)
    shutil.copytree(ROOT / "qwen_vl_app" / "install", package / "install", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "start.sh", folder)
    (folder / "app.py").write_text(APP)
    (package / "install" / "proof.py").write_text(PROOF)
    with (package / "install" / "cpu.py").open("a") as cpu:  # every machine that runs this test is this one
        cpu.write(f"\n\ndef detect() -> Processor:\n    return Processor('x86_64', {FLAGS})\n")
    (folder / "pyproject.toml").write_text(
        'dependencies = [\n    "tiny>=1",\n]\nengine = ["llama-cpp-python>=0.3.36,<0.4"]\n'
    )
    return folder


def test_the_image_copies_what_the_install_step_needs(tmp_path: Path) -> None:
    """No Docker engine here: at least its first COPY lines are the files that these tests install from."""
    before_install = (ROOT / "Dockerfile").read_text().split("--install-only")[0]
    words = [word for line in before_install.splitlines() if line.startswith("COPY") for word in line.split()[2:-1]]
    copied = {ROOT / word for word in words} | {file for word in words for file in (ROOT / word).rglob("*.*")}
    needed = {path.relative_to(tmp_path / "app") for path in make_app(tmp_path / "app").rglob("*.*")}
    assert all((ROOT / word).exists() for word in words)
    assert needed <= {file.relative_to(ROOT) for file in copied}


def require(app: Path, requirement: str) -> None:
    pyproject = app / "pyproject.toml"
    pyproject.write_text(pyproject.read_text().replace("tiny>=1", requirement))


def environment(**more: str) -> dict[str, str]:
    """A person's environment without pip settings, a desktop or a session of ssh."""
    hidden = ("PIP_", "LC_", "LANG", "DISPLAY", "WAYLAND", "SSH_", "QWEN_VL_", "CMAKE_", "PYTHON", "CC", "CXX")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(hidden)}
    return {**kept, "PIP_CONFIG_FILE": os.devnull, "QWEN_VL_PYTHON": sys.executable, **more}


def with_index(packages: Path, **more: str) -> dict[str, str]:
    return environment(PIP_NO_INDEX="1", PIP_FIND_LINKS=str(packages), **more)


def start(app: Path, *flags: str, env: Mapping[str, str], cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = ["bash", str(app / "start.sh"), *flags]
    return subprocess.run(command, env=dict(env), cwd=cwd, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory, packages: Path) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A first start, in a folder with a space and Chinese letters, on a machine where the native build dies."""
    app = make_app(tmp_path_factory.mktemp("home") / "我的 app")
    return app, start(app, "--model", "a b", env=with_index(packages), cwd=app.parent)


@pytest.fixture
def installed(first: tuple[Path, object], tmp_path: Path) -> Path:
    """An installed app of this test's own: moved to another folder, which must not matter."""
    return Path(shutil.copytree(first[0], tmp_path / "moved 到这里", symlinks=True))


def fake_bin(folder: Path, **programs: str) -> str:
    """A PATH that has the tools of start.sh and these programs: a shell script each, or a link to a file."""
    folder.mkdir()
    for tool in TOOLS:
        (folder / tool).symlink_to(shutil.which(tool) or tool)
    for name, content in programs.items():
        path = folder / name.replace("_", ".")
        if content.startswith("/"):
            path.symlink_to(content)
        else:
            path.write_text("#!/bin/sh\n" + content + "\n")
            path.chmod(0o755)
    return str(folder)


def refused(result: subprocess.CompletedProcess[str], *parts: str) -> None:
    """Exit status 1, one last line with these parts, no traceback."""
    assert result.returncode == 1, result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1, result.stderr
    for part in parts:
        assert part in result.stderr


@pytest.mark.parametrize("script", ["start.sh", "tests/run.sh", ".ci/run"])
def test_scripts_parse_and_use_nothing_newer_than_bash_3(script: str) -> None:
    assert subprocess.run(["bash", "-n", str(ROOT / script)], check=False).returncode == 0
    text = (ROOT / script).read_text()
    for newer in ("mapfile", "readarray", "declare -A", "local -n", "${!", "^^", ",,", "&>>", "|&", "coproc"):
        assert newer not in text


def test_no_python_is_one_line(tmp_path: Path) -> None:
    app = make_app(tmp_path / "app")
    env = environment(PATH=fake_bin(tmp_path / "bin"))
    del env["QWEN_VL_PYTHON"]
    refused(start(app, env=env), "No Python 3.10", "start again")
    refused(start(app, env={**env, "LANG": "zh_CN.UTF-8"}), "没有找到 Python 3.10")


def test_old_python_and_a_dead_shim_are_passed_over(tmp_path: Path) -> None:
    app = make_app(tmp_path / "app")
    dead, old = "echo 'pyenv: python3.13: command not found' >&2; exit 127", "exit 1"
    env = environment(PATH=fake_bin(tmp_path / "old", python3_13=dead, python3=old))
    del env["QWEN_VL_PYTHON"]
    refused(start(app, env=env), "No Python 3.10")
    env["PATH"] = fake_bin(tmp_path / "good", python3_13=dead, python3=str(BASE_PYTHON))
    refused(start(app, env=env), "compiler")  # it went on to the next thing that is missing


def test_a_wrong_chosen_python_is_named(tmp_path: Path) -> None:
    refused(start(make_app(tmp_path / "app"), env=environment(QWEN_VL_PYTHON="/nowhere/py")), "/nowhere/py", "unset")


def test_no_compiler_is_one_line(tmp_path: Path) -> None:
    app = make_app(tmp_path / "app")
    refused(start(app, env=environment(PATH=fake_bin(tmp_path / "bin"))), "compiler", "start again")
    broken = fake_bin(tmp_path / "stub", cc="exit 1", **{"c++": "exit 1"})
    refused(start(app, env=environment(PATH=broken, LANG="zh_CN.UTF-8")), "编译器")
    assert not (app / ".venv").exists()


def test_no_venv_module_is_one_line(tmp_path: Path) -> None:
    app = make_app(tmp_path / "app")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "ensurepip.py").write_text("raise ImportError\n")
    refused(start(app, env=environment(PYTHONPATH=str(tmp_path / "broken"))), "venv module", "venv'")


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes connections and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(8)
        yield int(server.getsockname()[1])


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_unreachable_index_is_one_line(installed: Path, closed_port: int, silent_port: int) -> None:
    require(installed, "tiny>=2")
    for port in (closed_port, silent_port):
        own = {"PIP_INDEX_URL": f"http://127.0.0.1:{port}/simple", "PIP_RETRIES": "1", "PIP_DEFAULT_TIMEOUT": "1"}
        refused(start(installed, env=environment(**own)), "index could not be reached", "mirror", "install.log")


def test_first_start_survives_a_build_that_dies(first: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    app, result = first
    assert result.returncode == 0, result.stdout + result.stderr
    assert "The native build failed its proof: SIGILL" in result.stdout
    assert f"APP 0.0.0.0 {app.parent} ['--model', 'a b']" in result.stdout
    stamp = (app / ".venv" / "ready.json").read_text()
    assert '"build": "safe"' in stamp
    assert "-DGGML_AVX2=ON" in stamp
    assert "-DGGML_AVX512=OFF" in stamp
    assert sorted(path.name for path in (app / ".build").iterdir()) == ["install.log", "lock"]


def test_the_page_comes_between_the_packages_and_the_engine(
    first: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    said = first[1].stdout
    order = ["Installing the packages", "nobody is asked", "UP", "Building", "Proving", "Installed and proved", "APP"]
    assert [said.index(line) for line in order] == sorted(said.index(line) for line in order)


def test_open_address_is_said_with_its_way_back(first: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    lines = first[1].stdout.splitlines()
    (told,) = (line for line in lines if "nobody is asked for a password" in line)
    assert "--host 127.0.0.1" in told
    assert "--auth user:password" in told
    assert any("http://" in line and ":7860" in line for line in lines)


def test_second_start_skips_everything(installed: Path) -> None:
    env = environment(PIP_INDEX_URL="http://127.0.0.1:1/", PATH=os.environ["PATH"], DISPLAY=":0")
    del env["QWEN_VL_PYTHON"]
    began = time.monotonic()
    result = start(installed, "--port", "1234", env=env)
    assert time.monotonic() - began < 5
    assert result.stdout.startswith("APP None")
    assert result.stdout.count("\n") == 1


def test_changed_requirements_are_installed_without_a_new_build(installed: Path, packages: Path) -> None:
    require(installed, "tiny>=0.5")
    result = start(installed, env=with_index(packages))
    assert "has changed" in result.stdout
    assert "Building" not in result.stdout
    assert "APP" in result.stdout


def test_another_processor_asks_for_a_new_proof_only(installed: Path, packages: Path) -> None:
    with (installed / "qwen_vl_app" / "install" / "cpu.py").open("a") as cpu:
        cpu.write("\n\ndef detect() -> Processor:\n    return Processor('x86_64', frozenset({'avx'}))\n")
    result = start(installed, env=with_index(packages))
    assert "Proving" in result.stdout
    assert "Building" not in result.stdout
    assert "APP" in result.stdout


def test_a_start_cut_short_is_repaired(installed: Path, packages: Path) -> None:
    (installed / ".build" / "unfinished").touch()
    result = start(installed, env=with_index(packages))
    assert "cut short" in result.stdout
    assert "APP" in result.stdout
    assert not (installed / ".build" / "unfinished").exists()


def test_a_broken_environment_is_made_again(installed: Path, packages: Path) -> None:
    (installed / ".venv" / "bin" / "python").unlink()
    result = start(installed, env=with_index(packages))
    assert result.returncode == 0, result.stdout + result.stderr
    assert "APP" in result.stdout


def test_ctrl_c_leaves_no_process_and_the_next_start_goes_on(installed: Path, packages: Path) -> None:
    for path in installed.glob(".venv/lib/python*/site-packages/llama_cpp*"):
        shutil.rmtree(path)
    env = with_index(packages, FAKE_SECONDS="61.25")
    command = ["bash", str(installed / "start.sh"), "--install-only"]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "Building" in line:
                break
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Interrupted" in errors
    result = start(installed, env=with_index(packages))
    assert "Fetching" not in result.stdout  # the sources were kept
    assert "APP" in result.stdout


@pytest.fixture
def held_lock(installed: Path) -> Iterator[Path]:
    with (installed / ".build" / "lock").open("w") as file:
        file.write("4242")
        file.flush()
        fcntl.flock(file, fcntl.LOCK_EX)
        yield installed


def test_a_second_start_waits_and_says_for_whom(held_lock: Path, packages: Path) -> None:
    env = with_index(packages, LANG="zh_CN.UTF-8")  # another Python than .venv's asks for the lock
    with subprocess.Popen(["bash", str(held_lock / "start.sh")], env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "4242" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 130
