"""llama.cpp's picture part (mtmd): how many cells a picture takes, and its embedding."""

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from llama_cpp import llama_cpp as C
from llama_cpp import mtmd_cpp as M

from qwen_vl_app.chat import FramePair, Image
from qwen_vl_app.engine.loading import FLASH_ATTENTION_AUTO, LoadError, check_file, last_words
from qwen_vl_app.engine.native import Floats, Ints
from qwen_vl_app.engine.plan import Plan

MAX_TOKENS = 16384  # per picture: Qwen3-VL's own limit; media keeps far below it
NODES_PER_CHECK = 64  # graph nodes between two looks at whether the picture is still wanted


@dataclass(frozen=True)
class Shape:
    """What a picture takes in the context: the tokens around it, its cells, and the positions it advances by."""

    before: tuple[int, ...]
    cells: int
    positions: int
    after: tuple[int, ...]


@dataclass(frozen=True)
class Embedding:
    """An encoded picture: rows (cells, width) and their positions (axes, cells), relative to its start.

    Axes are t, y, x and an unused one for M-RoPE, a single one for other models.
    """

    rows: Floats
    positions: Ints

    def places(self, part: slice, start: int) -> Ints:
        """Positions of the cells in `part` when the picture begins at position `start`."""
        places: Ints = self.positions[:, part].copy()
        places[:3] += start
        return places


class Vision:
    """A loaded projector. `shape` may be called from any thread, `encode` from one thread only."""

    def __init__(self, plan: Plan, model: Any, width: int) -> None:
        """Load the projector for `model`; `width` is the model's floats per picture cell.

        Raises:
            LoadError: the file is not a projector, or not this model's.
        """
        self._width = width
        self._wanted: Callable[[], bool] = lambda: True
        self._nodes = 0
        self._callback = C.ggml_backend_sched_eval_callback(self._on_node)
        check_file(plan.mmproj)
        self._context = M.mtmd_init_from_file(plan.mmproj.encode(), model, self._params(plan))
        if not self._context:
            raise LoadError("; ".join(list(last_words)[-3:]) or "the file is not a projector of this model")
        if not M.mtmd_support_vision(self._context):
            raise LoadError("the projector takes no pictures")
        self._axes = 4 if M.mtmd_decode_use_mrope(self._context) else 1

    def _params(self, plan: Plan) -> Any:
        params = M.mtmd_context_params_default()
        params.use_gpu = plan.gpu_projector and plan.gpu_layers != 0
        params.n_threads = plan.threads
        params.flash_attn_type = FLASH_ATTENTION_AUTO
        params.print_timings = False
        params.warmup = False  # the worker proves itself with a picture of its own
        params.image_min_tokens, params.image_max_tokens = 1, MAX_TOKENS
        params.cb_eval = self._callback
        return params

    def _on_node(self, _tensor: object, ask: bool, _data: object) -> bool:
        """Called by ggml per graph node; False, when not asked, stops the encode (llama-cpp.md §12)."""
        if not ask:
            return self._wanted()
        self._nodes += 1
        return self._nodes % NODES_PER_CHECK == 0

    def shape(self, picture: Image | FramePair) -> Shape:
        """What `picture` takes, without looking at its pixels."""
        with _Chunks(self._context, picture, pixels=False) as chunks:
            image = chunks.image
            return Shape(
                before=chunks.before,
                cells=int(M.mtmd_input_chunk_get_n_tokens(image)),
                positions=int(M.mtmd_input_chunk_get_n_pos(image)),
                after=chunks.after,
            )

    def encode(self, picture: Image | FramePair, wanted: Callable[[], bool]) -> Embedding | None:
        """The picture's embedding; None if `wanted` became false meanwhile.

        Raises:
            RuntimeError: mtmd refused the picture.
        """
        with _Chunks(self._context, picture, pixels=True) as chunks:
            self._wanted = wanted
            if M.mtmd_encode_chunk(self._context, chunks.image):
                raise RuntimeError("the picture could not be encoded")
            if not wanted():  # a stopped encode returns 0 all the same
                return None
            count = int(M.mtmd_input_chunk_get_n_tokens(chunks.image))
            rows = np.ctypeslib.as_array(M.mtmd_get_output_embd(self._context), (count, self._width)).copy()
            return Embedding(rows, _positions(chunks.image, count)[: self._axes])

    def close(self) -> None:
        """Free the projector."""
        M.mtmd_free(self._context)


def _positions(image: Any, count: int) -> Ints:
    places = (M.mtmd_decoder_pos * count)()
    M.mtmd_helper_image_get_decoder_pos(M.mtmd_input_chunk_get_tokens_image(image), 0, places)
    txyz = np.frombuffer(places, np.uint32).reshape(count, 4).astype(np.int32)
    return np.ascontiguousarray(txyz[:, (0, 2, 1, 3)].T)  # llama_batch wants rows t, y, x, z


class _Chunks:
    """mtmd's chunks of one picture: text before, the picture, text after; freed on leaving."""

    def __init__(self, context: Any, picture: Image | FramePair, pixels: bool) -> None:
        images = (picture.first, picture.second) if isinstance(picture, FramePair) else (picture,)
        self._bitmaps = [_bitmap(image, pixels, mergeable=len(images) > 1) for image in images]
        self._chunks = M.mtmd_input_chunks_init()
        parts = [M.mtmd_input_part(None, bitmap) for bitmap in self._bitmaps]
        pointers = (ctypes.POINTER(M.mtmd_input_part) * len(parts))(*(ctypes.pointer(part) for part in parts))
        code = M.mtmd_tokenize_from_parts(context, self._chunks, pointers, len(parts), False)
        if code:
            self.__exit__()
            raise RuntimeError(f"mtmd_tokenize_from_parts returned {code}")
        self._split()

    def _split(self) -> None:
        texts: list[tuple[int, ...]] = [(), ()]
        self.image: Any = None
        for i in range(M.mtmd_input_chunks_size(self._chunks)):
            chunk = M.mtmd_input_chunks_get(self._chunks, i)
            if M.mtmd_input_chunk_get_type(chunk) == M.MTMD_INPUT_CHUNK_TYPE_TEXT:
                texts[self.image is not None] += _tokens(chunk)
            elif self.image is None:
                self.image = chunk
            else:
                raise RuntimeError("two frames did not become one picture")
        self.before, self.after = texts

    def __enter__(self) -> "_Chunks":
        return self

    def __exit__(self, *_: object) -> None:
        M.mtmd_input_chunks_free(self._chunks)
        for bitmap in self._bitmaps:
            M.mtmd_bitmap_free(bitmap)


def _bitmap(image: Image, pixels: bool, mergeable: bool) -> Any:
    data = (ctypes.c_uint8 * len(image.rgb)).from_buffer_copy(image.rgb) if pixels else None
    bitmap = M.mtmd_bitmap_init(image.width, image.height, data)
    M.mtmd_bitmap_set_mergeable(bitmap, mergeable)
    return bitmap


def _tokens(chunk: Any) -> tuple[int, ...]:
    count = ctypes.c_size_t()
    ids = M.mtmd_input_chunk_get_tokens_text(chunk, ctypes.byref(count))
    return tuple(ids[i] for i in range(count.value))
