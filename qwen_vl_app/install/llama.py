"""llama-cpp-python: built from source for this processor, proved, and built another way if the proof dies."""

import hashlib
import os
import shutil
import signal
import subprocess
from pathlib import Path

from qwen_vl_app.errors import SetupError
from qwen_vl_app.install import proof, requirements, stamp
from qwen_vl_app.install.cpu import Build, Processor, candidates
from qwen_vl_app.install.environment import Site
from qwen_vl_app.install.machine import build_jobs, check_compiler
from qwen_vl_app.install.texts import text

PACKAGE = "llama-cpp-python"
COMMON_OPTIONS = ("-DMTMD_VIDEO=OFF",)  # otherwise mtmd starts an ffmpeg from PATH
PROOF_SECONDS = 300


def install(site: Site, processor: Processor, before: stamp.Stamp | None) -> Build:
    """Leave a proved llama-cpp-python in .venv and say how it was built; a good one that is there is kept."""
    if _satisfied(site):
        site.say("proving")
        if prove(site) is None:
            return Build(before.build, before.options) if before else Build("found", ())
    check_compiler(site.environ, site.language)
    why = ""
    for build in candidates(processor):
        wheel = _wheel(site, build, processor)
        _install_wheel(site, wheel)
        site.say("proving")
        failure = prove(site)
        if failure is None:
            return build
        why = failure
        site.say("proof_died", name=build.name, why=why)
        shutil.rmtree(wheel.parent)
    raise SetupError(text("no_build_works", site.language, why=why, log=site.run.log))


def _satisfied(site: Site) -> bool:
    """Whether an installed version meets pyproject.toml; pip is the judge, without any index."""
    if not stamp.installed_engine(site.venv):
        return False
    command = [str(site.python), "-m", "pip", "install", "--no-index", "--no-deps", *requirements.listed("engine")]
    return subprocess.run(command, env=dict(site.environ), capture_output=True, check=False).returncode == 0


def cmake_args(build: Build, own: str) -> str:
    """The options for CMake; the person's own come last, so they win."""
    return " ".join([*COMMON_OPTIONS, *build.options, own]).strip()


def _wheel(site: Site, build: Build, processor: Processor) -> Path:
    """The wheel of this build; one that was finished before an interruption is used."""
    arguments = cmake_args(build, site.environ.get("CMAKE_ARGS", ""))
    key = " ".join([*requirements.listed("engine"), arguments, processor.machine, *sorted(processor.flags)])
    folder = site.build / ("wheel-" + hashlib.sha256(key.encode()).hexdigest()[:12])
    if not folder.is_dir():
        _build_wheel(site, build, arguments, folder)
    return next(folder.glob("*.whl"))


def _build_wheel(site: Site, build: Build, arguments: str, folder: Path) -> None:
    sources = _sources(site)
    part = folder.with_suffix(".part")
    title = text("building", site.language, name=build.name, jobs=build_jobs(site.environ))
    site.pip(
        "wheel",
        "-v",  # ninja's progress
        "--no-cache-dir",  # pip keeps wheels under the version alone, whatever CMAKE_ARGS were
        "--no-deps",
        f"--wheel-dir={part}",
        str(sources),
        title=title,
        otherwise="build_failed",
        cmake=arguments,
    )
    os.replace(part, folder)  # noqa: PTH105 - all or nothing


def _sources(site: Site) -> Path:
    """The source archive, fetched once for all builds of one installation."""
    folder = site.build / "sources"
    if not folder.is_dir():
        part = site.build / "sources.part"
        site.pip(
            "download",
            "--no-deps",
            f"--no-binary={PACKAGE}",
            f"--dest={part}",
            *requirements.listed("engine"),
            title=text("sources", site.language),
            otherwise="install_failed",
        )
        os.replace(part, folder)  # noqa: PTH105 - all or nothing
    return next(folder.glob("*.tar.gz"))


def _install_wheel(site: Site, wheel: Path) -> None:
    """Put this very wheel into .venv, whatever was there, and then what it depends on."""
    common = ("install", "--no-cache-dir", str(wheel))
    with site.changing():
        title = text("installing_engine", site.language)
        site.pip(*common, "--force-reinstall", "--no-deps", title=title, otherwise="install_failed")
        title = text("installing_needs", site.language)
        site.pip(*common, title=title, otherwise="install_failed")


def prove(site: Site) -> str | None:
    """Run the proof in a child process: None if it computes, else why not."""
    environ = {**site.environ, "GOMP_SPINCOUNT": "0", "OMP_WAIT_POLICY": "passive"}
    command = [str(site.python), "-m", proof.__name__]
    code = Path(proof.__file__).resolve().parents[2]
    try:
        done = subprocess.run(command, cwd=code, env=environ, capture_output=True, timeout=PROOF_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return text("proof_hangs", site.language, seconds=PROOF_SECONDS)
    output = done.stderr.decode(errors="replace")
    with site.run.log.open("a", encoding="utf-8", errors="replace") as log:
        log.write(output)
    return None if done.returncode == 0 else how_it_ended(done.returncode, output)


def how_it_ended(code: int, output: str) -> str:
    """A child's exit in words: the signal's name, or the last thing that it said."""
    if code < 0:
        try:
            return f"{signal.Signals(-code).name} ({signal.strsignal(-code)})"
        except ValueError:
            return f"signal {-code}"
    said = [line.strip() for line in output.splitlines() if line.strip()]
    return said[-1][:200] if said else f"exit code {code}"
