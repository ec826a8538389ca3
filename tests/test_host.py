"""From a name to an answering model: files fetched, fitted to the machine, loaded."""

import asyncio
import hashlib
import threading
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest

from qwen_vl_app import opened as opened_module
from qwen_vl_app import weights
from qwen_vl_app.catalogue import File, Model, find
from qwen_vl_app.chat import Image, Message, Text, join
from qwen_vl_app.engine.fit import USUAL_CONTEXT
from qwen_vl_app.errors import NotReady, SetupError
from qwen_vl_app.host import Host, open_host
from qwen_vl_app.media import Picture
from qwen_vl_app.media.fit import Fit
from qwen_vl_app.planning import model_for, plan_for
from qwen_vl_app.settings import Settings
from qwen_vl_app.weights import Progress
from tests.conftest import ROOT
from tests.fake_engine import FakeEngine
from tests.fake_hub import COMMIT, FakeHub

ASKED = (Message("user", (Text("Describe this picture."),)),)  # the demo answers, picture or not


def served_model() -> tuple[Model, dict[str, bytes]]:
    """A model to download whose files are the demo's."""
    files = {path.name: path.read_bytes() for path in find("demo").paths(ROOT / "models")}
    entries = [File(name, len(data), hashlib.sha256(data).hexdigest()) for name, data in files.items()]
    model = replace(
        find("demo"),
        name="tiny",
        folder="Tiny-GGUF",
        repo="Org/Tiny-GGUF",
        revision=COMMIT,
        model=entries[0],
        mmproj=entries[1],
    )
    return model, files


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    """A hub that has the demo's files under another name."""
    with FakeHub(served_model()[1]) as hub:
        yield hub


def settings(tmp_path: Path, hub: str = "auto") -> Settings:
    return Settings(models_dir=str(tmp_path), hub=hub, ctx_size=2048, port=0)


def test_a_first_start_downloads_loads_and_answers(tmp_path: Path, hub: FakeHub) -> None:
    host = Host(settings(tmp_path, hub.url), served_model()[0])
    seen: list[Progress] = []

    async def first_start() -> str:
        states = [host.state]
        try:
            with pytest.raises(NotReady):
                await join(host.engine.stream(host.request(ASKED, "me")))
            await host.start(seen.append)
            states.append(host.state)
            assert states == ["waiting", "ready"]
            assert "2048 tokens each" in host.summary("en")
            async with aclosing(host.engine.stream(replace(host.request(ASKED, "me"), max_tokens=3))) as deltas:
                return (await join(deltas)).reason
        finally:
            await host.close()

    assert asyncio.run(first_start()) == "length"
    assert seen[-1].state == "ready"
    assert host.progress == seen[-1]
    assert host.state == "closed"


def test_a_second_start_downloads_nothing(tmp_path: Path, hub: FakeHub) -> None:
    async def start() -> None:
        host = Host(settings(tmp_path, hub.url), served_model()[0])
        await host.start()
        await host.close()

    asyncio.run(start())
    asked = len(hub.asked)
    asyncio.run(start())
    assert len(hub.asked) == asked


def test_closing_stops_a_download(tmp_path: Path, hub: FakeHub) -> None:
    hub.manners.bytes_per_second = 50_000
    host = Host(settings(tmp_path, hub.url), served_model()[0])

    async def leave_early() -> None:
        started = asyncio.create_task(host.start())
        while not hub.asked:
            await asyncio.sleep(0.02)
        assert host.state == "downloading"
        await host.close()
        with pytest.raises(SetupError):
            await started

    asyncio.run(leave_early())


def test_files_that_are_not_there_are_named(tmp_path: Path) -> None:
    host = Host(settings(tmp_path), find("demo"))
    with pytest.raises(SetupError, match=r"model\.gguf"):
        asyncio.run(host.start())
    assert host.state == "failed"


def test_auto_takes_the_largest_model_that_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    for gigabytes, name in ((64, "8b"), (6, "4b"), (3, "2b"), (1, "2b")):
        memory = type("Memory", (), {"available": gigabytes << 30})
        monkeypatch.setattr("qwen_vl_app.planning.psutil.virtual_memory", lambda memory=memory: memory)
        assert model_for(Settings()).name == name


def test_auto_takes_the_model_that_was_chosen_in_the_page(tmp_path: Path) -> None:
    weights.remember(tmp_path / "new", "4b", "Q8_0", "Q8_0")
    settings = Settings(models_dir=str(tmp_path / "new"))
    model = model_for(settings)
    assert (model.name, model.model.quant, model.mmproj.quant) == ("4b", "Q8_0", "Q8_0")
    assert model_for(replace(settings, mmproj="fp16")).mmproj.quant == "F16"
    assert model_for(replace(settings, model="2b")).name == "2b"
    assert model_for(replace(settings, quant="int4")).model.quant == "Q4_K_M"
    (tmp_path / "new" / ".chosen").write_text("4b Q8_0\n")  # as an earlier version wrote it
    assert model_for(settings).mmproj.quant == "F16"
    for odd in ("", "70b Q4_K_M", "4b Q9", "4b Q8_0 Q9", "demo "):
        (tmp_path / "new" / ".chosen").write_text(odd)
        assert model_for(settings).name in ("8b", "4b", "2b")


def test_an_unknown_model_is_refused() -> None:
    with pytest.raises(SetupError, match=r"70b.*known"):
        open_host(Settings(model="70b"))


def test_a_file_is_a_model_too_and_finds_its_projector() -> None:
    host = open_host(Settings(model=str(ROOT / "models/demo/model.gguf"), ctx_size=2048))

    async def start() -> str:
        try:
            await host.start()
            asked = replace(host.request(ASKED, "me"), max_tokens=2)
            async with aclosing(host.engine.stream(asked)) as deltas:
                return (await join(deltas)).reason
        finally:
            await host.close()

    assert asyncio.run(start()) == "length"


def test_the_plan_follows_the_settings(tmp_path: Path) -> None:
    files = find("demo").paths(ROOT / "models")
    plan = plan_for(Settings(ctx_size=2048, parallel=2, gpu_layers=3, kv_type="q8_0"), find("demo"), *files)
    assert (plan.ctx_size, plan.pool, plan.parallel, plan.gpu_layers, plan.kv_type) == (2048, 4096, 2, 3, "q8_0")
    assert plan.model_bytes == files[0].stat().st_size


def test_a_picture_leaves_half_of_a_small_context_for_words(loop: object) -> None:
    host = Host(Settings(ctx_size=512), replace(find("8b")), FakeEngine())
    picture = asyncio.run(host.picture((ROOT / "qwen_vl_app/ui/icon.png").read_bytes(), "icon"))
    assert picture.image.width * picture.image.height // 1024 <= 256
    assert Host(Settings(), find("8b"), FakeEngine()).ctx_size == USUAL_CONTEXT


def test_no_thread_is_left(tmp_path: Path) -> None:
    before = threading.active_count()
    test_files_that_are_not_there_are_named(tmp_path)
    assert threading.active_count() <= before + 1


def test_the_same_bytes_of_the_same_person_are_decoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []

    async def open_picture(source: bytes, *rest: object) -> Picture:
        opened.append(source)
        return Picture(Image(b"\0" * 3072, 32, 32, source.hex()), 32, 32, Fit(32, 32, 0, 0, 32, 32), (0, 0, 32, 32))

    monkeypatch.setattr(opened_module.media, "open_picture", open_picture)
    monkeypatch.setattr(opened_module, "KEPT_BYTES", 2 * 3072)
    host = Host(Settings(), find("demo"), FakeEngine())
    for owner, source in (("ann", b"a"), ("ann", b"a"), ("bob", b"a"), ("ann", b"b"), ("ann", b"a"), ("", b"a")):
        asyncio.run(host.picture(source, "picture", owner))
    assert opened == [b"a", b"a", b"b", b"a", b"a"]  # bob's own; ann's first went when b came; nobody's is not kept
