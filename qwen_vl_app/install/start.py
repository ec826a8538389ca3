"""start.sh's own program: install what is missing, then become app.py.

The same process id all the way: signals that a service manager sends reach the app.
"""

import fcntl
import io
import os
import shutil
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType

from qwen_vl_app.errors import SetupError
from qwen_vl_app.install import address, background, cpu, llama, stamp, tools
from qwen_vl_app.install.accelerators import Detection, detect
from qwen_vl_app.install.background_texts import OWN_FLAGS
from qwen_vl_app.install.environment import STALL_SECONDS, Site, clean, install_packages, make_environment, usable
from qwen_vl_app.install.machine import CUDA_BYTES, check_compiler, check_space, choose_scratch
from qwen_vl_app.install.runner import Runner
from qwen_vl_app.install.texts import language, text
from qwen_vl_app.settings import AUTO_WORD, PREFIX

ROOT = Path(__file__).resolve().parents[2]
INSTALL_ONLY = "--install-only"  # start.sh's own flag: for tests/run.sh and images
HELP = {"-h", "--help"}
ACCELERATOR_VARIABLE = PREFIX + "ACCELERATOR"
RED = "\x1b[31m{}\x1b[0m"
EXIT_INTERRUPTED = 130


def main(argv: Sequence[str], environ: Mapping[str, str] | None = None) -> int:
    """Install if needed and run app.py with `argv`, or do what start.sh's own flags ask for.

    Returns the exit status, and only where app.py is not started.
    """
    environ = dict(os.environ if environ is None else environ)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that cannot show Chinese
    try:
        asked = background.command(argv, environ)
        if asked is not None:
            return asked
        prepare(environ, target(argv, environ))
        _warn(environ)
    except SetupError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\n" + text("interrupted", language(environ)), file=sys.stderr)
        return EXIT_INTERRUPTED
    except OSError as error:
        print(text("os_error", language(environ), why=error, folder=ROOT), file=sys.stderr)
        return 1
    if INSTALL_ONLY in argv:
        return 0
    return _become_app(argv, environ)


def target(argv: Sequence[str], environ: Mapping[str, str]) -> stamp.Target:
    """What this machine, with these arguments, needs an installation for."""
    wanted = address.given("accelerator", argv) or environ.get(ACCELERATOR_VARIABLE) or AUTO_WORD
    return stamp.Target(cpu.detect(), tools.devices(), wanted)


def prepare(environ: Mapping[str, str], target: stamp.Target) -> None:
    """Return when .venv is installed and proved for this machine."""
    venv = ROOT / ".venv"
    if _in(venv):
        if holds(venv, target):
            return
        _leave_environment()
    with _interruptible(), _locked(environ) as lock:
        if not (holds(venv, target) and usable(venv / "bin" / "python")):
            _install(environ, target, lock)


def holds(venv: Path, target: stamp.Target) -> bool:
    """Whether an earlier installation was finished, and for this machine, this Python, these requirements."""
    found = stamp.read(venv)
    if found is None or (ROOT / ".build" / "unfinished").exists():
        return False
    wanted = stamp.expected(venv, target)
    return found.same_packages(wanted) and found.same_proof(wanted)


def _warn(environ: Mapping[str, str]) -> None:
    """At every start, in red: what lies idle while the processor computes."""
    found = stamp.read(ROOT / ".venv")
    chosen = language(environ)
    for name, english, chinese in found.idle if found else ():
        line = text("idle", chosen, name=name, why=chinese if chosen == "zh" else english)
        print(RED.format(line) if sys.stderr.isatty() else line, file=sys.stderr, flush=True)


def _in(venv: Path) -> bool:
    return Path(sys.prefix).resolve() == venv.resolve()


def _leave_environment() -> None:
    """Go on with the Python that .venv was made of: what follows may make .venv anew."""
    base = sys._base_executable  # type: ignore[attr-defined]
    os.execv(base, [base, *sys.orig_argv[1:]])


def _install(environ: Mapping[str, str], target: stamp.Target, lock: int) -> None:
    build = ROOT / ".build"
    chosen = language(environ)
    environ = {**environ, "PATH": tools.search_path(environ)}
    found = detect(tools.read(environ), target.wanted, chosen)
    before = stamp.read(ROOT / ".venv")
    print(text("changed" if before else "installing", chosen), flush=True)
    scratch = choose_scratch(build / "scratch")
    try:
        check_space(ROOT, scratch, chosen, CUDA_BYTES if found.candidates[0].packages else 0)
        log = build / "install.log"
        log.write_text("", encoding="utf-8")
        site = Site(ROOT, environ, chosen, Runner(log, scratch, STALL_SECONDS, keep_open=[lock]))
        _install_at(site, target, found, before)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _install_at(site: Site, target: stamp.Target, found: Detection, before: stamp.Stamp | None) -> None:
    if found.candidates[0].kind == "source" and not stamp.installed_engine(site.venv):
        check_compiler(site.environ, site.language)  # before minutes of downloads
    make_environment(site)
    wanted = stamp.expected(site.venv, target)
    if before is None or not before.same_packages(wanted) or not stamp.read(site.venv):
        install_packages(site)
    done = llama.install(site, target.processor, found, before)
    stamp.write(site.venv, _finished(stamp.expected(site.venv, target), done))
    clean(site)
    site.say("ready")


def _finished(expected: stamp.Stamp, done: llama.Installed) -> stamp.Stamp:
    built = {"build": done.build.name, "options": done.build.options}
    idle = tuple((each.accelerator, each.why("en"), each.why("zh")) for each in done.idle)
    return replace(expected, **built, accelerator=done.accelerator, idle=idle)  # type: ignore[arg-type]


@contextmanager
def _locked(environ: Mapping[str, str]) -> Iterator[int]:
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
def _interruptible() -> Iterator[None]:
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


def _become_app(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    environ = dict(environ)
    if HELP & set(argv):
        print(OWN_FLAGS[language(environ) == "zh"], flush=True)
    if address.open_to_all(argv, environ):
        print(address.announcement(argv, environ, language(environ)), flush=True)
        environ[address.HOST_VARIABLE] = address.EVERYWHERE
    python = ROOT / ".venv" / "bin" / "python"
    os.execve(python, [str(python), str(ROOT / "app.py"), *argv], environ)
