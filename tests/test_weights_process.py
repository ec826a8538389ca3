"""The download as processes: killed, raced, on a full disk, where nothing may be written."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from qwen_vl_app.weights import failures
from qwen_vl_app.weights.pieces import Journal
from tests.fake_hub import FakeHub, Manners
from tests.tiny import FILES, LIMITS, OVERLAP, SIZE, SMALL, TINY, fetch, leftovers, no_proxy

__all__ = ["no_proxy"]
ROOT = Path(__file__).resolve().parent.parent
CHILD = """
import os, resource, signal, sys
from dataclasses import replace
from pathlib import Path
from qwen_vl_app import weights
from tests.tiny import LIMITS, TINY
exec(sys.argv[3])
report = weights.Terminal(sys.stdout, "en", lambda: 0)
try:
    weights.fetch(TINY, Path(sys.argv[1]), sys.argv[2], report, environ={}, limits=replace(LIMITS, stall_seconds=30.0))
except weights.WeightsError as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with FakeHub(dict(FILES)) as hub:
        yield hub


def start(hub: FakeHub, folder: Path, before: str = "") -> subprocess.Popen[str]:
    """A process that fetches into `folder`, after the statements `before`."""
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder), hub.url, before],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(hub: FakeHub, sent: int) -> None:
    deadline = time.monotonic() + 20
    while hub.sent < sent:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_killed_download_goes_on_where_it_was(hub: FakeHub, tmp_path: Path) -> None:
    hub.manners = Manners(bytes_per_second=300e3)
    child = start(hub, tmp_path)
    journal = Journal(tmp_path / "tiny" / TINY.model.name)
    while len(journal.read()[1]) * LIMITS.piece < SIZE * 3 // 4:
        assert child.poll() is None
        time.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    noted = len(journal.read()[1]) * LIMITS.piece
    hub.manners, before = Manners(), hub.sent
    seen = fetch(hub, tmp_path)
    assert next(report.done for report in seen if report.state == "downloading") >= noted - LIMITS.piece
    assert hub.sent - before < SIZE - noted + SMALL + OVERLAP


def test_two_starts_at_once_fetch_once_and_the_second_shows_it(hub: FakeHub, tmp_path: Path) -> None:
    hub.manners = Manners(bytes_per_second=20e3)
    first = start(hub, tmp_path)
    wait_for(hub, 64 << 10)
    second = start(hub, tmp_path)
    assert second.stdout
    while "another start is downloading" not in second.stdout.readline():
        assert second.poll() is None
    hub.manners.bytes_per_second = 0
    outputs = [child.communicate(timeout=60) for child in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0), outputs
    assert hub.sent < SIZE + SMALL + OVERLAP
    assert "another start" not in outputs[0][0]
    assert all("ready" in out.splitlines()[-1] for out, _ in outputs)


def test_a_disk_that_is_too_full_is_refused_before_the_first_byte(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = SIZE + SMALL + LIMITS.spare - 1
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": room})())
    with pytest.raises(failures.NoRoom, match=r"has 2\.8 MB free and the download needs 2\.8 MB"):
        fetch(hub, tmp_path)
    assert hub.asked == [] and leftovers(tmp_path) == []
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": room + 1})())
    fetch(hub, tmp_path)


def test_a_disk_that_fills_up_underway_is_said_with_both_numbers(hub: FakeHub, tmp_path: Path) -> None:
    """The kernel refuses a write (here: beyond a size, EFBIG); ENOSPC and EDQUOT take the same way."""
    limit = (
        f"signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, ({SIZE - 1},) * 2)"
    )
    child = start(hub, tmp_path, limit)
    _, error = child.communicate(timeout=60)
    assert child.returncode == 1
    assert error.startswith("NoRoom: The disk of") and "free and the download needs" in error
    fetch(hub, tmp_path)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux only")
def test_no_space_left_while_writing_is_said_with_both_numbers(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    real = os.pwrite
    monkeypatch.setattr(
        "os.pwrite",
        lambda handle, data, at: real(full if at > SIZE // 2 else handle, data, 0 if at > SIZE // 2 else at),
    )
    with pytest.raises(failures.NoRoom, match="free and the download needs"):
        fetch(hub, tmp_path)
    monkeypatch.undo()
    os.close(full)
    fetch(hub, tmp_path)


def test_a_folder_that_may_not_be_written_is_named(hub: FakeHub, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    for place in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        place.chmod(0o755)
    folder.chmod(0o555)
    child = start(hub, folder, "os.setuid(65534)" if os.geteuid() == 0 else "")
    _, error = child.communicate(timeout=60)
    assert error.startswith("NotWritable: ") and "cannot be written (Permission denied)" in error
    assert "--models-dir" in error and hub.asked == []
