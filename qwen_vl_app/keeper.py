"""Brings the model that answers and, when the operator says so, another; one thing at a time, told in the terminal."""

import asyncio
import sys
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

from qwen_vl_app import catalogue, weights
from qwen_vl_app.catalogue import Model
from qwen_vl_app.choices import Choice, Projector, alone, models, offered, room_bytes, same, seeing_by
from qwen_vl_app.errors import Language, SetupError
from qwen_vl_app.host import DEMO, DRAIN, Host
from qwen_vl_app.weights import Terminal

FAILED = (
    "error: {why}\nThe page stays open and says so; when it is put right press Retry there, or start again.",
    "错误：{why}\n页面保持打开并会显示原因；解决后请在页面上点击“重试”，或重新启动。",
)


class Keeper:
    """Keeps one model answering. Use it from the host's event loop."""

    def __init__(self, host: Host, language: Language = "en") -> None:
        """The terminal is spoken to in `language`."""
        self.host = host
        self._language = language
        self._show = Terminal(sys.stderr, language)
        self._work: asyncio.Task[None] | None = None

    @property
    def busy(self) -> bool:
        """Whether a model is on its way."""
        return bool(self._work and not self._work.done())

    @property
    def open(self) -> bool:
        """Whether another one can be chosen now: not while one is loaded."""
        return not self.busy or self.host.downloading or self.host.installing

    def begin(self) -> None:
        """Have the engine installed, fetch and load the host's model, in the background; after a failure, anew."""
        if self.host.installation:
            self.host.installation.begin()
        if not self.busy:
            self._do(self.host.start(self._show))

    async def choose(self, name: str, quant: str, projector: str = "") -> None:
        """Let another model answer, as soon as it can; an unknown one, or one that answers already, changes nothing.

        Its projector is in the quantisation `projector`, else in that of the present one, as far as it has such.

        A download that is under way is stopped; what came is kept. While a model is loaded nothing can be chosen.
        """
        model = offered(name, quant, projector or self._projector)
        if not model or not self.open:
            return
        await self.stop()
        weights.remember(self._folder, name, quant, model.mmproj.quant)
        if self.host.state in ("ready", "restarting"):
            if model.paths(Path()) != self.host.model.paths(Path()):
                self._do(self._exchange(model))
        else:
            self.host.model = model
            self.begin()

    async def stop(self) -> None:
        """Stop the download or the loading, if there is any; what came is kept, and who answered before goes on."""
        if self.busy and self._work:
            self.host.cancel()
            await asyncio.wait({self._work})

    async def delete(self, name: str, quant: str) -> None:
        """Delete what was downloaded of a model, unless it answers, is on its way, or shares the file with one here.

        Raises:
            SetupError: a file cannot be deleted.
        """
        model = offered(name, quant)
        if not model or self._used(model):
            return
        keep = self._shared(model)
        try:
            for each in (model, *(seeing_by(model, file.quant) for file in model.projectors)):
                weights.remove(each, self._folder, keep)
        except OSError as error:
            raise SetupError(f"{model.model.name}: {error.strerror}") from error

    @property
    def room(self) -> int:
        """Memory for a model in bytes."""
        return room_bytes(self.host)

    def choices(self) -> list[Choice]:
        """What can be chosen, the largest model first, the demo last."""
        room = self.room
        return [self._choice(model, room) for model in models(self._projector)]

    def projectors(self) -> list[Projector]:
        """What the present model can see by; empty where there is nothing to choose."""
        model, room = self.host.model, self.room
        if len(model.projectors) < 2 or not offered(model.name, model.model.quant):
            return []
        found = [(file, seeing_by(model, file.quant)) for file in model.projectors]
        needs = [self._need(each) for _, each in found]
        return [
            Projector(file, need, need <= room, file.quant == model.mmproj.quant, each.paths(self._folder)[1].is_file())
            for (file, each), need in zip(found, needs, strict=True)
        ]

    def _choice(self, model: Model, room: int) -> Choice:
        need = self._need(model)
        return Choice(
            model=model,
            size=model.size,
            need=need,
            fits=need <= room,
            answers=same(model, self.host.model) and self.host.state in ("ready", "restarting"),
            coming=self._comes(model),
            whole=bool(model.repo) and self._path(model).is_file(),
            part=bool(model.repo) and weights.bytes_here(alone(model), self._folder) > 0,
        )

    def _need(self, model: Model) -> int:
        return catalogue.need_bytes(model, self.host.ctx_size) if model.size else 0

    @property
    def _projector(self) -> str:
        """How the projector is wanted: as that of the model on its way or here, else as the settings have it."""
        present = (self.host.coming or self.host.model).mmproj.quant
        return present or catalogue.quant_name(self.host.settings.mmproj)

    def _comes(self, model: Model) -> bool:
        return self.busy and same(model, self.host.coming or self.host.model)

    def _used(self, model: Model) -> bool:
        return same(model, self.host.model) or bool(self.host.coming and same(model, self.host.coming))

    def _shared(self, model: Model) -> set[Path]:
        """The files of `model` that another one which is here needs too: the projectors of two quantisations."""
        others = [other for other in models() if other.repo and not same(other, model)]
        here = [other for other in others if self._used(other) or self._path(other).is_file()]
        seeing = [seeing_by(other, file.quant) for other in here for file in (*other.projectors, other.mmproj)]
        return {path for each in seeing for path in each.paths(self._folder)}

    def _path(self, model: Model) -> Path:
        return model.paths(self._folder)[0]

    @property
    def _folder(self) -> Path:
        return Path(self.host.settings.models_dir)

    async def _exchange(self, model: Model) -> None:
        """Let `model` answer from now on; the present one does until its files are here, and again if it fails.

        A demo is so small that both are loaded for a moment. Of two others the first is stopped before the second is
        loaded: questions wait, and open answers get `DRAIN` seconds to end.
        """
        host = self.host
        host.coming, host.trouble = model, None
        try:
            files = await host.files(model, self._show)
            model = weights.refined(model, files)
            beside = DEMO in (model.name, host.model.name)
            await (host.load_beside(model, files) if beside else self._load_instead(model, files))
        except SetupError as trouble:
            host.trouble = trouble
            if not host.engine.engine and host.engine.before != "closed":
                host.engine.before = "failed"
            raise
        finally:
            host.coming = None

    async def _load_instead(self, model: Model, files: tuple[Path, Path]) -> None:
        switch, plan, before = self.host.engine, self.host.plan, self.host.model
        switch.before = "starting"
        await switch.replace(None, DRAIN)
        try:
            await self.host.load(model, files)
        except SetupError:
            if plan:
                await self.host.load_again(before, plan)
            raise

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        self._work = asyncio.create_task(self._told(work))

    async def _told(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
            print(self.host.summary(self._language), flush=True)
        except SetupError as failure:
            words = FAILED[self._language == "zh"].format(why=failure.text(self._language))
            print(words, file=sys.stderr, flush=True)

    async def close(self) -> None:
        """End what is under way, and the host."""
        if self._work:
            self._work.cancel()
        if self.host.installation:
            await self.host.installation.close()
        await self.host.close()
        if self._work:
            with suppress(asyncio.CancelledError):
                await self._work
