"""llama.cpp's language part: one model, one context with many sequences. No policy lives here.

Only this file, `loading.py`, `vectors.py`, `vision.py`, `sampling.py`, `grammar.py` and `devices.py` import llama_cpp.
Objects are used by one thread at a time.
"""

import ctypes
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from llama_cpp import llama_cpp as C
from numpy.typing import NDArray

from qwen_vl_app.chat import Sampling
from qwen_vl_app.engine import vectors
from qwen_vl_app.engine.loading import load_model, new_context
from qwen_vl_app.engine.plan import Plan
from qwen_vl_app.engine.sampling import Sampler

NO_SLOT = 1  # llama_decode: no free cells, nothing changed
ALIKE = 0.99  # correlation of logits: kernels for one row and for several differ in the third digit
BYTES = ctypes.POINTER(ctypes.c_uint8)

Row: TypeAlias = tuple[int, int, int, bool]  # token, position, sequence, wants logits
Floats: TypeAlias = NDArray[np.float32]
Ints: TypeAlias = NDArray[np.int32]
Saved: TypeAlias = NDArray[np.uint8]  # a sequence's cells, as llama.cpp writes them


class DecodeError(Exception):
    """llama_decode returned `code`; what is in the batch's sequences is unknown unless it is NO_SLOT."""

    def __init__(self, code: int) -> None:
        super().__init__(f"llama_decode returned {code}")
        self.code = code


class Language:
    """A loaded language model and its context."""

    def __init__(self, plan: Plan, progress: Callable[[float], None]) -> None:
        """Load the file; `progress` is called with the fraction read.

        Raises:
            LoadError: the file is not a model, or memory is short.
        """
        self._batch_size = plan.batch
        self.model = load_model(plan, progress)
        self._context = new_context(self.model, plan)
        self._memory = C.llama_get_memory(self._context)
        self._vocab = C.llama_model_get_vocab(self.model)
        self.vocab_size = int(C.llama_vocab_n_tokens(self._vocab))
        self.width = int(C.llama_model_n_embd_inp(self.model))  # floats per picture cell, deepstack included
        self._batch = C.llama_batch_init(plan.batch, 0, 1)
        self._pieces: dict[int, bytes] = {}
        self._vectors = vectors.read(plan.model, self.vocab_size, int(C.llama_model_n_embd(self.model)))

    @property
    def template(self) -> str:
        """The chat template (Jinja) in the file; empty if there is none."""
        text = C.llama_model_chat_template(self.model, None)
        return text.decode("utf-8") if text else ""

    def tokenize(self, text: str, special: bool) -> list[int]:
        """Token ids of `text`; control tokens are recognised only if `special`."""
        data = text.encode("utf-8", "replace")
        room = len(data) + 8
        ids = (C.llama_token * room)()
        count = C.llama_tokenize(self._vocab, data, len(data), ids, room, False, special)
        return list(ids[:count])

    def piece(self, token: int) -> bytes:
        """The bytes that `token` stands for; empty for control tokens."""
        known = self._pieces.get(token)
        if known is None:
            known = self._pieces[token] = self._read_piece(token, 64)
        return known

    def _read_piece(self, token: int, room: int) -> bytes:
        buffer = ctypes.create_string_buffer(room)
        count = C.llama_token_to_piece(self._vocab, token, buffer, room, 0, False)
        return self._read_piece(token, -count) if count < 0 else buffer.raw[:count]

    def is_end(self, token: int) -> bool:
        """Whether `token` ends an answer."""
        return bool(C.llama_vocab_is_eog(self._vocab, token))

    def sampler(self, options: Sampling, bias: Sequence[tuple[int, float]] = (), gbnf: str = "") -> Sampler:
        """A sampler for one answer; free it afterwards.

        Raises:
            ValueError: llama.cpp does not take the grammar `gbnf`.
        """
        return Sampler(self._vocab, self.vocab_size, options, bias, gbnf)

    def sample(self, sampler: Sampler, row: int) -> int:
        """The next token from row `row` of the last `decode`.

        Raises:
            NoCandidate: the sampler's grammar allows nothing.
        """
        return sampler.sample(self._context, row)

    @property
    def mixes(self) -> bool:
        """Whether tokens may be decoded in one batch with picture cells."""
        return self._vectors is not None

    def prove(self, cells: Floats, positions: Ints) -> None:
        """Decode a token, and again with picture `cells` behind it; if it is not answered alike, nothing is mixed.

        Some models scale tokens and not pictures (gemma3.cpp in llama.cpp), so vectors from their file are wrong.

        Raises:
            DecodeError: llama.cpp refuses.
        """
        row = (self.tokenize("a", special=False)[0], 0, 0, True)
        self.decode([row])
        usual = self._logits(0)
        self.forget(0)
        self.decode_picture(cells, positions, 0, [row] if self.mixes else [])
        if self.mixes and not np.corrcoef(self._logits(0), usual)[0, 1] > ALIKE:
            self._vectors = None
        self.forget(0)

    def _logits(self, row: int) -> Floats:
        logits = C.llama_get_logits_ith(self._context, row)
        return np.array(np.ctypeslib.as_array(logits, (self.vocab_size,)), np.float32)

    def decode(self, rows: Sequence[Row]) -> None:
        """Put `rows` into the context; at most `plan.batch`.

        Raises:
            DecodeError: with code NO_SLOT when no cells are free.
        """
        batch = self._batch
        for i, (token, position, sequence, logits) in enumerate(rows):
            batch.token[i] = token
            batch.pos[i] = position
            batch.n_seq_id[i] = 1
            batch.seq_id[i][0] = sequence
            batch.logits[i] = logits
        batch.n_tokens = len(rows)
        self._run(batch)

    def decode_picture(self, cells: Floats, positions: Ints, sequence: int, rows: Sequence[Row] = ()) -> None:
        """Put picture `cells` (n, width) with `positions` (axes, n) into the context, behind `rows` if it `mixes`.

        Raises:
            DecodeError: with code NO_SLOT when no cells are free.
        """
        if rows:
            assert self._vectors
            cells = np.concatenate((self._vectors.of([token for token, *_ in rows], self.width), cells))
            positions = np.concatenate((_text_positions(rows, len(positions)), positions), axis=1)
        count, rest = len(cells), len(cells) - len(rows)
        data = np.ascontiguousarray(cells, np.float32)
        places = np.ascontiguousarray(positions, np.int32)
        ids = [(C.llama_seq_id * 1)(number) for number in (*(row[2] for row in rows), *[sequence] * rest)]
        batch = C.llama_batch(
            n_tokens=count,
            embd=data.ctypes.data_as(ctypes.POINTER(ctypes.c_float)),
            pos=places.ctypes.data_as(ctypes.POINTER(C.llama_pos)),
            n_seq_id=(ctypes.c_int32 * count)(*[1] * count),
            seq_id=(ctypes.POINTER(C.llama_seq_id) * (count + 1))(*ids),
            logits=(ctypes.c_int8 * count)(*(row[3] for row in rows)),
        )
        self._run(batch)

    def _run(self, batch: Any) -> None:
        code = C.llama_decode(self._context, batch)
        if code:
            raise DecodeError(code)

    def forget(self, sequence: int, position: int = 0) -> None:
        """Drop the sequence's cells from `position` on."""
        C.llama_memory_seq_rm(self._memory, sequence, position, -1)

    def copy(self, source: int, target: int, position: int) -> None:
        """Let `target`, which must be empty, share the cells of `source` before `position`."""
        C.llama_memory_seq_cp(self._memory, source, target, 0, position)

    def size(self, sequence: int) -> int:
        """How many bytes `save` would return."""
        return int(C.llama_state_seq_get_size(self._context, sequence))

    def save(self, sequence: int) -> Saved:
        """The cells of `sequence` as bytes; with `restore` they are again what they were, pictures too."""
        size = self.size(sequence)
        saved = np.empty(size, np.uint8)
        written = C.llama_state_seq_get_data(self._context, saved.ctypes.data_as(BYTES), size, sequence)
        return saved[:written]

    def restore(self, sequence: int, saved: Saved) -> bool:
        """Put what `save` returned into `sequence`, which loses its own cells; False if there is no room for it."""
        return bool(C.llama_state_seq_set_data(self._context, saved.ctypes.data_as(BYTES), len(saved), sequence))

    def close(self) -> None:
        """Free context and model."""
        C.llama_batch_free(self._batch)
        C.llama_free(self._context)
        C.llama_model_free(self.model)


def _text_positions(rows: Sequence[Row], axes: int) -> Ints:
    """Where tokens stand among picture cells: alike on every axis but the unused last of M-RoPE (llama-graph.cpp)."""
    places = np.tile(np.array([position for _, position, *_ in rows], np.int32), (axes, 1))
    places[3:] = 0
    return places
