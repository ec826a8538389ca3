"""Several hubs: which one is taken, and when another."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from qwen_vl_app.weights import failures, hubs
from tests.fake_hub import COMMIT, FakeHub, Manners
from tests.tiny import FILES, HASTY, KIB, SIZE, fetch, no_proxy

__all__ = ["no_proxy"]


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with FakeHub(dict(FILES)) as hub:
        yield hub


def three(monkeypatch: pytest.MonkeyPatch, *addresses: FakeHub | str) -> None:
    urls = [address if isinstance(address, str) else address.url for address in addresses]
    table = zip(hubs.HUBS.values(), urls, strict=True)
    monkeypatch.setattr(hubs, "HUBS", {hub.name: replace(hub, endpoint=url) for hub, url in table})


DEAD = "http://127.0.0.1:1"


@pytest.mark.parametrize("place", [0, 1, 2])
def test_auto_finds_the_one_hub_that_answers(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    addresses: list[FakeHub | str] = [DEAD, DEAD, DEAD]
    addresses[place] = hub
    three(monkeypatch, *addresses)
    fetch("auto", tmp_path)


def test_auto_takes_the_fastest_and_never_one_with_another_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakeHub(dict(FILES)) as slow, FakeHub(dict(FILES)) as other, FakeHub(dict(FILES)) as fast:
        slow.manners.delay, other.manners.extra = 0.5, 1
        three(monkeypatch, slow, other, fast)
        fetch("auto", tmp_path)
        assert fast.sent > SIZE > slow.sent + other.sent


def test_auto_moves_on_when_a_hub_stalls_and_goes_on_with_the_same_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakeHub(dict(FILES)) as stalls, FakeHub(dict(FILES)) as slower:
        stalls.manners, slower.manners = Manners(stall=SIZE * 3 // 4), Manners(delay=0.5)
        three(monkeypatch, stalls, DEAD, slower)
        fetch("auto", tmp_path)
        assert stalls.sent > SIZE // 2
        assert slower.sent < SIZE // 2


def test_after_wrong_bytes_another_hub_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeHub(dict(FILES)) as wrong, FakeHub(dict(FILES)) as right:
        wrong.manners, right.manners = Manners(flip=100 * KIB), Manners(delay=0.3)
        three(monkeypatch, wrong, DEAD, right)
        fetch("auto", tmp_path)
        assert wrong.sent > SIZE and right.sent > SIZE


def test_no_hub_at_all_says_why_of_each_and_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    three(monkeypatch, DEAD, DEAD, DEAD)
    with pytest.raises(failures.NoHub) as refusal:
        fetch("auto", tmp_path, limits=HASTY)
    assert len(refusal.value.troubles) == 3
    assert "HTTPS_PROXY" in str(refusal.value) and f"{DEAD}/Org/Tiny-GGUF/resolve/{COMMIT}/tiny" in str(refusal.value)
