"""The model's token vectors, read from its file: in a batch of picture cells, tokens too are given as vectors."""

import contextlib
import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import llama_cpp
import numpy as np
from llama_cpp._ctypes_extensions import load_shared_library
from numpy.typing import NDArray

TENSOR = b"token_embd.weight"
# ggml names the function for a type after it (ggml-quants.h), but for the plain ones.
PLAIN = {"f16": "ggml_fp16_to_fp32_row", "bf16": "ggml_bf16_to_fp32_row"}

Vectors: TypeAlias = NDArray[np.float32]


class _Params(ctypes.Structure):
    """gguf_init_params (gguf.h)."""

    _fields_ = (("no_alloc", ctypes.c_bool), ("ctx", ctypes.c_void_p))


@dataclass(frozen=True)
class TokenVectors:
    """A table of quantised rows, one a token, and ggml's function that makes floats of them."""

    rows: NDArray[np.uint8]  # (tokens, bytes); the file itself, mapped
    width: int  # floats per vector
    unpack: Any

    def of(self, tokens: Sequence[int], width: int) -> Vectors:
        """The vectors of `tokens`, (n, `width`), with zeros behind where the model's input is wider than a vector.

        Qwen3-VL's input has room for the picture's deep features there, of which text has none (qwen3vl.cpp).
        """
        vectors = np.zeros((len(tokens), width), np.float32)
        for vector, token in zip(vectors, tokens, strict=True):
            packed = np.ascontiguousarray(self.rows[token])
            self.unpack(packed.ctypes.data_as(ctypes.c_void_p), vector.ctypes.data_as(ctypes.c_void_p), self.width)
        return vectors


def read(path: str, tokens: int, width: int) -> TokenVectors | None:
    """The table of `tokens` vectors of `width` floats in the GGUF file at `path`; None if it is not to be had there."""
    ggml = _library()
    file = ggml.gguf_init_from_file(path.encode(), _Params(no_alloc=True, ctx=None)) if ggml else None
    if not file:
        return None
    try:
        return _table(ggml, file, path, (tokens, width))
    finally:
        ggml.gguf_free(file)


def _table(ggml: Any, file: int, path: str, shape: tuple[int, int]) -> TokenVectors | None:
    number = ggml.gguf_find_tensor(file, TENSOR)
    if number < 0:
        return None
    kind = ggml.gguf_get_tensor_type(file, number)
    unpack = _unpack(ggml, ggml.ggml_type_name(kind).decode())
    if not unpack:
        return None
    start = ggml.gguf_get_data_offset(file) + ggml.gguf_get_tensor_offset(file, number)
    tokens, width = shape
    try:
        rows = np.memmap(path, np.uint8, "r", start, (tokens, ggml.ggml_row_size(kind, width)))
    except ValueError:  # the file ends before
        return None
    return TokenVectors(rows, width, unpack)


def _library() -> Any:
    """llama.cpp's ggml-base with the types of what is called here; None if this build has none of its own."""
    with contextlib.suppress(OSError, AttributeError, RuntimeError):
        ggml = load_shared_library("ggml-base", Path(llama_cpp.__file__).parent / "lib")
        pointer, size, integer = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int64
        for name, result, *arguments in (
            ("gguf_init_from_file", pointer, ctypes.c_char_p, _Params),
            ("gguf_find_tensor", integer, pointer, ctypes.c_char_p),
            ("gguf_get_tensor_type", ctypes.c_int, pointer, integer),
            ("gguf_get_tensor_offset", size, pointer, integer),
            ("gguf_get_data_offset", size, pointer),
            ("gguf_free", None, pointer),
            ("ggml_type_name", ctypes.c_char_p, ctypes.c_int),
            ("ggml_row_size", size, ctypes.c_int, integer),
        ):
            function = getattr(ggml, name)
            function.restype, function.argtypes = result, arguments
        return ggml
    return None


def _unpack(ggml: Any, kind: str) -> Any:
    function = getattr(ggml, PLAIN.get(kind, f"dequantize_row_{kind}"), None)
    if function:
        function.restype, function.argtypes = None, (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)
    return function
