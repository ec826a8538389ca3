"""One installation: its folders, its language, and the commands run in it."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from qwen_vl_app.errors import Language
from qwen_vl_app.install import requirements, stamp
from qwen_vl_app.install.failures import explain
from qwen_vl_app.install.machine import build_jobs, venv_command
from qwen_vl_app.install.runner import Outcome, Runner
from qwen_vl_app.install.texts import InstallError, text

STALL_SECONDS = 600.0


@dataclass(frozen=True)
class Site:
    """Where the app is installed, and how to run pip there.

    `.build` keeps what outlives an interruption: the log, the sources, a wheel that is not proved yet, and the
    note `unfinished`, there while .venv is being changed and so not to be trusted after a kill.
    """

    root: Path
    environ: Mapping[str, str]
    language: Language
    run: Runner

    @property
    def venv(self) -> Path:
        return self.root / ".venv"

    @property
    def python(self) -> Path:
        return self.venv / "bin" / "python"

    @property
    def build(self) -> Path:
        return self.root / ".build"

    @property
    def unfinished(self) -> Path:
        return self.build / "unfinished"

    def say(self, key: str, **details: object) -> None:
        """Print one of the installation's lines."""
        print(text(key, self.language, **details), flush=True)

    def failure(self, outcome: Outcome, otherwise: str) -> InstallError:
        """The error for a command that failed."""
        return explain(outcome, otherwise, self.run.stall_seconds, self.run.log, self.language)

    def pip(self, *arguments: str, title: str, otherwise: str, cmake: str = "") -> None:
        """Run pip in .venv, with the person's own settings; raise if it fails.

        Always `python -m pip`: the pip script breaks when the folder's path has spaces or is moved.
        """
        command = [str(self.python), "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments]
        outcome = self.run(command, title, {**quiet_environ(self.environ), **({"CMAKE_ARGS": cmake} if cmake else {})})
        if outcome.code != 0 or outcome.stalled:
            raise self.failure(outcome, otherwise)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Note that .venv is being changed until the block has ended well."""
        self.unfinished.touch()
        yield
        self.settle()

    def settle(self) -> None:
        """Note that .venv can be trusted."""
        self.unfinished.unlink(missing_ok=True)


def quiet_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for pip: messages in English, because they are searched for causes."""
    kept = {key: value for key, value in environ.items() if key not in ("LC_ALL", "LANGUAGE", "PYTHONHOME", "PIP_USER")}
    locale = environ.get("LC_ALL") or environ.get("LC_CTYPE") or environ.get("LANG") or "C.UTF-8"
    jobs = str(build_jobs(environ))
    return {
        **kept,
        "LC_CTYPE": locale,
        "LC_MESSAGES": "C",
        "PYTHONUNBUFFERED": "1",
        "PIP_USER": "0",
        "CMAKE_BUILD_PARALLEL_LEVEL": jobs,
    }


def make_environment(site: Site) -> None:
    """A .venv of this Python with a working pip; what an interrupted start left is made anew."""
    if site.unfinished.exists():
        site.say("repairing")
    elif usable(site.python):
        return
    _require_venv(site)
    with site.changing():
        (site.venv / stamp.NAME).unlink(missing_ok=True)
        command = [sys.executable, "-m", "venv", "--clear", str(site.venv)]
        outcome = site.run(command, text("environment", site.language), quiet_environ(site.environ))
        if outcome.code != 0:
            raise site.failure(outcome, "venv_failed")


def _require_venv(site: Site) -> None:
    probe = subprocess.run([sys.executable, "-c", "import venv, ensurepip"], capture_output=True, check=False)
    if probe.returncode != 0:
        raise InstallError("no_venv", site.language, python=sys.executable, command=venv_command())


def usable(python: Path) -> bool:
    """Whether this environment is of the running Python's version and has pip."""
    probe = "import json, sys, pip; print(json.dumps(sys.version_info[:3]))"
    try:
        done = subprocess.run([str(python), "-c", probe], capture_output=True, text=True, timeout=60, check=False)
        return done.returncode == 0 and json.loads(done.stdout) == list(sys.version_info[:3])
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return False


def install_packages(site: Site) -> None:
    """The light dependencies, from the person's own package index."""
    with site.changing():
        site.pip(
            "install",
            *requirements.listed("dependencies"),
            title=text("packages", site.language),
            otherwise="install_failed",
        )


def clean(site: Site) -> None:
    """After a proved installation only the log and the lock stay in .build."""
    for entry in site.build.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)
