"""start.sh's own program: install what is missing, then become app.py.

The same process id all the way: signals that a service manager sends reach the app.
"""

import io
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from qwen_vl_app.errors import SetupError
from qwen_vl_app.install import address, background, halves, meanwhile, stamp
from qwen_vl_app.install.background_texts import OWN_FLAGS
from qwen_vl_app.install.child import EXIT_INTERRUPTED
from qwen_vl_app.install.environment import usable
from qwen_vl_app.install.halves import ROOT
from qwen_vl_app.install.texts import language, text
from qwen_vl_app.settings import AUTO_WORD, PREFIX

INSTALL_ONLY = "--install-only"  # start.sh's own flag: for tests/run.sh and images
HELP = {"-h", "--help"}
ACCELERATOR_VARIABLE = PREFIX + "ACCELERATOR"


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
        serves = address.serves(argv) and INSTALL_ONLY not in argv
        if prepare(environ, target(argv, environ), engine_too=not serves):
            halves.warn(environ)
        else:
            environ[meanwhile.VARIABLE] = "1"
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
    return halves.target(address.given("accelerator", argv) or environ.get(ACCELERATOR_VARIABLE) or AUTO_WORD)


def prepare(environ: Mapping[str, str], target: stamp.Target, engine_too: bool) -> bool:
    """Return when .venv has what the page needs; whether the engine is there and proved, as `engine_too` demands."""
    venv = ROOT / ".venv"
    if _in(venv):
        if halves.holds(venv, target):
            return True
        _leave_environment()
    with halves.interruptible(), halves.locked(environ) as lock:
        if halves.holds(venv, target) and usable(venv / "bin" / "python"):
            return True
        halves.packages(environ, target, lock)
        if engine_too:
            halves.engine(environ, target, lock)
    return engine_too


def _in(venv: Path) -> bool:
    return Path(sys.prefix).resolve() == venv.resolve()


def _leave_environment() -> None:
    """Go on with the Python that .venv was made of: what follows may make .venv anew."""
    base = sys._base_executable  # type: ignore[attr-defined]
    os.execv(base, [base, *sys.orig_argv[1:]])


def _become_app(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    environ = dict(environ)
    if HELP & set(argv):
        print(OWN_FLAGS[language(environ) == "zh"], flush=True)
    if address.open_to_all(argv, environ):
        print(address.announcement(argv, environ, language(environ)), flush=True)
        environ[address.HOST_VARIABLE] = address.EVERYWHERE
    python = ROOT / ".venv" / "bin" / "python"
    os.execve(python, [str(python), str(ROOT / "app.py"), *argv], environ)
