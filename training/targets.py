"""What throw-away linear heads should say about every picture token: dense supervision makes vision click early."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from . import lettering
from .answers import rounded
from .world import BACKGROUNDS, COLOURS, SHAPES, Scene

KINDS = ("shapes", "words", "card")
CELL: tuple[tuple[str, int, float], ...] = (  # per picture token: name, classes, weight
    ("kind", 3, 0.2),
    ("background", 4, 0.3),
    ("number", 4, 0.3),
    ("shape", 7, 1.5),
    ("colour", 8, 1.0),
    ("size", 2, 0.5),
    ("place", 9, 0.5),
    ("rank", 4, 0.5),
    *((f"{a}{b}", n, w) for a in ("x0", "y0", "x1", "y1") for b, n, w in (("tens", 11, 0.3), ("ones", 10, 0.3))),
)
PATCH: tuple[tuple[str, int, float], ...] = (  # per 16x16 px patch, four a token
    ("char", len(lettering.CHARS) + 1, 2.0),
    ("index", 9, 0.5),
    ("line", 4, 0.5),
    ("part", 4, 0.3),
)
IGNORE = -1
Targets = NDArray[np.int64]


def _edges(n: int) -> NDArray[np.float64]:
    return np.arange(n + 1) / n


def _overlap(low: float, high: float, n: int) -> NDArray[np.float64]:
    """How much of [low, high] lies in each of n equal parts of [0, 1]."""
    e = _edges(n)
    return np.clip(np.minimum(e[1:], high) - np.maximum(e[:-1], low), 0, None)


def _digits(box: tuple[float, ...]) -> list[int]:
    return [d for v in rounded(box) for d in (v // 100, v // 10 % 10)]


def cells(scene: Scene, size: tuple[int, int], grid: tuple[int, int]) -> tuple[Targets, NDArray[np.float32]]:
    """Return (tokens, len(CELL)) classes of the shape or line that covers most of each token, and (tokens, 4) edges.

    The edges are those of its box, in tokens from the token's middle; NaN where nothing is.
    """
    rows, columns = grid
    out = np.full((rows, columns, len(CELL)), IGNORE, np.int64)
    out[..., 0] = KINDS.index(scene.kind)
    out[..., 1] = list(BACKGROUNDS).index(scene.background)
    boxes = scene.boxes(size)
    out[..., 2] = len(boxes) - 1
    out[..., 3] = 0
    cover = np.stack([np.outer(_overlap(b[1], b[3], rows), _overlap(b[0], b[2], columns)) for b in boxes])
    middles = np.stack(np.meshgrid(np.arange(columns) + 0.5, np.arange(rows) + 0.5), -1)
    edges = np.full((rows, columns, 4), np.nan, np.float32)
    best, taken = cover.argmax(0), cover.max(0) * rows * columns > 0.04
    for i, box in enumerate(boxes):
        values = [IGNORE] * 5
        if scene.kind == "shapes":
            s = scene.shapes[i]
            values = [SHAPES.index(s.shape) + 1, list(COLOURS).index(s.colour), int(s.large), s.place, i]
        else:
            values = [0, IGNORE, IGNORE, IGNORE, i]
        mine = taken & (best == i)
        out[mine, 3:] = [*values, *_digits(box)]
        edges[mine] = np.array(box) * (columns, rows, columns, rows) - np.tile(middles[mine], 2)
    return out.reshape(rows * columns, -1), edges.reshape(rows * columns, 4)


def _parts(line: lettering.Line) -> list[tuple[int, int]]:
    """Return (part, index within it) of each character: 0 label, 1 colon, 2 value, 3 word."""
    if not line.label:
        return [(3, i) for i in range(len(line.text))]
    n = len(line.label)
    return [(0, i) if i < n else (1, 0) if i == n else (2, i - n - 2) for i in range(len(line.text))]


def patches(scene: Scene, size: tuple[int, int], grid: tuple[int, int]) -> Targets:
    """Return (tokens, 4, len(PATCH)) classes of the character under each patch; all IGNORE without text."""
    rows, columns = 2 * grid[0], 2 * grid[1]
    out = np.full((rows, columns, len(PATCH)), IGNORE, np.int64)
    if scene.lines:
        out[..., 0] = 0
        middles = []
        for rank, line in enumerate(scene.lines):
            for (char, x0, y0, x1, y1), (part, i) in zip(lettering.char_boxes(line, size), _parts(line), strict=True):
                if char == " ":
                    continue
                value = (lettering.CHARS.index(char) + 1, i, rank, part)
                top, bottom = int(np.ceil(y0 * rows - 0.5)), int(np.ceil(y1 * rows - 0.5))
                left, right = int(np.ceil(x0 * columns - 0.5)), int(np.ceil(x1 * columns - 0.5))
                out[max(top, 0) : bottom, max(left, 0) : right] = value
                middles.append((int((y0 + y1) / 2 * rows), int((x0 + x1) / 2 * columns), value))
        for row, column, value in middles:
            out[min(row, rows - 1), min(column, columns - 1)] = value
    return out.reshape(grid[0], 2, grid[1], 2, -1).transpose(0, 2, 1, 3, 4).reshape(grid[0] * grid[1], 4, -1)
