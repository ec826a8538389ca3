"""Which model answers, and how a picture and a question become a request for it."""

import asyncio
import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import psutil

from qwen_vl_app import catalogue, media, weights
from qwen_vl_app.catalogue import Detail, Model, PictureBudget
from qwen_vl_app.chat import Message, Request
from qwen_vl_app.engine import Engine, State
from qwen_vl_app.engine.fit import IDLE_PER_SLOT, KV_SCALE, SMALLEST_CONTEXT, USUAL_CONTEXT, contexts, summary
from qwen_vl_app.engine.local import LocalEngine
from qwen_vl_app.engine.plan import Plan
from qwen_vl_app.engine.switch import Switch
from qwen_vl_app.errors import Language, SetupError
from qwen_vl_app.settings import AUTO_WORD, ROOT, Settings
from qwen_vl_app.tasks import DESCRIBE, Task
from qwen_vl_app.weights import Progress

DEMO = "demo"
BUNDLED = ROOT / "models"  # the demo's files lie in the repository, wherever --models-dir leads
FINE_SIDES = 2  # a picture looked at closely may have this many times the permitted short side
OPENED_BYTES = 64 << 20  # pixels of pictures that need not be decoded again

Fetch: TypeAlias = Callable[[Model, Path, str, Callable[[Progress], None], threading.Event], tuple[Path, Path]]


class Host:
    """The model that answers and its engine. Use it from one event loop: `start`, then requests, then `close`."""

    def __init__(
        self, settings: Settings, model: Model, engine: Engine | None = None, fetch: Fetch = weights.fetch
    ) -> None:
        """`engine`, if given, is used as it is; else the model's files are fetched and loaded at `start`."""
        self.settings = settings
        self.model = model
        self.engine = Switch()
        self.engine.engine = engine
        self.progress: Progress | None = None
        self.plan: Plan | None = None
        self._opened: OrderedDict[tuple[str, bytes, PictureBudget], media.Picture] = OrderedDict()
        self._demo: Host | None = None
        self._demo_starts = asyncio.Lock()
        self._fetch = fetch
        self._leaving = threading.Event()

    @property
    def state(self) -> State:
        """Whether questions are answered now."""
        return self.engine.state

    @property
    def ctx_size(self) -> int:
        """Tokens that one conversation may use."""
        return self.plan.ctx_size if self.plan else self.settings.ctx_size or USUAL_CONTEXT

    @property
    def loaded(self) -> float:
        """The fraction of the model that is loaded."""
        engine = self.engine.engine
        return engine.loaded if isinstance(engine, LocalEngine) else 0.0

    def health(self) -> dict[str, object]:
        """State, model, how far the download (bytes) and the loading (fraction) are, and the plan in use."""
        download = self.progress.as_json() if self.progress else None
        return {
            "state": self.state,
            "model": self.model.name,
            "download": download,
            "loaded": round(self.loaded, 3),
            "plan": self.summary("en"),
        }

    def summary(self, language: Language) -> str:
        """Where and how the model runs, in one line; empty until it is loaded."""
        engine = self.engine.engine
        if not isinstance(engine, LocalEngine) or engine.state != "ready":
            return ""
        slow = "" if engine.device else self._faster(engine.fitted.model_bytes, language)
        return summary(engine.fitted, engine.device, language) + slow

    def _faster(self, model_bytes: int, language: Language) -> str:
        """What would be faster without a GPU: decoding reads all weights per token, so it goes by their size."""
        small = catalogue.find("2b")
        times = model_bytes / small.model.size
        if times < 1.5:
            return ""
        if language == "zh":
            return f"。没有 GPU：每秒只有几个 token；--model {small.name} 大约快 {times:.0f} 倍"
        return f". No GPU: expect a few tokens per second; --model {small.name} is about {times:.0f} times as fast"

    async def start(self, show: Callable[[Progress], None] = lambda _: None) -> None:
        """Fetch and load the model; returns when it answers. `show` is told how far the download is, from a thread.

        Raises:
            SetupError: it cannot be had or loaded; the message says why and what to do.
        """
        if not self.engine.engine:
            try:
                files = await self._files(show)
                self.model = weights.refined(self.model, files)
                self.plan = plan_for(self.settings, self.model, *files)
            except SetupError:
                self.engine.before = "failed"
                raise
            self.engine.engine = LocalEngine(self.plan)
        await self.engine.start()

    async def _files(self, show: Callable[[Progress], None]) -> tuple[Path, Path]:
        folder = Path(self.settings.models_dir)
        here = self.model.paths(folder)
        if not self.model.repo:
            return here
        self.engine.before = "downloading"

        def report(progress: Progress) -> None:
            self.progress = progress
            show(progress)

        return await asyncio.to_thread(self._fetch, self.model, folder, self.settings.hub, report, self._leaving)

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
                demo = Host(settings, catalogue.find(DEMO))
                await demo.start()
                self._demo = demo
        return self._demo

    async def close(self) -> None:
        """Stop the download or the engines; no process is left."""
        self._leaving.set()
        await self.engine.close()
        if self._demo:
            await self._demo.close()

    async def picture(
        self, source: Path | bytes, name: str, owner: str = "", among: int = 1, detail: Detail = "usual"
    ) -> media.Picture:
        """The picture, fitted for the model that answers; it and the others it is `among` take half of the context.

        With an `owner`, the same bytes from the same person are not decoded again: a follow-up sends them anew.

        Raises:
            BadRequest: it cannot be read or is too large; see `media.open_picture`.
        """
        budget = self._budget(detail, among)
        side = self.settings.max_short_side * (FINE_SIDES if detail == "fine" else 1)
        if not owner or isinstance(source, Path):
            return await media.open_picture(source, name, budget, side)
        key = (owner, hashlib.sha256(source).digest(), budget)
        picture = self._opened.get(key)
        if picture is None:
            picture = await media.open_picture(source, name, budget, side)
        self._opened[key] = picture
        self._opened.move_to_end(key)
        while sum(len(kept.image.rgb) for kept in self._opened.values()) > OPENED_BYTES:
            self._opened.popitem(last=False)
        return picture

    def _budget(self, detail: Detail, among: int) -> PictureBudget:
        budget = self.model.budget_for(detail)
        share = max(self.model.budget.min_tokens, self.ctx_size // 2 // among)
        most = min(budget.max_tokens, share)
        return PictureBudget(min(budget.min_tokens, most), most)

    def request(self, messages: tuple[Message, ...], owner: str, task: Task = DESCRIBE) -> Request:
        """A request with the model's own sampling, or the one that the task needs."""
        return Request(messages, sampling=task.sampling(self.model.sampling), owner=owner)


def open_host(settings: Settings) -> Host:
    """The host that `settings` ask for, not started yet.

    Raises:
        SetupError: there is no such model; the message lists those there are.
    """
    return Host(settings, model_for(settings))


def model_for(settings: Settings) -> Model:
    """The model that `settings` name; `auto` is the largest one that this machine's memory holds.

    Raises:
        SetupError: there is no such model, file or repository; the message lists what there is.
    """
    if settings.model == AUTO_WORD:
        free = psutil.virtual_memory().available
        return catalogue.largest_fitting(free, settings.ctx_size or USUAL_CONTEXT, settings.quant, settings.mmproj)
    folder = Path(settings.models_dir)
    return weights.named(settings.model, settings.quant, settings.mmproj, models_dir=folder, hub=settings.hub)


def plan_for(settings: Settings, model: Model, language: Path, projector: Path) -> Plan:
    """How this machine loads `model` from its two files.

    Raises:
        SetupError: a file is not there.
    """
    sizes = [_size(file) for file in (language, projector)]
    cell_bytes = int(model.cell_bytes * KV_SCALE[settings.kv_type])
    free = psutil.virtual_memory().available - sum(sizes)
    ctx_size, pool = contexts(settings.ctx_size, settings.parallel, cell_bytes, free)
    return Plan(
        model=str(language),
        mmproj=str(projector),
        ctx_size=ctx_size,
        pool=pool,
        parallel=settings.parallel,
        sequences=IDLE_PER_SLOT * settings.parallel,
        gpu_layers=settings.gpu_layers,
        threads=usable_cores(),
        queue_size=settings.queue_size,
        kv_type=settings.kv_type,
        device=settings.device,
        layers=model.layers,
        cell_bytes=cell_bytes,
        model_bytes=sizes[0],
        mmproj_bytes=sizes[1],
    )


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError as error:
        raise SetupError(f"{file}: {error.strerror}") from error


def usable_cores() -> int:
    """Physical processor cores that this process may use: more threads than that slow llama.cpp down."""
    physical = psutil.cpu_count(logical=False) or os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        return min(physical, len(os.sched_getaffinity(0)))
    return physical
