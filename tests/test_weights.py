"""One hub and whatever it does."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from qwen_vl_app import weights
from qwen_vl_app.catalogue import File
from qwen_vl_app.weights import failures
from qwen_vl_app.weights.limits import Clock, Limits
from qwen_vl_app.weights.progress import Progress
from tests.fake_hub import COMMIT, FakeHub, Manners, gguf
from tests.tiny import FILES, HASTY, KIB, LIMITS, OVERLAP, SIZE, SMALL, TINY, fetch, leftovers, no_proxy

__all__ = ["no_proxy"]


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with FakeHub(dict(FILES)) as hub:
        yield hub


def test_both_files_come_whole_and_nothing_else_stays(hub: FakeHub, tmp_path: Path) -> None:
    seen = fetch(hub, tmp_path)
    assert leftovers(tmp_path) == ["mmproj-tiny-F16.gguf", "tiny-Q4_K_M.gguf"]
    assert [report.state for report in seen][-1] == "ready"
    assert hub.sent <= SIZE + SMALL + 2 * LIMITS.probe + OVERLAP
    assert COMMIT in TINY.revision and len({asked.start for asked in hub.asked}) > 2  # several connections


def test_progress_never_goes_back_and_counts_both_files(hub: FakeHub, tmp_path: Path) -> None:
    hub.manners = Manners(bytes_per_second=1e6, cut=900 * KIB, times=1)
    seen = [report for report in fetch(hub, tmp_path) if report.state != "choosing"]
    done = [report.done for report in seen]
    assert done == sorted(done)
    assert {report.total for report in seen} == {SIZE + SMALL}
    assert done[-1] == SIZE + SMALL
    assert any(report.bytes_per_second > 0 and report.seconds_left is not None for report in seen)


def test_the_second_time_nothing_is_asked_or_hashed(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch(hub, tmp_path)
    hub.asked.clear()
    monkeypatch.setattr("qwen_vl_app.weights.local.sha256", None)
    fetch(hub, tmp_path)
    assert not hub.asked


def test_a_cut_at_ninety_per_cent_is_gone_on_from(hub: FakeHub, tmp_path: Path) -> None:
    hub.manners = Manners(cut=SIZE * 9 // 10, times=1)
    fetch(hub, tmp_path)
    assert hub.sent <= SIZE + SMALL + 4 * LIMITS.probe + OVERLAP


def test_a_connection_that_is_cut_for_good_keeps_what_came(hub: FakeHub, tmp_path: Path) -> None:
    hub.manners = Manners(cut=SIZE * 9 // 10)
    with pytest.raises(failures.NoHub, match=r"could not be downloaded: .*cut.*put the file into"):
        fetch(hub, tmp_path, limits=HASTY)
    hub.manners, before = Manners(), hub.sent
    fetch(hub, tmp_path)
    assert hub.sent - before <= SIZE // 10 + OVERLAP + SMALL + 4 * LIMITS.probe


def test_one_flipped_byte_is_found_and_the_file_fetched_once_more(hub: FakeHub, tmp_path: Path) -> None:
    hub.manners = Manners(flip=100 * KIB, times=1)
    fetch(hub, tmp_path)
    assert hub.sent >= 2 * SIZE


def test_bytes_that_are_wrong_twice_are_an_error_and_leave_nothing(hub: FakeHub, tmp_path: Path) -> None:
    hub.manners = Manners(flip=100 * KIB)
    with pytest.raises(failures.Damaged, match=r"damaged twice \(sha256 [0-9a-f]{64}, expected"):
        fetch(hub, tmp_path)
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize(
    ("manners", "kind", "message"),
    [
        (Manners(extra=5), failures.OtherFile, "has another file under this name"),
        (Manners(status=404), failures.NotThere, "has no such file (HTTP 404)"),
        (Manners(status=401), failures.Refused, "without permission (HTTP 401): set HF_TOKEN"),
        (Manners(status=429), failures.Busy, "asks to wait (HTTP 429"),
        (Manners(status=503), failures.ServerTrouble, "is in trouble itself (HTTP 503)"),
        (Manners(html=True), failures.Portal, " instead of the file: log in"),
        (Manners(stall=0), failures.Stalled, "sent almost nothing for"),
        (Manners(redirect="http://127.0.0.1:1/x"), failures.Unreachable, "127.0.0.1:1 cannot be reached ("),
        (Manners(redirect="http://nowhere.invalid/x"), failures.Unreachable, "sent us there"),
    ],
)
def test_each_misbehaviour_has_its_own_outcome(
    hub: FakeHub, tmp_path: Path, manners: Manners, kind: type[failures.Trouble], message: str
) -> None:
    hub.manners = manners
    with pytest.raises(failures.NoHub) as refusal:
        fetch(hub, tmp_path, limits=HASTY)
    (trouble,) = refusal.value.troubles.values()
    assert type(trouble) is kind
    assert message in str(refusal.value)
    assert "--hub" in refusal.value.text("zh") and trouble.text("zh") in refusal.value.text("zh")
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize(
    "manners",
    [
        Manners(status=429, retry_after="1", times=1),
        Manners(status=503, times=3),
        Manners(stall=SIZE // 2, times=1),
        Manners(ranges=False),
        Manners(ranges=False, cut=SIZE // 2, times=1),
        Manners(hashes=False),
        Manners(largest=1),
    ],
)
def test_what_passes_is_waited_for(hub: FakeHub, tmp_path: Path, manners: Manners) -> None:
    hub.manners = manners
    fetch(hub, tmp_path)


def test_the_model_waits_ten_minutes_for_a_network_that_is_away(hub: FakeHub, tmp_path: Path) -> None:
    clock = Fast()
    limits = replace(Limits(), spare=1, probe_patience=0.0)
    hub.manners = Manners(status=502)
    seen: list[Progress] = []

    def report(progress: Progress) -> None:
        seen.append(progress)
        if clock.time > 600:
            hub.manners = Manners()

    weights.fetch(TINY, tmp_path, hub.url, report, environ={}, limits=limits, clock=Clock(clock.now, clock.sleep))
    waits = [progress for progress in seen if progress.state == "retrying"]
    assert len(waits) > 10
    assert waits[0].trouble and "HTTP 502" in waits[0].trouble.text("en")


def test_an_outage_of_a_quarter_hour_ends_with_the_reason(hub: FakeHub, tmp_path: Path) -> None:
    clock = Fast()
    hub.manners = Manners(status=502)
    limits = replace(Limits(), spare=1)
    with pytest.raises(failures.NoHub, match="HTTP 502"):
        fetch(hub, tmp_path, limits=limits, clock=Clock(clock.now, clock.sleep))
    assert 900 < clock.time < 1100


class Fast:
    """A clock on which only sleeping takes time."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += seconds


def test_a_stopped_download_ends_soon_and_goes_on_later(hub: FakeHub, tmp_path: Path) -> None:
    hub.manners = Manners(bytes_per_second=200e3)
    stop = threading.Event()

    def report(progress: Progress) -> None:
        if progress.done > SIZE // 2:
            stop.set()

    with pytest.raises(failures.Cancelled):
        weights.fetch(TINY, tmp_path, hub.url, report, stop, environ={}, limits=LIMITS)
    hub.manners, before = Manners(), hub.sent
    fetch(hub, tmp_path)
    assert hub.sent - before < SIZE // 2 + OVERLAP + SMALL + 4 * LIMITS.probe


def test_a_hung_connection_does_not_delay_the_stop(hub: FakeHub, tmp_path: Path) -> None:
    hub.manners = Manners(stall=0)
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    limits = replace(LIMITS, stall_seconds=60.0, probe_seconds=60.0)
    with pytest.raises(failures.Cancelled):
        weights.fetch(TINY, tmp_path, hub.url, cancelled=stop, environ={}, limits=limits)


def test_a_file_that_changed_between_two_starts_is_never_mixed(hub: FakeHub, tmp_path: Path) -> None:
    unknown = replace(TINY, model=File("tiny-Q4_K_M.gguf"))
    hub.files["tiny-Q4_K_M.gguf"] = gguf(SIZE, 3)
    hub.manners = Manners(cut=SIZE // 2)
    with pytest.raises(failures.NoHub):
        fetch(hub, tmp_path, unknown, HASTY)
    hub.files, hub.manners = dict(FILES), Manners()
    fetch(hub, tmp_path, unknown)


@pytest.mark.parametrize("hashes", [True, False])
def test_files_of_unknown_size_and_hash_are_taken_as_the_hub_states_them(
    hub: FakeHub, tmp_path: Path, hashes: bool
) -> None:
    hub.manners = Manners(hashes=hashes)
    seen = fetch(hub, tmp_path, replace(TINY, model=File("tiny-Q4_K_M.gguf")))
    assert seen[-1].total == SIZE + SMALL
