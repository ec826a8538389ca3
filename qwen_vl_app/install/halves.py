"""The installation's two halves: what the page needs, and the engine, which is built while the page is up.

Both change .venv, so each holds the lock; the note in .venv says which of them are done.
"""

import fcntl
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType

from qwen_vl_app.install import cpu, llama, stamp, tools
from qwen_vl_app.install.accelerators import Detection, detect
from qwen_vl_app.install.environment import STALL_SECONDS, Site, clean, install_packages, make_environment
from qwen_vl_app.install.machine import CUDA_BYTES, check_compiler, check_space, choose_scratch
from qwen_vl_app.install.runner import Runner
from qwen_vl_app.install.texts import language, text

ROOT = Path(__file__).resolve().parents[2]
RED = "\x1b[31m{}\x1b[0m"
Report = Callable[[float | None], None]  # the share of the build that is done, None where it is not known


def target(wanted: str) -> stamp.Target:
    """What this machine, with this --accelerator, needs an installation for."""
    return stamp.Target(cpu.detect(), tools.devices(), wanted)


def holds(venv: Path, target: stamp.Target) -> bool:
    """Whether an earlier installation was finished, and for this machine, this Python, these requirements."""
    found = stamp.read(venv)
    if found is None or (ROOT / ".build" / "unfinished").exists():
        return False
    wanted = stamp.expected(venv, target)
    return found.same_packages(wanted) and found.same_proof(wanted)


def packages(environ: Mapping[str, str], target: stamp.Target, lock: int) -> None:
    """Make .venv and install what the page needs; what is there is kept.

    Raises:
        SetupError: it cannot be done, or the engine could not be installed afterwards.
    """
    before = stamp.read(ROOT / ".venv")
    with _site(environ, lock) as site:
        found = _detected(site, target)
        print(text("changed" if before else "installing", site.language), flush=True)
        check_space(ROOT, site.run.scratch, site.language, CUDA_BYTES if found.candidates[0].packages else 0)
        if found.candidates[0].kind == "source" and not stamp.installed_engine(site.venv):
            check_compiler(site.environ, site.language)  # before minutes of downloads
        make_environment(site)
        wanted = stamp.expected(site.venv, target)
        if before is None or not before.same_packages(wanted) or not stamp.read(site.venv):
            install_packages(site)
            stamp.write(site.venv, stamp.unproved(wanted, before))


def engine(environ: Mapping[str, str], target: stamp.Target, lock: int, report: Report = lambda share: None) -> None:
    """Install llama-cpp-python into the .venv that is there, and prove it.

    Raises:
        SetupError: no build works; the message says why.
    """
    with _site(environ, lock, report) as site:
        done = llama.install(site, target.processor, _detected(site, target), stamp.read(site.venv))
        stamp.write(site.venv, _finished(stamp.expected(site.venv, target), done))
        site.settle()
        clean(site)
        site.say("ready")


def warn(environ: Mapping[str, str]) -> None:
    """At every start, in red: what lies idle while the processor computes."""
    found = stamp.read(ROOT / ".venv")
    chosen = language(environ)
    for name, english, chinese in found.idle if found else ():
        line = text("idle", chosen, name=name, why=chinese if chosen == "zh" else english)
        print(RED.format(line) if sys.stderr.isatty() else line, file=sys.stderr, flush=True)


def _detected(site: Site, target: stamp.Target) -> Detection:
    return detect(tools.read(site.environ), target.wanted, site.language)


@contextmanager
def _site(environ: Mapping[str, str], lock: int, report: Report = lambda share: None) -> Iterator[Site]:
    """The place of the installation, with a new log and a scratch folder that goes with it."""
    build, scratch = ROOT / ".build", choose_scratch(ROOT / ".build" / "scratch")
    try:
        log = build / "install.log"
        log.write_text("", encoding="utf-8")
        run = Runner(log, scratch, STALL_SECONDS, keep_open=[lock], report=report)
        yield Site(ROOT, {**environ, "PATH": tools.search_path(environ)}, language(environ), run)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _finished(expected: stamp.Stamp, done: llama.Installed) -> stamp.Stamp:
    built = {"build": done.build.name, "options": done.build.options}
    idle = tuple((each.accelerator, each.why("en"), each.why("zh")) for each in done.idle)
    return replace(expected, **built, accelerator=done.accelerator, idle=idle)  # type: ignore[arg-type]


@contextmanager
def locked(environ: Mapping[str, str]) -> Iterator[int]:
    """One installation at a time. The kernel drops the lock when its holder and its pip have ended, however."""
    folder = ROOT / ".build"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            print(text("waiting", language(environ), pid=file.read().strip() or "?"), flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield file.fileno()


@contextmanager
def interruptible() -> Iterator[None]:
    """A closed terminal and a service manager's stop clean up as Ctrl-C does."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    heard = (number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) != signal.SIG_IGN)
    before = {number: signal.signal(number, stop) for number in heard}  # nohup's wish is respected
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
