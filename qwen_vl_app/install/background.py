"""The page without a terminal: start.sh's --detach, --status, --stop and --logs.

Who serves in the background holds a lock on the note `.run/server.json` from its first line of code until it has
ended, however it ends: the kernel drops it. The note counts only while it is locked, so the process id that a killed
server left there is never taken for ours.
"""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

from qwen_vl_app.errors import SetupError
from qwen_vl_app.install import address, logfile
from qwen_vl_app.install.texts import language, text

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".run"  # this user's alone
NOTE = FOLDER / "server.json"
LOG = FOLDER / "server.log"
DETACH, STATUS, STOP, LOGS = "--detach", "--status", "--stop", "--logs"
NOT_RUNNING = 3  # exit status, as the Linux Standard Base has it for init scripts
STOP_SECONDS = 10.0  # a clean end takes half of it at most: last words of open answers, then the engine's end
KILL_SECONDS = 5.0
NOTE_SECONDS = 2.0  # between taking the lock and writing the note lies the start of a process
TAIL_LINES = 50
PAUSE = 0.05


@dataclass(frozen=True)
class Server:
    """The server in the background: its process and where it listens."""

    pid: int
    host: str
    port: str

    def details(self, environ: Mapping[str, str]) -> dict[str, object]:
        """What the lines about it name."""
        return {"pid": self.pid, "address": address.told(self.host, self.port, environ), "log": LOG}


def command(argv: Sequence[str], environ: Mapping[str, str]) -> int | None:
    """Do what one of start.sh's own flags asks for; returns the exit status, None if `argv` has none of them.

    Raises:
        SetupError: it cannot be done; the message says why.
    """
    for flag, act in COMMANDS.items():
        if flag in argv:
            try:
                return act([word for word in argv if word != flag], environ)
            except BrokenPipeError:  # whoever read along has seen enough: `--logs | head`
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                return 0
    return None


def detach(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Serve in the background; returns when the page is up, or 1 when the server has ended before that."""
    if not address.serves(argv):
        raise SetupError(text("detach_serves", language(environ)))
    FOLDER.mkdir(mode=0o700, exist_ok=True)
    with NOTE.open("a+", encoding="utf-8") as note:
        if not _lock(note):
            return _say("runs_already", environ, _running())
        note.truncate(0)
        host, port = address.listening(argv, environ)
        if health(host, port) is not None:
            raise SetupError(text("answers_already", language(environ), address=address.told(host, port, environ)))
        process = _spawn(argv, environ, note.fileno())
        server = Server(process.pid, host, port)
        json.dump(asdict(server), note)
    return _watch(process, server, environ)


def _lock(note: IO[str]) -> bool:
    """Take the lock unless a server has it; whoever only looks has it for an instant."""
    for _ in range(5):
        with suppress(BlockingIOError):
            fcntl.flock(note, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(PAUSE)
    return False


def _spawn(argv: Sequence[str], environ: Mapping[str, str], lock: int) -> "subprocess.Popen[bytes]":
    """The same start again, in a session of its own that no terminal can end; what it says goes into the log."""
    logfile.begin(LOG)
    keeper = subprocess.Popen(
        [sys.executable, "-m", logfile.__name__, str(LOG)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    server = subprocess.Popen(
        ["bash", str(ROOT / "start.sh"), *argv],
        env={**environ, "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=keeper.stdin,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        pass_fds=[lock],
    )
    assert keeper.stdin
    keeper.stdin.close()
    return server


def _watch(process: "subprocess.Popen[bytes]", server: Server, environ: Mapping[str, str]) -> int:
    """Show what it says until its page is up: the installation of a first start takes minutes."""
    try:
        _show(lambda: process.poll() is None and health(server.host, server.port) is None)
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return _say("goes_on", environ, server)
    if process.poll() is None:
        return _say("detached", environ, server)
    print(text("ended_early", language(environ), log=LOG), file=sys.stderr)
    return 1


def _show(going: Callable[[], bool], start: int = 0) -> None:
    for part in logfile.follow(LOG, going, start):
        print(part, end="", flush=True)


def status(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Say whether a server runs in the background, and print what its /health answers."""
    _no_more(STATUS, argv, environ)
    server = _running()
    if server is None:
        return _say("not_running", environ, code=NOT_RUNNING)
    _say("running", environ, server)
    answer = health(server.host, server.port)
    if answer is None:
        return _say("not_up", environ, server)
    print(answer)
    return 0


def stop(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """End the server: as Ctrl-C does, and by force if it has not ended after STOP_SECONDS."""
    _no_more(STOP, argv, environ)
    server = _running()
    if server is None:
        return _say("not_running", environ)
    with suppress(ProcessLookupError):
        os.kill(server.pid, signal.SIGTERM)
        if not _ended(STOP_SECONDS):
            os.killpg(server.pid, signal.SIGKILL)
            if not _ended(KILL_SECONDS):
                return _say("unstoppable", environ, server, code=1)
            return _say("killed", environ, server)
    return _say("stopped", environ, server)


def _ended(seconds: float) -> bool:
    """Whether the server's lock is free within that time."""
    end = time.monotonic() + seconds
    while held := _is_held():
        if time.monotonic() > end:
            break
        time.sleep(PAUSE)
    return not held


def logs(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Print the last lines of the log, and with -f what is added until the server ends."""
    following = list(argv) == ["-f"]
    if not following:
        _no_more(LOGS, argv, environ)
    try:
        last, end = logfile.tail(LOG, TAIL_LINES)
    except OSError:
        return _say("no_log", environ, code=1)
    print(last, end="", flush=True)
    if following:
        with suppress(KeyboardInterrupt):
            _show(_is_held, end)
    return 0


COMMANDS: Mapping[str, Callable[[Sequence[str], Mapping[str, str]], int]] = {
    DETACH: detach,
    STATUS: status,
    STOP: stop,
    LOGS: logs,
}


def _is_held() -> bool:
    try:
        with NOTE.open(encoding="utf-8") as note:
            fcntl.flock(note, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: those who look do not meet a server
            return False
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False


def _running() -> Server | None:
    """The server in the background, None if there is none."""
    end = time.monotonic() + NOTE_SECONDS
    while _is_held():
        with suppress(ValueError, TypeError):
            return Server(**json.loads(NOTE.read_text(encoding="utf-8")))
        if time.monotonic() > end:
            break
        time.sleep(PAUSE)
    return None


def health(host: str, port: str) -> str | None:
    """What /health answers there, None while nothing does."""
    try:
        with build_opener(ProxyHandler({})).open(address.local(host, port) + "/health", timeout=2) as answer:
            return str(answer.read().decode())
    except HTTPError as error:  # 503: it runs, but the model is not ready
        with error:
            return error.read().decode()
    except (OSError, ValueError):
        return None


def _no_more(flag: str, argv: Sequence[str], environ: Mapping[str, str]) -> None:
    if argv:
        raise SetupError(text("takes_nothing", language(environ), flag=flag, rest=" ".join(argv)))


def _say(key: str, environ: Mapping[str, str], server: Server | None = None, code: int = 0) -> int:
    print(text(key, language(environ), **(server.details(environ) if server else {})), flush=True)
    return code
