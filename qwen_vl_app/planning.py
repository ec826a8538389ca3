"""Which model the settings mean, and how this machine loads it."""

import os
from pathlib import Path

import psutil

from qwen_vl_app import catalogue, weights
from qwen_vl_app.catalogue import Model
from qwen_vl_app.engine.fit import ASIDE_SHARE, IDLE_PER_SLOT, KV_SCALE, USUAL_CONTEXT, contexts
from qwen_vl_app.engine.plan import Plan
from qwen_vl_app.errors import Language, SetupError
from qwen_vl_app.settings import AUTO_WORD, Settings


def model_for(settings: Settings) -> Model:
    """The model that `settings` name; `auto` is the one chosen in the page, else the largest that memory holds.

    Raises:
        SetupError: there is no such model, file or repository; the message lists what there is.
    """
    chosen, quant, projector = weights.remembered(Path(settings.models_dir))
    if settings.model == AUTO_WORD and not settings.quant and _offered(chosen, quant, projector):
        return catalogue.resolve(chosen, quant, settings.mmproj or projector)
    if settings.model == AUTO_WORD:
        free = psutil.virtual_memory().available
        return catalogue.largest_fitting(free, settings.ctx_size or USUAL_CONTEXT, settings.quant, settings.mmproj)
    folder = Path(settings.models_dir)
    return weights.named(settings.model, settings.quant, settings.mmproj, models_dir=folder, hub=settings.hub)


def _offered(name: str, quant: str, projector: str) -> bool:
    model = catalogue.MODELS.get(name)
    if not model or not model.repo or quant not in [file.quant for file in model.files]:
        return False
    return not projector or projector in [file.quant for file in model.projectors]


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
        aside=int(max(free, 0) * ASIDE_SHARE),
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


def faster(model_bytes: int, language: Language) -> str:
    """What would be faster without a GPU: decoding reads all weights per token, so it goes by their size."""
    small = catalogue.find("2b")
    times = model_bytes / small.model.size
    if times < 1.5:
        return ""
    if language == "zh":
        return f"。没有 GPU：每秒只有几个 token；--model {small.name} 大约快 {times:.0f} 倍"
    return f". No GPU: expect a few tokens per second; --model {small.name} is about {times:.0f} times as fast"
