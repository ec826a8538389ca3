"""Loaded by the engine's worker in tests only: makes real faults happen inside it, as FAULT says.

The worker imports this because the tests put this folder on its PYTHONPATH; the product knows nothing of it.
"""

import importlib.abc
import importlib.machinery
import os
import resource
import signal
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

FAULT = os.environ.get("FAULT", "")
WRONG = "wrong"  # a picture with this in its key, or a token of this word, brings the process down


def die(number: int) -> None:
    """End as a native fault would: no exception, no clean-up."""
    os.kill(os.getpid(), number)


def patch_native(native: ModuleType) -> None:
    """Faults of loading and of decoding."""
    load, decode = native.load_model, native.Language.decode

    def loading(plan: Any, progress: Any) -> Any:
        if FAULT == "illegal_instruction" and plan.extra_buffers:
            die(signal.SIGILL)
        if FAULT == "little_memory" and plan.pool > plan.ctx_size:
            resource.setrlimit(resource.RLIMIT_AS, (64 << 20, 64 << 20))
        if FAULT == "never_loads":
            die(signal.SIGSEGV)
        return load(plan, progress)

    def decoding(self: Any, rows: Any) -> None:
        shared = len(rows) > 2 and all(row[3] for row in rows)  # three answers being written, no prompt among them
        if FAULT == "abort_in_decode" and shared and not MARK.exists():
            MARK.touch()  # once: the next worker lives
            die(signal.SIGABRT)
        decode(self, rows)

    native.load_model, native.Language.decode = loading, decoding


def patch_vision(vision: ModuleType) -> None:
    """Faults of encoding."""
    encode = vision.Vision.encode

    def encoding(self: Any, picture: Any, wanted: Any) -> Any:
        if FAULT == "abort_in_encode" and WRONG in getattr(picture, "key", ""):
            die(signal.SIGABRT)
        if FAULT == "error_in_encode" and WRONG in getattr(picture, "key", ""):
            raise LookupError("a fault of our own in the encoder's thread")
        return encode(self, picture, wanted)

    vision.Vision.encode = encoding


MARK = Path(os.environ.get("FAULT_MARK", ""))
PATCHES = {"qwen_vl_app.engine.native": patch_native, "qwen_vl_app.engine.vision": patch_vision}


class Finder(importlib.abc.MetaPathFinder):
    """Patches the modules of PATCHES right after they are loaded."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        if name not in PATCHES:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        assert spec and spec.loader
        run = spec.loader.exec_module

        def run_and_patch(module: ModuleType) -> None:
            run(module)
            PATCHES[name](module)

        spec.loader.exec_module = run_and_patch  # type: ignore[method-assign]
        return spec


if FAULT:
    sys.meta_path.insert(0, Finder())
