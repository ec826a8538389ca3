"""How llama.cpp chooses the next token, and how a JSON schema holds it to its form.

A grammar inside the chain aborts the process when it leaves no candidate (llama-cpp.md §12). So, as llama.cpp's own
common/sampling.cpp does: sample, check the token, and only if the grammar rejects it apply the grammar to all of them.
"""

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np
from llama_cpp import llama_cpp as C

from qwen_vl_app.chat import Sampling

CANDIDATE = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])  # llama_token_data


class NoCandidate(Exception):
    """The grammar allows no token at all."""


class Candidates:
    """A list of tokens with their logits, as samplers want it."""

    def __init__(self, ids: Any, logits: Any) -> None:
        self._rows = np.zeros(len(ids), CANDIDATE)
        self._rows["id"], self._rows["logit"] = ids, logits
        data = self._rows.ctypes.data_as(C.llama_token_data_p)
        self._array = C.llama_token_data_array(data=data, size=len(self._rows), selected=-1, sorted=False)

    def apply(self, sampler: Any) -> None:
        """Let `sampler` change or drop candidates, or select one."""
        C.llama_sampler_apply(sampler, ctypes.byref(self._array))

    @property
    def selected(self) -> int:
        """The id of the token that was selected."""
        return int(self._array.data[self._array.selected].id)

    @property
    def possible(self) -> bool:
        """Whether any candidate is left."""
        return bool(np.isfinite(self._rows["logit"]).any())


class Sampler:
    """A sampler chain of llama.cpp with its own memory of the answer.

    Order as in llama.cpp: bias, penalties, top_k, top_p, min_p, temperature, draw.
    """

    def __init__(
        self, vocab: Any, size: int, options: Sampling, bias: Sequence[tuple[int, float]] = (), gbnf: str = ""
    ) -> None:
        """A sampler for a vocabulary of `size` tokens, held to the grammar `gbnf` if there is one.

        Raises:
            ValueError: llama.cpp does not take the grammar.
        """
        self._size = size
        self._grammar = C.llama_sampler_init_grammar(vocab, gbnf.encode(), b"root") if gbnf else None
        if gbnf and not self._grammar:
            raise ValueError("the grammar is refused")
        self._chain = C.llama_sampler_chain_init(C.llama_sampler_chain_default_params())
        self._draw = _draw(options)
        for part in [*_filters(size, options, bias), self._draw]:
            C.llama_sampler_chain_add(self._chain, part)

    def sample(self, context: Any, row: int) -> int:
        """The next token from the logits of batch row `row`; it is remembered for penalties and grammar.

        Raises:
            NoCandidate: the grammar allows nothing.
        """
        if not self._grammar:
            return int(C.llama_sampler_sample(self._chain, context, row))
        logits = np.ctypeslib.as_array(C.llama_get_logits_ith(context, row), (self._size,))
        token = self._choose(logits, grammar_first=False)
        if not self._allows(token):
            token = self._choose(logits, grammar_first=True)
        self.accept(token)
        return token

    def _choose(self, logits: Any, grammar_first: bool) -> int:
        candidates = Candidates(np.arange(self._size), logits)
        if grammar_first:
            candidates.apply(self._grammar)
            if not candidates.possible:
                raise NoCandidate
        candidates.apply(self._chain)
        return candidates.selected

    def _allows(self, token: int) -> bool:
        single = Candidates([token], [0.0])
        single.apply(self._grammar)
        return single.possible

    def accept(self, token: int) -> None:
        """Remember `token` as part of the answer."""
        C.llama_sampler_accept(self._chain, token)
        if self._grammar:
            C.llama_sampler_accept(self._grammar, token)

    def replay(self, tokens: Sequence[int]) -> None:
        """Come to the state after `tokens` were sampled: the same memory, the same place in the random numbers."""
        for token in tokens:
            Candidates([token], [0.0]).apply(self._draw)  # one candidate still draws once (llama-sampler.cpp)
            self.accept(token)

    def free(self) -> None:
        """Give its memory back; the sampler must not be used any more."""
        for part in filter(None, (self._chain, self._grammar)):
            C.llama_sampler_free(part)
        self._chain = self._grammar = None


def _filters(size: int, options: Sampling, bias: Sequence[tuple[int, float]]) -> list[Any]:
    parts: list[Any] = []
    if bias:
        entries = (C.llama_logit_bias * len(bias))(*(C.llama_logit_bias(token, value) for token, value in bias))
        parts.append(C.llama_sampler_init_logit_bias(size, len(bias), entries))
    penalties = (options.repeat_penalty, options.frequency_penalty, options.presence_penalty)
    if options.penalty_window > 0 and penalties != (1.0, 0.0, 0.0):
        parts.append(C.llama_sampler_init_penalties(size, options.penalty_window, *penalties))
    if options.temperature <= 0:
        return parts
    if options.top_k > 0:
        parts.append(C.llama_sampler_init_top_k(options.top_k))
    if options.top_p < 1:
        parts.append(C.llama_sampler_init_top_p(options.top_p, 1))
    if options.min_p > 0:
        parts.append(C.llama_sampler_init_min_p(options.min_p, 1))
    return [*parts, C.llama_sampler_init_temp(options.temperature)]


def _draw(options: Sampling) -> Any:
    if options.temperature <= 0:
        return C.llama_sampler_init_greedy()
    seed = C.LLAMA_DEFAULT_SEED if options.seed is None else options.seed & 0xFFFFFFFF
    return C.llama_sampler_init_dist(seed)
