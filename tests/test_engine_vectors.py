import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qwen_vl_app.engine import vectors
from qwen_vl_app.engine.loading import quiet
from qwen_vl_app.engine.native import Floats, Language, Row
from qwen_vl_app.engine.plan import Plan
from tests.conftest import ROOT

TOKENS = (5, 6, 7, 100, 200)
F32, F16, Q8_0, BF16 = 0, 1, 8, 30  # ggml_type (ggml.h)
TABLE = np.random.default_rng(3).normal(size=(6, 32)).astype(np.float32)


@pytest.fixture
def language(demo_plan: Callable[..., Plan]) -> Iterator[Language]:
    quiet()
    language = Language(demo_plan(), lambda _: None)
    yield language
    language.close()


def rows(tokens: tuple[int, ...]) -> list[Row]:
    return [(token, position, 0, True) for position, token in enumerate(tokens)]


def by_number(language: Language, tokens: tuple[int, ...]) -> Floats:
    """The logits of `tokens` as they are usually decoded."""
    language.forget(0)
    language.decode(rows(tokens))
    return np.array([language._logits(i) for i in range(len(tokens))])


def by_vector(language: Language, tokens: tuple[int, ...], cells: int, axes: int) -> Floats:
    """The logits of `tokens` in one batch with picture cells of another sequence."""
    language.forget(0)
    picture = np.random.default_rng(1).normal(size=(cells, language.width)).astype(np.float32)
    places = np.zeros((axes, cells), np.int32)
    language.decode_picture(picture, places, 1, rows(tokens))
    return np.array([language._logits(i) for i in range(len(tokens))])


@pytest.mark.parametrize("cells", [0, 7])
def test_tokens_among_picture_cells_are_the_same_tokens(language: Language, cells: int) -> None:
    assert language.mixes
    usual = by_number(language, TOKENS)
    assert np.abs(usual).max() > 1
    assert np.allclose(by_vector(language, TOKENS, cells, axes=4), usual, atol=0.05)


def test_tokens_of_the_types_of_the_8b_file_are_the_same_too(demo_plan: Callable[..., Plan]) -> None:
    """models/proof is in Q4_K and Q6_K, as Qwen3-VL-8B's Q4_K_M is."""
    quiet()
    plan = replace(demo_plan(extra_buffers=False), model=str(ROOT / "models" / "proof" / "proof.gguf"))
    language = Language(plan, lambda _: None)
    try:
        assert language.mixes
        usual = by_number(language, (1, 2, 3))
        assert np.allclose(by_vector(language, (1, 2, 3), 0, axes=1), usual, atol=1e-3)
    finally:
        language.close()


def test_a_model_that_takes_its_vectors_otherwise_mixes_nothing(language: Language) -> None:
    known = language._vectors
    assert known
    picture, places = np.zeros((4, language.width), np.float32), np.ones((4, 4), np.int32)
    language.prove(picture, places)
    assert language.mixes
    language._vectors = replace(known, rows=known.rows[::-1])  # as wrong as scaled ones would be
    language.prove(picture, places)
    assert not language.mixes


def gguf(name: str, kind: int, data: bytes) -> bytes:
    """A GGUF file of one tensor as large as TABLE."""
    count, width = TABLE.shape
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, 0) + struct.pack("<Q", len(name)) + name.encode()
    head += struct.pack("<IQQIQ", 2, width, count, kind, 0)
    return head + bytes(-len(head) % 32) + data + bytes(-len(data) % 32)


def q8_0(table: Floats) -> tuple[bytes, Floats]:
    """`table` in Q8_0, a block a row, and what it then stands for."""
    scales = (np.abs(table).max(axis=1, keepdims=True) / 127).astype(np.float16)
    whole = np.round(table / scales).astype(np.int8)
    packed = b"".join(scale.tobytes() + row.tobytes() for scale, row in zip(scales, whole, strict=True))
    return packed, whole * scales.astype(np.float32)


def test_a_table_is_read_in_the_types_that_files_have(tmp_path: Path) -> None:
    file = tmp_path / "table.gguf"
    packed, meant = q8_0(TABLE)
    short = (TABLE.view(np.uint32) >> 16).astype(np.uint16)
    for kind, data, expected in (
        (F16, TABLE.astype(np.float16).tobytes(), TABLE.astype(np.float16).astype(np.float32)),
        (BF16, short.tobytes(), (short.astype(np.uint32) << 16).view(np.float32)),
        (Q8_0, packed, meant),
    ):
        file.write_bytes(gguf("token_embd.weight", kind, data))
        table = vectors.read(str(file), *TABLE.shape)
        assert table
        found = table.of((4, 0), 40)
        assert np.array_equal(found[:, :32], expected[[4, 0]]) and not found[:, 32:].any()


def test_what_cannot_be_read_is_no_table(tmp_path: Path) -> None:
    file = tmp_path / "table.gguf"
    plain = TABLE.tobytes()
    for content in (b"nothing", gguf("token_embd.weight", F32, plain), gguf("output.weight", F16, plain)):
        file.write_bytes(content)
        assert vectors.read(str(file), *TABLE.shape) is None
    assert vectors.read(str(tmp_path / "missing.gguf"), *TABLE.shape) is None


def test_a_table_shorter_than_the_vocabulary_is_no_table(tmp_path: Path) -> None:
    file = tmp_path / "table.gguf"
    file.write_bytes(gguf("token_embd.weight", F16, TABLE.astype(np.float16).tobytes()))
    assert vectors.read(str(file), 1000, TABLE.shape[1]) is None
