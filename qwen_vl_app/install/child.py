"""The program that installs the engine while the page is up: the page starts it and holds both ends.

Its standard input never says anything; where it ends the page has ended, and so does the installation. What it prints
is for the terminal, but for the lines that begin with `RECORD`: JSON for the page.
"""

import io
import json
import os
import signal
import sys
import threading
from collections.abc import Sequence
from typing import get_args

from qwen_vl_app.errors import Language, SetupError
from qwen_vl_app.install import halves
from qwen_vl_app.install.texts import InstallError, language

RECORD = "\x1e"  # begins a line of the page's
POLITE = 5  # the page and its download go before the compilers
EXIT_INTERRUPTED = 130


def main(argv: Sequence[str]) -> int:
    """Install and prove the engine for the --accelerator in `argv`; returns the exit status."""
    chosen = language(os.environ)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")  # whatever the terminal's
    try:
        with halves.interruptible():
            threading.Thread(target=_end_with_page, daemon=True).start()
            os.nice(POLITE)
            _install(argv[0])
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except SetupError as error:
        return _failed(error)
    except OSError as error:
        return _failed(InstallError("os_error", chosen, why=error, folder=halves.ROOT))
    return 0


def _install(wanted: str) -> None:
    target = halves.target(wanted)
    with halves.locked(os.environ) as lock:
        if not halves.holds(halves.ROOT / ".venv", target):  # another start was waited for
            halves.engine(os.environ, target, lock, lambda share: _tell(share=share))
    halves.warn(os.environ)


def _failed(error: SetupError) -> int:
    _tell(failed={language: error.text(language) for language in get_args(Language)})
    return 1


def _tell(**record: object) -> None:
    print(RECORD + json.dumps(record), flush=True)


def _end_with_page() -> None:
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
