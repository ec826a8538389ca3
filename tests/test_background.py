"""start.sh --detach, --status, --stop and --logs: real processes, with a stand-in for the app and with the demo."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from qwen_vl_app.install import background, logfile, stamp
from qwen_vl_app.install.background_texts import OWN_FLAGS

pytestmark = pytest.mark.timeout(300)
ROOT = Path(__file__).resolve().parent.parent
HEALTH = '{"state": "loading", "model": "stand-in"}'
# Listens where app.py would and answers /health; BEHAVE makes it fail, hang or talk.
APP = f"""
import http.server, os, signal, sys
behave = os.environ.get("BEHAVE", "")
print("APP 你好", os.getpid(), os.environ.get("QWEN_VL_HOST"), sys.argv[1:])
if behave == "dies":
    sys.exit("error: no model 'x'")
if behave == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(503)
        self.end_headers()
        self.wfile.write({HEALTH.encode()!r})
    def log_message(self, *about): pass
if behave == "never up":
    signal.pause()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])), Handler).serve_forever()
"""


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def installed_copy(folder: Path) -> Path:
    """A copy of the program whose .venv is this Python's, noted as installed and proved."""
    for name in ("start.sh", "app.py", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    quiet = shutil.ignore_patterns("__pycache__")
    for name in ("qwen_vl_app", "models/demo", "models/proof"):
        shutil.copytree(ROOT / name, folder / name, ignore=quiet)
    venv = folder / ".venv"
    venv.mkdir()
    shutil.copy(Path(sys.prefix) / "pyvenv.cfg", venv)
    for name in ("bin", "lib"):
        (venv / name).symlink_to(Path(sys.prefix) / name)
    note = "from qwen_vl_app.install import halves, stamp; v = halves.ROOT / '.venv'\n"
    note += "stamp.write(v, stamp.expected(v, halves.target('auto')))"
    subprocess.run([venv / "bin" / "python", "-c", note], cwd=folder, check=True)
    assert (venv / stamp.NAME).exists()
    return folder


class Checkout:
    """One copy of the program and what its start.sh does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        hidden = ("QWEN_VL_", "LC_", "LANG", "SSH_", "PYTHONPATH")
        kept = {key: value for key, value in os.environ.items() if not key.startswith(hidden)}
        self.environ = {**kept, "QWEN_VL_HOST": "127.0.0.1", "LANG": "C.UTF-8"}

    def command(self, *flags: str) -> list[str]:
        return ["bash", str(self.folder / "start.sh"), *flags]

    def run(self, *flags: str, **more: str) -> subprocess.CompletedProcess[str]:
        environ = {**self.environ, **more}
        return subprocess.run(self.command(*flags), env=environ, capture_output=True, text=True, timeout=120)

    def detach(self, *flags: str, **more: str) -> subprocess.CompletedProcess[str]:
        return self.run("--detach", "--port", self.port, *flags, **more)

    @property
    def pid(self) -> int:
        return int(json.loads((self.folder / ".run" / "server.json").read_text())["pid"])

    @property
    def log(self) -> Path:
        return self.folder / ".run" / "server.log"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    return Checkout(installed_copy(tmp_path_factory.mktemp("我的 app")))


@pytest.fixture
def checkout(whole: Checkout) -> Iterator[Checkout]:
    """The program with the stand-in for its app; nothing runs afterwards."""
    (whole.folder / "app.py").write_text(APP)
    yield whole
    whole.run("--stop")


def until(true: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def alive(pid: int) -> bool:
    """Whether the process runs; one that nobody has waited for yet does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_the_demo_in_the_background_answers_and_ends_cleanly(whole: Checkout) -> None:
    shutil.copy(ROOT / "app.py", whole.folder)
    begun = whole.detach("--model", "demo")
    assert begun.returncode == 0, begun.stdout + begun.stderr
    assert f"Open http://127.0.0.1:{whole.port} in a browser." in begun.stdout and "Ctrl-C" not in begun.stdout
    assert f"Runs in the background (process {whole.pid})" in begun.stdout

    def state() -> str:
        asked = whole.run("--status")
        assert asked.returncode == 0
        return str(json.loads(asked.stdout.splitlines()[1])["state"])

    until(lambda: state() == "ready")
    family = [whole.pid, *(child.pid for child in psutil.Process(whole.pid).children(recursive=True))]
    assert len(family) > 1  # the engine
    stopped = whole.run("--stop")
    assert (stopped.returncode, stopped.stdout) == (0, "Ended.\n")
    until(lambda: not any(map(alive, family)))
    assert whole.run("--status").returncode == background.NOT_RUNNING
    assert "tokens each for" in whole.run("--logs").stdout


def test_status_prints_what_health_says(checkout: Checkout) -> None:
    assert checkout.detach().returncode == 0
    asked = checkout.run("--status")
    assert asked.returncode == 0
    assert asked.stdout.splitlines() == [
        f"Runs in the background (process {checkout.pid}): http://127.0.0.1:{checkout.port}",
        HEALTH,
    ]
    assert "正在后台运行" in checkout.run("--status", LANG="zh_CN.UTF-8").stdout


def test_nothing_runs(checkout: Checkout) -> None:
    for flag, code in (("--status", 3), ("--stop", 0)):
        asked = checkout.run(flag)
        assert (asked.returncode, asked.stdout) == (code, "Nothing runs in the background.\n")
    assert checkout.run("--status", LANG="zh_CN.UTF-8").stdout == "没有在后台运行。\n"


def test_the_note_of_a_killed_server_is_no_server(checkout: Checkout) -> None:
    checkout.detach()
    os.kill(checkout.pid, signal.SIGKILL)
    until(lambda: not alive(checkout.pid))
    note = checkout.folder / ".run" / "server.json"
    note.write_text(json.dumps({"pid": os.getpid(), "host": "127.0.0.1", "port": checkout.port}))  # its id, taken over
    assert checkout.run("--status").returncode == 3
    assert checkout.run("--stop").stdout == "Nothing runs in the background.\n"
    assert checkout.detach().returncode == 0  # and this test still runs


def test_of_two_starts_at_once_the_second_says_where_the_first_runs(checkout: Checkout) -> None:
    command = checkout.command("--detach", "--port", checkout.port)
    both = [subprocess.Popen(command, env=checkout.environ, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    where = f"(process {checkout.pid}): http://127.0.0.1:{checkout.port}"
    assert sorted(line.split(" (")[0] for text in said for line in text.splitlines() if where in line) == [
        "It runs in the background already",
        "Runs in the background",
    ]
    assert checkout.log.read_text().count("APP") == 1


def test_a_closed_terminal_does_not_end_it(checkout: Checkout) -> None:
    """In a terminal of its own, which goes away while the start is still watched."""
    terminal = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import pty, sys; pty.spawn(sys.argv[1:])",
            *checkout.command("--detach", "--port", "1"),
        ],
        env={**checkout.environ, "BEHAVE": "never up"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert terminal.stdout
    while b"APP" not in terminal.stdout.readline():
        pass
    pid = checkout.pid
    [watching] = psutil.Process(terminal.pid).children()
    terminal.kill()
    terminal.communicate()
    until(lambda: not alive(watching.pid))
    assert alive(pid)
    asked = checkout.run("--status")
    assert asked.returncode == 0 and "not up yet" in asked.stdout
    assert checkout.run("--stop").stdout == "Ended.\n"


def test_a_server_that_ends_at_once_is_a_failure_with_its_words(checkout: Checkout) -> None:
    begun = checkout.detach(BEHAVE="dies")
    assert begun.returncode == 1
    assert "error: no model 'x'" in begun.stdout and "ended before its page was up" in begun.stderr
    assert checkout.run("--status").returncode == 3
    assert "error: no model 'x'" in checkout.run("--logs").stdout


def test_what_does_not_end_is_killed(checkout: Checkout) -> None:
    checkout.detach(BEHAVE="deaf")
    pid = checkout.pid
    assert f"Process {pid} did not end by itself and was killed." in checkout.run("--stop").stdout
    until(lambda: not alive(pid))


def test_a_server_in_another_terminal_is_not_taken_for_this_one(checkout: Checkout) -> None:
    with subprocess.Popen([sys.executable, "app.py", "--port", checkout.port], cwd=checkout.folder) as other:
        until(lambda: background.health("127.0.0.1", checkout.port) is not None)
        begun = checkout.detach()
        other.kill()
    assert begun.returncode == 1 and "was not started with --detach" in begun.stderr
    assert checkout.run("--status").returncode == 3


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--status", "--port", "80"), "--status takes nothing more: '--port 80'"),
        (("--logs", "-n"), "--logs takes nothing more: '-n'"),
        (("--detach", "describe", "a.png"), "--detach serves the page"),
    ],
)
def test_flags_that_do_not_go_together_are_refused(checkout: Checkout, flags: tuple[str, ...], said: str) -> None:
    asked = checkout.run(*flags)
    assert asked.returncode == 1
    assert said in asked.stderr and len(asked.stderr.splitlines()) == 1


def test_only_this_user_may_read_what_it_says(checkout: Checkout) -> None:
    checkout.detach()
    assert checkout.log.parent.stat().st_mode & 0o777 == 0o700
    assert checkout.log.stat().st_mode & 0o777 == 0o600


def test_logs_go_on_until_the_server_ends(checkout: Checkout) -> None:
    checkout.detach()
    with subprocess.Popen(checkout.command("--logs", "-f"), env=checkout.environ, stdout=subprocess.PIPE) as reader:
        assert reader.stdout
        assert "APP 你好" in reader.stdout.readline().decode()
        with checkout.log.open("a") as log:
            log.write("later\n")
        assert reader.stdout.readline() == b"later\n"
        checkout.run("--stop")
        assert reader.wait(20) == 0


def test_a_reader_that_has_seen_enough(checkout: Checkout) -> None:
    checkout.detach()
    with checkout.log.open("a") as log:
        log.write(("x" * 10_000 + "\n") * 50)  # more than a pipe holds
    piped = ["bash", "-c", 'set -o pipefail; "$@" | head -c 1', "bash", *checkout.command("--logs")]
    with subprocess.Popen(piped, env=checkout.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as reader:
        assert reader.communicate(timeout=60) == (b"x", b"")
        assert reader.returncode == 0


def test_no_log_yet(checkout: Checkout) -> None:
    shutil.rmtree(checkout.log.parent, ignore_errors=True)
    asked = checkout.run("--logs")
    assert asked.returncode == 1 and "Nothing has run" in asked.stdout


def test_help_begins_with_the_flags_of_the_start_itself(checkout: Checkout) -> None:
    assert checkout.run("--help", LANG="zh_CN.UTF-8").stdout.startswith(OWN_FLAGS[1])
    for flag in background.COMMANDS:
        assert flag in OWN_FLAGS[0] and flag in OWN_FLAGS[1]


# The log


def test_the_log_is_bounded(tmp_path: Path) -> None:
    log = tmp_path / "log"
    logfile.begin(log)
    with subprocess.Popen(
        [sys.executable, "-m", logfile.__name__, str(log)], cwd=ROOT, stdin=subprocess.PIPE
    ) as keeper:
        assert keeper.stdin
        for i in range(100):
            keeper.stdin.write(f"{i:09}\n".encode() * 5000)
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 2 * logfile.LIMIT_BYTES
    assert log.read_text().endswith("000000099\n")
    assert logfile.tail(log, 3)[0] == "000000099\n" * 3


def test_following_misses_nothing_when_the_log_is_put_aside(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("seen\nfirst ")
    steps = iter([lambda: None, lambda: put_aside(log), lambda: log.open("ab").close(), lambda: None])

    def going() -> bool:
        step = next(steps, None)
        if step:
            step()
        return step is not None

    assert "".join(logfile.follow(log, going, start=5)) == "first 一二 third"


def put_aside(log: Path) -> None:
    text = "一二 third".encode()
    with log.open("ab") as file:
        file.write(text[:4])  # in the middle of a letter
    logfile.begin(log)
    log.write_bytes(text[4:])
