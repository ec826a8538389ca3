"""What a GGUF file says of itself: its metadata, read from the header without loading anything.

Layout: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (magic, version, counts, then keys with typed values).
"""

import struct
from pathlib import Path
from typing import BinaryIO, TypeAlias

from qwen_vl_app.weights.answers import MAGIC
from qwen_vl_app.weights.failures import NotGguf, place

Value: TypeAlias = str | int | float | bool | tuple[int | float | bool, ...] | None
Metadata: TypeAlias = dict[str, Value]

NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9
MOST_KEYS = 10_000
LONGEST_STRING = 16 << 20  # bytes; a chat template has some thousand
LONGEST_ARRAY = 10_000_000  # a vocabulary has some hundred thousand
KEPT = 1024  # longer arrays (vocabularies) are skipped: their value is None


def read(path: Path) -> Metadata:
    """The metadata of the GGUF file at `path`.

    Raises:
        NotGguf: it is none, or is damaged.
    """
    try:
        with path.open("rb") as stream:
            if stream.read(4) != MAGIC:
                raise NotGguf(path=place(path), why="it does not begin with GGUF")
            version, _, keys = _unpack(stream, "IQQ")
            if version not in (2, 3) or keys > MOST_KEYS:
                raise NotGguf(path=place(path), why=f"GGUF version {version}, {keys} keys")
            return {_string(stream): _value(stream, _unpack(stream, "I")[0]) for _ in range(keys)}
    except (ValueError, struct.error, OSError) as error:
        raise NotGguf(path=place(path), why=f"its header is damaged: {error}") from error


def _unpack(stream: BinaryIO, form: str) -> tuple[int, ...]:
    layout = struct.Struct("<" + form)
    return layout.unpack(stream.read(layout.size))


def _bytes(stream: BinaryIO) -> bytes:
    (length,) = _unpack(stream, "Q")
    if length > LONGEST_STRING:
        raise ValueError(f"a string of {length} bytes")
    data = stream.read(length)
    if len(data) < length:
        raise ValueError("it ends too soon")
    return data


def _string(stream: BinaryIO) -> str:
    return _bytes(stream).decode("utf-8", "replace")


def _value(stream: BinaryIO, kind: int) -> Value:
    if kind == STRING:
        return _string(stream)
    if kind == ARRAY:
        return _array(stream)
    if kind not in NUMBERS:
        raise ValueError(f"type {kind}")
    return _unpack(stream, NUMBERS[kind])[0]


def _array(stream: BinaryIO) -> Value:
    kind, count = _unpack(stream, "IQ")
    if count > LONGEST_ARRAY:
        raise ValueError(f"an array of {count}")
    if kind == STRING:
        for _ in range(count):
            _bytes(stream)
        return None
    if kind not in NUMBERS:
        raise ValueError(f"an array of type {kind}")
    values = _unpack(stream, f"{count}{NUMBERS[kind]}")
    return values if count <= KEPT else None


def text(metadata: Metadata, key: str) -> str:
    """The string `key`, "" where there is none."""
    value = metadata.get(key)
    return value if isinstance(value, str) else ""


def number(metadata: Metadata, key: str) -> int:
    """The whole number `key`, 0 where there is none; of a list, its largest."""
    value = metadata.get(key)
    if isinstance(value, tuple):
        return max((int(item) for item in value), default=0)
    return int(value) if isinstance(value, (int, float)) else 0
