"""Which model answers, and how a picture and a question become a request for it."""

import os
from dataclasses import replace
from pathlib import Path

import psutil

from qwen_vl_app import catalogue, media
from qwen_vl_app.catalogue import Model
from qwen_vl_app.chat import Message, Request
from qwen_vl_app.engine import Engine, State
from qwen_vl_app.engine.fit import IDLE_PER_SLOT, KV_SCALE, USUAL_CONTEXT, contexts
from qwen_vl_app.engine.local import LocalEngine
from qwen_vl_app.engine.plan import Plan
from qwen_vl_app.errors import SetupError
from qwen_vl_app.settings import Settings


class Host:
    """The model that answers and its engine. Use it from one event loop: `start`, then requests, then `close`."""

    def __init__(self, settings: Settings, model: Model, engine: Engine, ctx_size: int = USUAL_CONTEXT) -> None:
        """`ctx_size` is what one conversation may use, in tokens."""
        self.settings = settings
        self.model = model
        self.engine = engine
        self.ctx_size = ctx_size

    @property
    def state(self) -> State:
        """Whether questions are answered now."""
        return self.engine.state

    async def start(self) -> None:
        """Load the model; returns when it answers.

        Raises:
            SetupError: it cannot be loaded; the message says why.
        """
        await self.engine.start()

    async def close(self) -> None:
        """Stop the engine; no process is left."""
        await self.engine.close()

    async def picture(self, source: Path | bytes, name: str) -> media.Picture:
        """The picture, fitted for the model that answers; at most half of the context is its.

        Raises:
            BadRequest: it cannot be read or is too large; see `media.open_picture`.
        """
        budget = self.model.budget
        budget = replace(budget, max_tokens=min(budget.max_tokens, self.ctx_size // 2))
        return await media.open_picture(source, name, budget, self.settings.max_short_side)

    def request(self, messages: tuple[Message, ...], owner: str) -> Request:
        """A request with the model's own sampling."""
        return Request(messages, sampling=self.model.sampling, owner=owner)


def open_host(settings: Settings) -> Host:
    """The host that `settings` ask for, not started yet.

    Raises:
        SetupError: see `plan_for`.
    """
    model, made = plan_for(settings)
    return Host(settings, model, LocalEngine(made), made.ctx_size)


def plan_for(settings: Settings) -> tuple[Model, Plan]:
    """The model that `settings` name and how this machine loads it.

    Raises:
        SetupError: there is no such model, or its files are not there; the message says where they belong.
    """
    model = catalogue.find(settings.model)
    language, projector = _sizes(model, settings)
    cell_bytes = int(model.cell_bytes * KV_SCALE[settings.kv_type])
    free = psutil.virtual_memory().available - language - projector
    ctx_size, pool = contexts(settings.ctx_size, settings.parallel, cell_bytes, free)
    files = model.paths(Path(settings.models_dir))
    return model, Plan(
        model=str(files[0]),
        mmproj=str(files[1]),
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
        model_bytes=language,
        mmproj_bytes=projector,
    )


def _sizes(model: Model, settings: Settings) -> tuple[int, int]:
    """Bytes of the model's two files."""
    for file in model.paths(Path(settings.models_dir)):
        if not file.is_file():
            raise SetupError(
                f"{file} is not there. Put {model.model.name} and {model.mmproj.name} of {model.repo} "
                f"into {file.parent}, or start with --model demo"
            )
    language, projector = (file.stat().st_size for file in model.paths(Path(settings.models_dir)))
    return language, projector


def usable_cores() -> int:
    """Physical processor cores that this process may use: more threads than that slow llama.cpp down."""
    physical = psutil.cpu_count(logical=False) or os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        return min(physical, len(os.sched_getaffinity(0)))
    return physical
