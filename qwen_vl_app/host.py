"""Which model answers, and how a picture and a question become a request for it."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from qwen_vl_app import catalogue, media, weights
from qwen_vl_app.catalogue import Detail, Model, PictureBudget
from qwen_vl_app.chat import Message, Request
from qwen_vl_app.engine import Engine, State
from qwen_vl_app.engine.fit import SMALLEST_CONTEXT, USUAL_CONTEXT, summary
from qwen_vl_app.engine.local import LocalEngine
from qwen_vl_app.engine.plan import Plan
from qwen_vl_app.engine.switch import Switch
from qwen_vl_app.errors import Language, SetupError
from qwen_vl_app.install.meanwhile import Installation
from qwen_vl_app.media.fit import Box
from qwen_vl_app.opened import Opened, limits
from qwen_vl_app.planning import faster, model_for, plan_for
from qwen_vl_app.settings import ROOT, Settings
from qwen_vl_app.stopping import Stopped, Stopping
from qwen_vl_app.tasks import ASK, Task
from qwen_vl_app.weights import Progress

DEMO = "demo"
BUNDLED = ROOT / "models"  # the demo's files lie in the repository, wherever --models-dir leads
DRAIN = 30.0  # s that open answers get when another model takes over

Fetch: TypeAlias = Callable[[Model, Path, str, Callable[[Progress], None], threading.Event], tuple[Path, Path]]


class Host:
    """The model that answers and its engine. Use it from one event loop: `start`, then requests, then `close`."""

    def __init__(
        self,
        settings: Settings,
        model: Model,
        engine: Engine | None = None,
        fetch: Fetch = weights.fetch,
        installation: Installation | None = None,
    ) -> None:
        """`engine`, if given, is used as it is; else files are fetched and, all installed, loaded at `start`."""
        self.settings = settings
        self.model = model
        self.engine = Switch()
        self.engine.engine = engine
        self.progress: Progress | None = None
        self.installation = installation
        self.plan: Plan | None = None
        self.coming: Model | None = None  # another one, on its way to take over
        self.downloading = False
        self.trouble: SetupError | None = None
        self._opened = Opened()
        self._demo: Host | None = None
        self._demo_starts = asyncio.Lock()
        self._fetch = fetch
        self._stopping = Stopping()

    @property
    def state(self) -> State:
        """Whether questions are answered now."""
        state = self.engine.state
        if state not in ("waiting", "downloading"):
            return state
        if self.installing:
            return "installing"
        return "failed" if self.installation and self.installation.failure else state

    @property
    def installing(self) -> bool:
        """Whether llama.cpp is being installed: no model can answer before."""
        return bool(self.installation and self.installation.under_way)

    @property
    def built(self) -> float | None:
        """The fraction of llama.cpp that is built, where it is being built and that is known."""
        return self.installation.share if self.installation and self.installing else None

    @property
    def failure(self) -> SetupError | None:
        """Why the model does not answer; where it does: why another one could not take over."""
        engine = self.engine.engine
        if isinstance(engine, LocalEngine) and engine.state == "failed" and not self.trouble:
            return engine.failure  # it ran, and could not be started again
        return self.trouble or (self.installation.failure if self.installation else None)

    @property
    def ctx_size(self) -> int:
        """Tokens that one conversation may use."""
        return self.plan.ctx_size if self.plan else self.settings.ctx_size or USUAL_CONTEXT

    @property
    def loaded(self) -> float:
        """The fraction of the model that is loaded."""
        return self.engine.engine.loaded if isinstance(self.engine.engine, LocalEngine) else 0.0

    def summary(self, language: Language) -> str:
        """Where and how the model runs, in one line; empty until it is loaded."""
        engine = self.engine.engine
        if not isinstance(engine, LocalEngine) or engine.state != "ready":
            return ""
        slow = "" if engine.device else faster(engine.fitted.model_bytes, language)
        return summary(engine.fitted, engine.device, language) + slow

    async def start(self, show: Callable[[Progress], None] = lambda _: None) -> None:
        """Fetch and load the model, after a failure anew; `show` is told from a thread how far the download is.

        Raises:
            SetupError: it cannot be had or loaded; the message says why and what to do.
        """
        self.trouble = None
        try:
            if self.engine.state == "failed":
                self.engine.before = "waiting"
                await self.engine.replace(None, 0)
            if not self.engine.engine:
                files = await self.files(self.model, show)
                if self.installation:
                    await self._stopping.step(self.installation.done())
                await self.load(weights.refined(self.model, files), files)
            else:
                await self.engine.start()
        except SetupError as trouble:
            self.trouble = trouble
            if self.engine.before != "closed":
                self.engine.before = "failed"
            raise

    def cancel(self) -> None:
        """Stop the download or the loading, if there is any, and what would follow; what came is kept."""
        self._stopping.stop()

    async def files(self, model: Model, show: Callable[[Progress], None]) -> tuple[Path, Path]:
        """The files of `model`, fetched if they are not here; raises as `start`."""
        self._stopping.anew()
        folder = Path(self.settings.models_dir)
        if not model.repo:
            return model.paths(folder)
        if self.engine.before != "closed":
            self.engine.before, self.progress = "downloading", None

        def report(progress: Progress) -> None:
            self.progress = progress
            show(progress)

        self.downloading = True
        try:
            return await asyncio.to_thread(self._fetch, model, folder, self.settings.hub, report, self._stopping.told)
        finally:
            self.downloading = False

    async def load(self, model: Model, files: tuple[Path, Path]) -> None:
        """Load `model` where none is; raises as `start`."""
        self.model, self.plan = model, plan_for(self.settings, model, *files)
        self.engine.engine = LocalEngine(self.plan)
        try:
            await self._stopping.step(self.engine.start())
        except Stopped:
            await self.engine.replace(None, 0)
            raise

    async def load_again(self, model: Model, plan: Plan) -> None:
        """Load what answered before, where another one could not; raises as `start`."""
        await self.engine.replace(None, 0)
        self._stopping.anew()
        await self.load(model, (Path(plan.model), Path(plan.mmproj)))

    async def load_beside(self, model: Model, files: tuple[Path, Path]) -> None:
        """Load `model` and let it take over from the present one; raises as `start`."""
        plan = plan_for(self.settings, model, *files)
        engine = LocalEngine(plan)
        await self._stopping.step(engine.start())
        self.model, self.plan = model, plan
        await self.engine.replace(engine, DRAIN)

    async def demo(self) -> "Host":
        """The demo model, which answers beside any other; loaded when it is asked for the first time.

        Raises:
            SetupError: it cannot be loaded.
        """
        if self.model.name == DEMO:
            return self
        async with self._demo_starts:
            if self._demo is None:
                settings = replace(self.settings, model=DEMO, ctx_size=SMALLEST_CONTEXT, models_dir=str(BUNDLED))
                demo = Host(settings, catalogue.find(DEMO), installation=self.installation)
                await demo.start()
                self._demo = demo
        return self._demo

    async def close(self) -> None:
        """Stop the download or the engines; no process is left."""
        self._stopping.close()
        await self.engine.close()
        if self._demo:
            await self._demo.close()

    async def picture(
        self,
        source: Path | bytes,
        name: str,
        owner: str = "",
        among: int = 1,
        detail: Detail = "usual",
        region: Box | None = None,
    ) -> media.Picture:
        """The picture, or its `region` in px, fitted for the model that answers, `among` so many in one context.

        With an `owner`, the same bytes from the same person are not decoded again: a follow-up sends them anew.

        Raises:
            BadRequest: it cannot be read or is too large; see `media.open_picture`.
        """
        return await self._opened.open(source, name, *self._limits(detail, among), owner, region)

    async def pieces(
        self, source: Path | bytes, name: str, detail: Detail = "usual", region: Box | None = None
    ) -> tuple[media.Picture, ...]:
        """A long picture, or its `region`, in pieces to be read one after the other; raises as `picture`."""
        return await media.open_tiles(source, name, *self._limits(detail, 1), region)

    def _limits(self, detail: Detail, among: int) -> tuple[PictureBudget, int]:
        return limits(self.model, detail, self.ctx_size // 2 // among, self.settings.max_short_side)

    def request(self, messages: tuple[Message, ...], owner: str, task: Task = ASK) -> Request:
        """A request with the model's own sampling, or the one that the task needs."""
        return Request(messages, sampling=task.sampling(self.model.sampling), owner=owner)


def open_host(settings: Settings, installation: Installation | None = None) -> Host:
    """The host that `settings` ask for, not started yet; it loads nothing before the `installation` is done.

    Raises:
        SetupError: there is no such model; the message lists those there are.
    """
    return Host(settings, model_for(settings), installation=installation)
