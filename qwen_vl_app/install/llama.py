"""llama-cpp-python: the builds that may serve this machine, one after the other until one is proved."""

import hashlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from qwen_vl_app.install import cpu, libraries, proof, requirements, stamp
from qwen_vl_app.install.accelerators import Candidate, Detection, Unusable
from qwen_vl_app.install.cpu import Build, Processor
from qwen_vl_app.install.environment import Site
from qwen_vl_app.install.failures import NoNetwork
from qwen_vl_app.install.machine import build_jobs, check_compiler
from qwen_vl_app.install.texts import InstallError, text
from qwen_vl_app.settings import Accelerator

PACKAGE = "llama-cpp-python"
COMMON_OPTIONS = ("-DMTMD_VIDEO=OFF",)  # otherwise mtmd starts an ffmpeg from PATH
PROOF_SECONDS = 300
# An index of ready builds that does not answer is given up soon: there is another way.
IMPATIENT = ("--timeout=8", "--retries=1")


@dataclass(frozen=True)
class Installed:
    """The build that was proved, what it computes on, and what lies idle beside it."""

    build: Build
    accelerator: Accelerator
    idle: tuple[Unusable, ...] = ()


def install(site: Site, processor: Processor, found: Detection, before: stamp.Stamp | None) -> Installed:
    """Leave a proved llama-cpp-python in .venv and say what it is; a good one that is there is kept.

    Raises:
        SetupError: no build works; the message says why the last one did not.
    """
    best = found.candidates[0].accelerator
    if _satisfied(site) and (best != "cpu" or before is None or before.accelerator == "cpu"):
        site.say("proving")
        if prove(site, best) is None:
            build = Build(before.build, before.options) if before else Build("found", ())
            return Installed(build, best, found.unusable if best == "cpu" else ())
    return _first_that_works(site, processor, found)


def _first_that_works(site: Site, processor: Processor, found: Detection) -> Installed:
    tried = wanted_ones(found.candidates, site.environ.get("CMAKE_ARGS", ""))
    left_out = {each.accelerator for each in found.candidates} - {each.accelerator for each in tried}
    idle = [*found.unusable, *(Unusable(each, "own_options") for each in sorted(left_out))]
    no_network = False
    for candidate in tried:
        if no_network and candidate.kind == "wheel":
            continue
        try:
            build = _put(site, candidate, processor)
        except InstallError as error:
            if candidate == tried[-1]:
                raise
            no_network = no_network or isinstance(error, NoNetwork)
            site.say("next_build", name=candidate.name, why=error)
            idle = [each for each in idle if each.accelerator != candidate.accelerator]
            idle.append(Unusable(candidate.accelerator, "all_failed", {"why": str(error)}))
        else:
            return _idle_too(site, Installed(build, candidate.accelerator), idle)
    raise AssertionError("the last candidate is a source build")


def wanted_ones(candidates: tuple[Candidate, ...], own_options: str) -> tuple[Candidate, ...]:
    """The candidates for a person with CMAKE_ARGS of their own: only a build from source follows those."""
    sources = tuple(candidate for candidate in candidates if candidate.kind == "source")
    return sources if own_options and sources else candidates


def _idle_too(site: Site, installed: Installed, idle: list[Unusable]) -> Installed:
    """A build for the processor lets the GPUs lie idle, unless the person's own CMAKE_ARGS made it use one."""
    if installed.accelerator != "cpu" or not idle:
        return installed
    if prove(site, idle[0].accelerator) is None:
        return replace(installed, accelerator=idle[0].accelerator)
    return replace(installed, idle=tuple(idle))


def _put(site: Site, candidate: Candidate, processor: Processor) -> Build:
    """Install the candidate and prove it; a source build is made another way if its proof dies.

    Raises:
        SetupError: it cannot be had or built, or no way of it works.
    """
    if candidate.kind == "source":
        check_compiler(site.environ, site.language)
    why = ""
    for build in ways(candidate, processor):
        wheel = _wheel(site, candidate, build, processor)
        _install_wheel(site, wheel, candidate.packages)
        site.say("proving")
        failure = prove(site, candidate.accelerator)
        if failure is None:
            return build
        why = failure
        site.say("proof_died", name=build.name, why=why)
        shutil.rmtree(wheel.parent)
    raise InstallError("no_build_works", site.language, why=why, log=site.run.log)


def ways(candidate: Candidate, processor: Processor) -> Iterator[Build]:
    """How to come to the candidate's build: a ready one in one way, from source by the processor's options."""
    if candidate.kind == "wheel":
        yield Build(candidate.name, ())
        return
    for build in cpu.candidates(processor):
        name = build.name if candidate.accelerator == "cpu" else f"{candidate.name}, {build.name}"
        yield Build(name, (*candidate.options.split(), *build.options))


def _satisfied(site: Site) -> bool:
    """Whether an installed version meets pyproject.toml; pip is the judge, without any index."""
    if not stamp.installed_engine(site.venv):
        return False
    command = [str(site.python), "-m", "pip", "install", "--no-index", "--no-deps", *requirements.listed("engine")]
    return subprocess.run(command, env=dict(site.environ), capture_output=True, check=False).returncode == 0


def cmake_args(build: Build, own: str) -> str:
    """The options for CMake; the person's own come last, so they win."""
    return " ".join([*COMMON_OPTIONS, *build.options, own]).strip()


def _wheel(site: Site, candidate: Candidate, build: Build, processor: Processor) -> Path:
    """The wheel of this build; one that was finished before an interruption is used."""
    arguments = cmake_args(build, site.environ.get("CMAKE_ARGS", ""))
    made_of = [*requirements.listed("engine"), candidate.index, arguments, processor.machine, *sorted(processor.flags)]
    folder = site.build / ("wheel-" + hashlib.sha256(" ".join(made_of).encode()).hexdigest()[:12])
    if not folder.is_dir():
        if candidate.kind == "wheel":
            _fetch_wheel(site, candidate, folder)
        else:
            _build_wheel(site, build, arguments, folder)
    return next(folder.glob("*.whl"))


def _fetch_wheel(site: Site, candidate: Candidate, folder: Path) -> None:
    part = folder.with_suffix(".part")
    try:
        site.pip(
            "download",
            "--no-deps",
            "--only-binary=:all:",
            "--no-cache-dir",  # the same version is another file in every index
            f"--index-url={candidate.index}",
            *IMPATIENT,
            f"--dest={part}",
            *requirements.listed("engine"),
            title=text("fetching_wheel", site.language, name=candidate.name),
            otherwise="install_failed",
        )
    except InstallError as error:  # its advice, another mirror, is for the person's own index
        raise type(error)("no_wheel", site.language, index=candidate.index, log=site.run.log) from error
    os.replace(part, folder)  # noqa: PTH105 - all or nothing


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


def _install_wheel(site: Site, wheel: Path, packages: tuple[str, ...]) -> None:
    """Put this very wheel into .venv, whatever was there, and then what it depends on, those `packages` too."""
    common = ("install", "--no-cache-dir", str(wheel))
    with site.changing():
        stamp.withdraw(site.venv)  # what it says was proved is no longer there
        title = text("installing_engine", site.language)
        site.pip(*common, "--force-reinstall", "--no-deps", title=title, otherwise="install_failed")
        title = text("installing_needs", site.language)
        site.pip(*common, *packages, title=title, otherwise="install_failed")


def prove(site: Site, accelerator: Accelerator = "cpu") -> str | None:
    """Run the proof in a child process: None if it computes, on a GPU too if it is for one; else why not."""
    linked = libraries.for_children(site.environ, site.venv)
    environ = {**site.environ, **linked, "GOMP_SPINCOUNT": "0", "OMP_WAIT_POLICY": "passive"}
    command = [str(site.python), "-m", proof.__name__, *([proof.GPU_FLAG] if accelerator != "cpu" else [])]
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
