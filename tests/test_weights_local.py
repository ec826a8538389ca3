"""Files that are here already."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import huggingface_hub
import pytest

from qwen_vl_app import weights
from qwen_vl_app.weights import failures, local
from tests.fake_hub import FakeHub, Manners
from tests.tiny import AT_ONCE, COMMIT, FILES, HASTY, SIZE, SMALL, TINY, fetch, leftovers, no_proxy

__all__ = ["no_proxy"]


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with FakeHub(dict(FILES)) as hub:
        yield hub


def put(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(FILES[name])


@pytest.mark.parametrize("below", ["tiny", ".", f"../cache/models--Org--Tiny-GGUF/snapshots/{'b' * 40}"])
def test_files_put_by_hand_or_in_the_cache_are_used_where_they_lie(hub: FakeHub, tmp_path: Path, below: str) -> None:
    put(tmp_path / "models" / below, *FILES)
    paths = weights.fetch(TINY, tmp_path / "models", hub.url, environ={"HF_HUB_OFFLINE": "1"})
    assert [path.parent.resolve() for path in paths] == [(tmp_path / "models" / below).resolve()] * 2
    assert hub.asked == []


def test_only_the_file_that_is_not_there_is_fetched(hub: FakeHub, tmp_path: Path) -> None:
    put(tmp_path, "tiny-Q4_K_M.gguf")
    fetch(hub, tmp_path)
    assert hub.sent < SIZE


def test_a_file_is_hashed_once_and_again_when_it_has_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[Path] = []
    real = local.sha256
    monkeypatch.setattr(local, "sha256", lambda path, go_on: hashed.append(path) or real(path, go_on))
    put(tmp_path, *FILES)
    for _ in range(3):
        weights.fetch(TINY, tmp_path, environ={})
    assert len(hashed) == 2
    (tmp_path / "tiny-Q4_K_M.gguf").touch()
    weights.fetch(TINY, tmp_path, environ={})
    assert len(hashed) == 3


def test_a_broken_record_of_hashes_only_costs_a_new_hash(tmp_path: Path) -> None:
    put(tmp_path, *FILES)
    for broken in ("", "[1]", "{"):
        (tmp_path / local.STAMPS).write_text(broken)
        weights.fetch(TINY, tmp_path, environ={})
    assert len(json.loads((tmp_path / local.STAMPS).read_text())) == 2


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data[:-1] + b"?"])
def test_a_wrong_file_put_by_hand_is_told_replaced_and_kept_aside(hub: FakeHub, tmp_path: Path, damage: object) -> None:
    wrong = damage(FILES["tiny-Q4_K_M.gguf"])  # type: ignore[operator]
    put(tmp_path / "tiny", *FILES)
    (tmp_path / "tiny" / "tiny-Q4_K_M.gguf").write_bytes(wrong)
    seen = fetch(hub, tmp_path)
    assert any(isinstance(report.trouble, failures.OtherHere) for report in seen)
    assert (tmp_path / "tiny" / "tiny-Q4_K_M.gguf.wrong").read_bytes() == wrong
    assert len(leftovers(tmp_path)) == 3


def test_offline_says_what_is_missing_and_where_it_belongs(hub: FakeHub, tmp_path: Path) -> None:
    with pytest.raises(failures.Offline, match=r"tiny-Q4_K_M.gguf is not here, and HF_HUB_OFFLINE.*/tiny yourself"):
        weights.fetch(TINY, tmp_path, hub.url, environ={"HF_HUB_OFFLINE": "1"})
    assert hub.asked == []


def test_a_model_without_a_repository_is_not_downloaded(hub: FakeHub, tmp_path: Path) -> None:
    with pytest.raises(failures.NoSuchFile, match="There is no file"):
        weights.fetch(replace(TINY, repo=""), tmp_path, hub.url, environ={})
    assert hub.asked == []


def test_the_token_goes_to_the_endpoint_that_was_chosen_for_it_only(hub: FakeHub, tmp_path: Path) -> None:
    environ = {"HF_ENDPOINT": hub.url + "/", "HF_TOKEN": "hf_secret"}
    fetch("auto", tmp_path / "a", environ=environ)
    assert {asked.authorization for asked in hub.asked} == {"Bearer hf_secret"}
    hub.asked.clear()
    with FakeHub({}) as home:
        fetch(hub, tmp_path / "b", environ={"HF_ENDPOINT": home.url, "HF_TOKEN": "hf_secret"})
    assert {asked.authorization for asked in hub.asked} == {""}


def test_a_redirect_to_another_place_does_not_carry_the_token(hub: FakeHub, tmp_path: Path) -> None:
    with FakeHub(dict.fromkeys(FILES, b"")) as front:
        front.manners.hashes = False
        front.manners.redirect = f"{hub.url}/cdn/tiny-Q4_K_M.gguf"
        model = replace(TINY, mmproj=TINY.model)
        environ = {"HF_ENDPOINT": front.url, "HF_TOKEN": "hf_secret"}
        weights.fetch(model, tmp_path, environ=environ)
    assert {asked.authorization for asked in hub.asked} == {""}
    assert hashlib.sha256((tmp_path / "tiny" / TINY.model.name).read_bytes()).hexdigest() == TINY.model.sha256
    assert COMMIT


def test_what_is_here_is_counted_and_removed_parts_included(hub: FakeHub, tmp_path: Path) -> None:
    assert weights.bytes_here(TINY, tmp_path) == weights.remove(TINY, tmp_path) == 0
    hub.manners = Manners(cut=SIZE * 3 // 4)
    with pytest.raises(failures.NoHub):
        fetch(hub, tmp_path, limits=HASTY)
    assert SIZE // 2 - AT_ONCE < weights.bytes_here(TINY, tmp_path) < SIZE
    hub.manners = Manners()
    fetch(hub, tmp_path)
    assert weights.bytes_here(TINY, tmp_path) == SIZE + SMALL
    assert weights.remove(TINY, tmp_path) >= SIZE
    assert leftovers(tmp_path) == []


def test_files_of_the_persons_own_are_never_removed(tmp_path: Path) -> None:
    put(tmp_path / "tiny", *FILES)
    assert weights.remove(replace(TINY, repo=""), tmp_path) == 0
    assert weights.remove(replace(TINY, folder=str(tmp_path / "tiny")), tmp_path / "models") == 0
    assert len(leftovers(tmp_path)) == 2


def test_huggingface_hubs_own_client_understands_the_fake_hub_and_its_cache_is_used(
    hub: FakeHub, tmp_path: Path
) -> None:
    for name in FILES:
        huggingface_hub.hf_hub_download(TINY.repo, name, endpoint=hub.url, cache_dir=tmp_path / "cache", token=False)
    paths = weights.fetch(TINY, tmp_path / "models", environ={"HF_HUB_OFFLINE": "1"})
    assert [path.read_bytes() for path in paths] == list(FILES.values())
    assert all(path.is_relative_to(tmp_path / "cache") and path.parent.name == COMMIT for path in paths)
