"""The operator's actions, against a hub on this machine and the true demo model."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from qwen_vl_app import choices as choices_module
from qwen_vl_app import weights
from qwen_vl_app.catalogue import Model
from qwen_vl_app.chat import Finished, Message, Text, Token
from qwen_vl_app.engine import local
from qwen_vl_app.engine.plan import Plan
from qwen_vl_app.engine.process import Worker
from qwen_vl_app.engine.wire import ToWorker
from qwen_vl_app.host import Host
from qwen_vl_app.install.meanwhile import NotInstalled
from qwen_vl_app.keeper import Keeper
from qwen_vl_app.server import health_of
from qwen_vl_app.stopping import Stopped
from qwen_vl_app.weights import Cancelled, NoHub
from tests.fake_hub import FakeHub
from tests.slow_build import SHARE, SlowBuild
from tests.test_host import ASKED, served_model, settings

TINY, FILES = served_model()
OTHER = replace(TINY, name="other", folder="Other-GGUF")
WAIT = 60  # s
LONG = (Message("user", (Text("hello " * 20),)),)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """A hub that has the demo's files as two models, which can be chosen."""
    known = {model.name: with_files(model) for model in (TINY, OTHER)}
    monkeypatch.setattr(choices_module.catalogue, "MODELS", {**known, **choices_module.catalogue.MODELS})
    with FakeHub(dict(FILES)) as hub:
        yield hub


def with_files(model: Model) -> Model:
    return replace(model, files=(model.model,), projectors=(model.mmproj,))


def keeping(
    hub: FakeHub,
    folder: Path,
    work: Callable[[Keeper], Awaitable[None]],
    model: Model = TINY,
    build: SlowBuild | None = None,
) -> None:
    """Do `work` with a keeper whose host begins with `model`, and loads nothing before the `build` is done."""

    async def kept() -> None:
        keeper = Keeper(Host(settings(folder, hub.url), model, installation=build.installation if build else None))
        try:
            await asyncio.wait_for(work(keeper), WAIT)
        finally:
            await keeper.close()

    asyncio.run(kept())


async def until(state: str, keeper: Keeper) -> None:
    while keeper.host.state != state or (state in ("ready", "failed") and keeper.busy):
        await asyncio.sleep(0.02)


async def words(host: Host, most: int = 3) -> int:
    """How many tokens an answer has."""
    async with aclosing(host.engine.stream(replace(host.request(ASKED, "me"), max_tokens=most))) as deltas:
        return sum([isinstance(delta, Token) async for delta in deltas])


def test_a_failed_download_is_tried_again_and_goes_on(tmp_path: Path, hub: FakeHub) -> None:
    async def work(keeper: Keeper) -> None:
        hub.manners.status = 404
        keeper.begin()
        await until("failed", keeper)
        assert isinstance(keeper.host.failure, NoHub)
        hub.manners.status = 0
        keeper.begin()
        assert keeper.host.state != "failed" or keeper.busy
        await until("ready", keeper)
        assert keeper.host.failure is None and await words(keeper.host)

    keeping(hub, tmp_path, work)


def test_a_model_that_cannot_be_loaded_is_tried_again(tmp_path: Path, hub: FakeHub) -> None:
    """A file that is whole but no model: the engine refuses it; then the right ones are put there."""

    async def work(keeper: Keeper) -> None:
        keeper.begin()
        await until("failed", keeper)
        assert "cannot be loaded" in str(keeper.host.failure)
        for path, data in zip(TINY.paths(tmp_path), FILES.values(), strict=True):
            path.write_bytes(data)
        keeper.begin()
        await until("ready", keeper)

    blank = replace(TINY, repo="")
    for path in blank.paths(tmp_path):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"GGUF no more")
    keeping(hub, tmp_path, work, blank)


def test_a_stopped_download_can_be_continued(tmp_path: Path, hub: FakeHub) -> None:
    async def work(keeper: Keeper) -> None:
        hub.manners.bytes_per_second = 500_000
        keeper.begin()
        while not hub.sent:
            await asyncio.sleep(0.02)
        assert keeper.busy and keeper.open
        await keeper.stop()
        assert isinstance(keeper.host.failure, Cancelled) and keeper.host.state == "failed"
        hub.manners.bytes_per_second = 0
        keeper.begin()
        await until("ready", keeper)

    keeping(hub, tmp_path, work)


def test_another_model_is_chosen_while_the_first_is_downloaded(tmp_path: Path, hub: FakeHub) -> None:
    async def work(keeper: Keeper) -> None:
        hub.manners.bytes_per_second = 100_000
        keeper.begin()
        while not hub.sent:
            await asyncio.sleep(0.02)
        hub.manners.bytes_per_second = 0
        await keeper.choose("other", "")
        await until("ready", keeper)
        assert keeper.host.model.name == "other"

    keeping(hub, tmp_path, work)


def test_the_demo_answers_until_the_real_one_takes_over(tmp_path: Path, hub: FakeHub) -> None:
    async def work(keeper: Keeper) -> None:
        keeper.begin()
        await until("ready", keeper)
        before = keeper.host.engine.engine
        hub.manners.bytes_per_second = 2_000_000
        await keeper.choose("tiny", "")
        answered = 0
        while keeper.busy:
            assert keeper.host.state == "ready" and await words(keeper.host)
            answered += 1
        assert answered and keeper.host.model.name == "tiny" and keeper.host.engine.engine is not before
        assert await words(keeper.host)

    keeping(hub, tmp_path, work, choices_module.bundled())


def test_of_two_real_models_the_first_ends_its_answers_before_the_second_is_loaded(
    tmp_path: Path, hub: FakeHub
) -> None:
    async def work(keeper: Keeper) -> None:
        keeper.begin()
        await until("ready", keeper)
        answer = keeper.host.engine.stream(replace(keeper.host.request(LONG, "me"), max_tokens=60))
        await anext(answer)
        await keeper.choose("other", "")
        await until("starting", keeper)
        ends = [delta async for delta in answer]
        assert isinstance(ends[-1], Finished) and len(ends) > 3
        await until("ready", keeper)
        assert keeper.host.model.name == "other"

    keeping(hub, tmp_path, work)


def test_the_old_model_goes_on_if_the_new_one_cannot_be_loaded(tmp_path: Path, hub: FakeHub) -> None:
    async def work(keeper: Keeper) -> None:
        keeper.begin()
        await until("ready", keeper)
        await keeper.choose("broken", "")
        await until("ready", keeper)
        assert keeper.host.model.name == "tiny" and "cannot be loaded" in str(keeper.host.failure)
        assert await words(keeper.host)

    hub.files["broken.gguf"] = b"GGUF no more"
    broken = replace(with_files(OTHER), name="broken", model=replace(TINY.model, name="broken.gguf", size=0, sha256=""))
    broken = replace(broken, files=(broken.model,))
    choices_module.catalogue.MODELS["broken"] = broken
    keeping(hub, tmp_path, work)


def test_deleting_keeps_what_answers_and_what_others_need(tmp_path: Path, hub: FakeHub) -> None:
    sibling = replace(TINY, model=replace(TINY.model, name="model-Q8_0.gguf", quant="Q8_0"))
    models = choices_module.catalogue.MODELS
    models["tiny"] = replace(TINY, files=(TINY.model, sibling.model))
    for model in (TINY, sibling, OTHER):
        for path in model.paths(tmp_path):
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(FILES[path.name.replace("-Q8_0", "")])

    async def work(keeper: Keeper) -> None:
        keeper.begin()
        await until("ready", keeper)
        for name, quant in (("tiny", ""), ("tiny", "Q8_0"), ("other", ""), ("demo", ""), ("no", "such")):
            await keeper.delete(name, quant)
        assert all(path.is_file() for path in TINY.paths(tmp_path)) and not sibling.paths(tmp_path)[0].exists()
        assert not any(path.exists() for path in OTHER.paths(tmp_path))
        facts = {(choice.model.name, choice.model.model.quant): choice for choice in keeper.choices()}
        assert facts["tiny", ""].answers and facts["tiny", ""].whole and facts["tiny", ""].fits
        assert not facts["other", ""].part and not facts["tiny", "Q8_0"].part and list(facts)[-1] == ("demo", "")

    keeping(hub, tmp_path, work)


def test_the_model_is_downloaded_while_the_engine_is_built_and_loaded_when_both_are_here(
    tmp_path: Path, hub: FakeHub
) -> None:
    build = SlowBuild(tmp_path)

    async def work(keeper: Keeper) -> None:
        host = keeper.host
        keeper.begin()
        while host.built is None or host.downloading or not host.progress:
            assert host.state == "installing"
            await asyncio.sleep(0.02)
        health = health_of(host)
        assert (health["state"], health["built"]) == ("installing", SHARE) and keeper.busy
        assert host.progress.state == "ready" and all(path.is_file() for path in TINY.paths(tmp_path))
        assert host.engine.engine is None
        build.say("go")
        await until("ready", keeper)
        assert health_of(host)["built"] is None and await words(host)

    keeping(hub, tmp_path, work, build=build)


def test_an_engine_that_comes_first_waits_for_the_download(tmp_path: Path, hub: FakeHub) -> None:
    build = SlowBuild(tmp_path)
    build.say("go")

    async def work(keeper: Keeper) -> None:
        hub.manners.bytes_per_second = 300_000
        keeper.begin()
        assert keeper.host.state == "installing"
        await until("downloading", keeper)
        hub.manners.bytes_per_second = 0
        await until("ready", keeper)

    keeping(hub, tmp_path, work, build=build)


def test_an_engine_that_cannot_be_built_is_said_at_once_and_built_again(tmp_path: Path, hub: FakeHub) -> None:
    build = SlowBuild(tmp_path)

    async def work(keeper: Keeper) -> None:
        host = keeper.host
        hub.manners.bytes_per_second = 100_000
        keeper.begin()
        build.say("fail")
        while host.state != "failed":
            await asyncio.sleep(0.02)
        assert isinstance(host.failure, NotInstalled) and host.downloading  # that goes on
        await keeper.stop()
        hub.manners.bytes_per_second = 0
        keeper.begin()
        await until("installing", keeper)
        assert host.failure is None
        build.say("go")
        await until("ready", keeper)

    keeping(hub, tmp_path, work, build=build)


def test_without_an_engine_nothing_is_loaded_and_files_that_came_are_kept(tmp_path: Path, hub: FakeHub) -> None:
    build = SlowBuild(tmp_path)

    async def work(keeper: Keeper) -> None:
        keeper.begin()
        while keeper.host.downloading or not keeper.host.progress:
            await asyncio.sleep(0.02)
        build.say("fail")
        await until("failed", keeper)
        assert isinstance(keeper.host.failure, NotInstalled) and all(path.is_file() for path in TINY.paths(tmp_path))
        with pytest.raises(NotInstalled):
            await keeper.host.demo()
        asked = len(hub.asked)
        keeper.begin()
        build.say("go")
        await until("ready", keeper)
        assert len(hub.asked) == asked and await words(await keeper.host.demo())

    keeping(hub, tmp_path, work, build=build)


class EndlessWorker(Worker):
    """A true worker that is never told what to load where `endless` is part of the file's name."""

    endless = "-GGUF"
    begun: ClassVar[list[Worker]] = []

    def send(self, message: ToWorker) -> None:
        if isinstance(message, Plan) and self.endless in message.model:
            self.begun.append(self)
        else:
            super().send(message)


@pytest.fixture
def endless(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Worker]]:
    """The workers whose loading does not end; afterwards none of them runs."""
    monkeypatch.setattr(local, "Worker", EndlessWorker)
    monkeypatch.setattr(EndlessWorker, "begun", [])
    yield EndlessWorker.begun
    assert EndlessWorker.begun and all(worker.process.poll() is not None for worker in EndlessWorker.begun)


async def loading(keeper: Keeper, endless: list[Worker], count: int = 1) -> None:
    while len(endless) < count:
        await asyncio.sleep(0.02)
    assert keeper.busy and not keeper.open


async def loading_other(keeper: Keeper, endless: list[Worker]) -> None:
    """Return when another model is being loaded in the place of one that answers."""
    keeper.begin()
    await until("ready", keeper)
    await keeper.choose("other", "")
    await loading(keeper, endless)


def test_loading_the_first_model_can_be_stopped_and_begun_again(
    tmp_path: Path, hub: FakeHub, endless: list[Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(keeper: Keeper) -> None:
        keeper.begin()
        await loading(keeper, endless)
        assert keeper.host.state == "starting"
        await keeper.stop()
        assert not keeper.busy and keeper.host.state == "failed" and isinstance(keeper.host.failure, Stopped)
        assert endless[0].process.poll() is not None and all(path.is_file() for path in TINY.paths(tmp_path))
        monkeypatch.setattr(EndlessWorker, "endless", "nothing")
        keeper.begin()
        await until("ready", keeper)
        assert keeper.host.failure is None and await words(keeper.host)

    keeping(hub, tmp_path, work)


def test_the_old_model_answers_again_when_loading_the_new_one_is_stopped(
    tmp_path: Path, hub: FakeHub, endless: list[Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EndlessWorker, "endless", "Other-GGUF")

    async def work(keeper: Keeper) -> None:
        await loading_other(keeper, endless)
        await keeper.choose("demo", "")  # not now
        assert keeper.host.coming and keeper.host.coming.name == "other"
        await keeper.stop()
        assert keeper.host.state == "ready" and isinstance(keeper.host.failure, Stopped)
        assert keeper.host.model.name == "tiny" and keeper.host.coming is None and await words(keeper.host)

    keeping(hub, tmp_path, work)


def test_the_old_model_is_not_loaded_again_either_if_that_is_stopped_too(
    tmp_path: Path, hub: FakeHub, endless: list[Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EndlessWorker, "endless", "Other-GGUF")

    async def work(keeper: Keeper) -> None:
        await loading_other(keeper, endless)
        monkeypatch.setattr(EndlessWorker, "endless", "-GGUF")
        first = asyncio.create_task(keeper.stop())
        await loading(keeper, endless, 2)
        await keeper.stop()
        await first
        assert keeper.host.state == "failed" and keeper.host.model.name == "tiny" and not keeper.busy
        monkeypatch.setattr(EndlessWorker, "endless", "nothing")
        keeper.begin()
        await until("ready", keeper)
        assert keeper.host.model.name == "tiny"

    keeping(hub, tmp_path, work)


def test_the_demo_answers_on_when_loading_the_real_one_is_stopped(
    tmp_path: Path, hub: FakeHub, endless: list[Worker]
) -> None:
    async def work(keeper: Keeper) -> None:
        keeper.begin()
        await until("ready", keeper)
        await keeper.choose("tiny", "")
        await loading(keeper, endless)
        assert await words(keeper.host)
        await keeper.stop()
        assert keeper.host.state == "ready" and keeper.host.model.name == "demo" and await words(keeper.host)

    keeping(hub, tmp_path, work, choices_module.bundled())


def test_what_is_loaded_when_the_program_ends_is_ended_too(tmp_path: Path, hub: FakeHub, endless: list[Worker]) -> None:
    async def work(keeper: Keeper) -> None:
        keeper.begin()
        await loading(keeper, endless)
        await keeper.close()
        assert keeper.host.state == "closed" and not keeper.busy

    keeping(hub, tmp_path, work)


def test_waiting_for_the_engine_ends_when_another_model_is_chosen(tmp_path: Path, hub: FakeHub) -> None:
    build = SlowBuild(tmp_path)

    async def work(keeper: Keeper) -> None:
        keeper.begin()
        while keeper.host.built is None or keeper.host.downloading or not keeper.host.progress:
            await asyncio.sleep(0.02)
        assert keeper.open
        await keeper.choose("other", "")
        assert keeper.busy and len(build.children) == 1
        build.say("go")
        await until("ready", keeper)
        assert keeper.host.model.name == "other"

    keeping(hub, tmp_path, work, build=build)


def test_another_projector_is_downloaded_answers_is_remembered_and_deleted_with_its_model(
    tmp_path: Path, hub: FakeHub
) -> None:
    hub.files["mmproj-Q8_0.gguf"] = FILES["mmproj.gguf"]
    usual, small = replace(TINY.mmproj, quant="F16"), replace(TINY.mmproj, name="mmproj-Q8_0.gguf", quant="Q8_0")
    known = choices_module.catalogue.MODELS
    for model in (TINY, OTHER):
        known[model.name] = replace(known[model.name], mmproj=usual, projectors=(usual, small))

    async def work(keeper: Keeper) -> None:
        keeper.begin()
        await until("ready", keeper)
        assert [(each.file.quant, each.used, each.here) for each in keeper.projectors()] == [
            ("F16", True, True),
            ("Q8_0", False, False),
        ]
        await keeper.choose("tiny", "", "Q8_0")
        await until("ready", keeper)
        assert keeper.host.model.mmproj == small and await words(keeper.host)
        assert [each.used for each in keeper.projectors()] == [False, True]
        await keeper.choose("other", "")
        await until("ready", keeper)
        assert keeper.host.model.mmproj == small  # as before
        assert weights.remembered(tmp_path) == ("other", "", "Q8_0")
        await keeper.delete("tiny", "")
        assert not list((tmp_path / TINY.folder).glob("*.gguf"))

    keeping(hub, tmp_path, work, known["tiny"])
