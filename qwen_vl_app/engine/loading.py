"""How llama.cpp loads a model and makes its context, what it says meanwhile, and how that fails."""

import logging
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from llama_cpp import llama_cpp as C
from llama_cpp import mtmd_cpp

from qwen_vl_app.engine.plan import Plan

log = logging.getLogger(__name__)

LOG_WARN, LOG_ERROR = 3, 4  # ggml_log_level
FLASH_ATTENTION_AUTO, FLASH_ATTENTION_ON = -1, 1

last_words: deque[str] = deque(maxlen=20)  # what llama.cpp complained about, for the message of a failed load


@C.llama_log_callback  # type: ignore[untyped-decorator]
def _on_log(level: int, text: bytes, _data: object) -> None:
    if level in (LOG_WARN, LOG_ERROR):
        line = text.decode("utf-8", "replace").strip()
        last_words.append(line)
        log.debug("llama.cpp: %s", line)


def quiet() -> None:
    """Take llama.cpp's and mtmd's log lines away from stderr; warnings and errors stay in `last_words`."""
    C.llama_log_set(_on_log, None)
    mtmd_cpp.mtmd_log_set(_on_log, None)
    mtmd_cpp.mtmd_helper_log_set(_on_log, None)


class LoadError(Exception):
    """llama.cpp refused a file or could not get the memory for it."""


class FileError(LoadError):
    """The file itself is wrong: no other sizes will make it load."""


def check_file(name: str) -> None:
    """Look whether `name` begins as a GGUF file does.

    Raises:
        FileError: it does not, or cannot be read.
    """
    try:
        with Path(name).open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise FileError(f"{name}: {error.strerror}") from error
    if magic != b"GGUF":
        raise FileError(f"{name} is not a GGUF file")


def load_model(plan: Plan, progress: Callable[[float], None]) -> Any:
    """llama.cpp's model of the file; `progress` is called with the fraction read.

    Raises:
        LoadError: the file is not a model, or memory is short.
    """

    def report(fraction: float, _data: object) -> bool:
        progress(fraction)
        return True

    callback = C.llama_progress_callback(report)
    params = C.llama_model_default_params()
    params.n_gpu_layers = plan.gpu_layers
    if plan.gpu_layers:
        params.main_gpu, params.split_mode = plan.device, C.LLAMA_SPLIT_MODE_NONE
    params.use_extra_bufts = plan.extra_buffers
    params.progress_callback = callback
    check_file(plan.model)
    model = C.llama_model_load_from_file(plan.model.encode(), params)
    if not model:
        raise LoadError("; ".join(list(last_words)[-3:]) or "the file is not a GGUF model")
    return model


def new_context(model: Any, plan: Plan) -> Any:
    """llama.cpp's context for `model`, with all sequences in one pool of cells.

    Raises:
        LoadError: memory is short.
    """
    params = C.llama_context_default_params()
    params.n_ctx = plan.pool
    params.n_batch = params.n_ubatch = plan.batch
    params.n_seq_max = plan.sequences
    params.n_outputs_max = plan.sequences  # llama.cpp asserts one per sequence at least
    params.kv_unified = True
    params.n_threads = params.n_threads_batch = plan.threads
    params.flash_attn_type = FLASH_ATTENTION_AUTO
    if plan.kv_type == "q8_0":
        params.type_k = params.type_v = C.GGML_TYPE_Q8_0
        params.flash_attn_type = FLASH_ATTENTION_ON  # a quantised V cache needs it (llama-context.cpp)
    context = C.llama_init_from_model(model, params)
    if not context:
        raise LoadError("; ".join(list(last_words)[-3:]) or "there is not enough memory for this context")
    return context
