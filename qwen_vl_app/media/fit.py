"""Which size a picture gets: whole cells within a budget of tokens. Pure arithmetic, no heavy imports.

The nearest whole cells are taken where they fit. Where the budget forbids them, the shape that bends the picture's
aspect least; where even that bends it visibly, the picture keeps its aspect between white bars.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from qwen_vl_app.catalogue import CELL, PictureBudget

Box: TypeAlias = tuple[int, int, int, int]  # left, top, right, bottom in px

LONGEST = 100  # the canvas is at most this many times longer than wide; the official code refuses ratios above 200
BEND = math.log(1.1)  # a side of five cells rounded by half a cell bends the aspect by a tenth: not more without bars


@dataclass(frozen=True)
class Fit:
    """A canvas of whole cells and the box in it that the picture fills; all in px."""

    width: int
    height: int
    left: int
    top: int
    inner_width: int
    inner_height: int

    @property
    def tokens(self) -> int:
        """Picture tokens of the canvas, one per cell."""
        return self.width * self.height // CELL**2


def fit(width: int, height: int, budget: PictureBudget, max_short_side: int) -> Fit:
    """The canvas for a picture of `width` x `height` px, both at least 1.

    At most `budget.max_tokens` cells, and at least `budget.min_tokens` unless `max_short_side` (px, at least one
    cell) forbids them or no whole cells near the picture's shape lie between the two. A picture that is whole cells
    within the budget keeps its size.
    """
    shape_width, shape_height = _shape(width, height)
    scale = _scale(shape_width, shape_height, budget, max_short_side) / CELL
    cells = _whole_cells(shape_width * scale, shape_height * scale, budget, max_short_side // CELL)
    canvas_width, canvas_height = cells[0] * CELL, cells[1] * CELL
    if (shape_width, shape_height) == (width, height) and _bend(cells, width / height) <= BEND:
        return Fit(canvas_width, canvas_height, 0, 0, canvas_width, canvas_height)
    return _between_bars(width, height, canvas_width, canvas_height)


def _shape(width: float, height: float) -> tuple[float, float]:
    """The picture's shape, no longer than LONGEST."""
    return max(width, height / LONGEST), max(height, width / LONGEST)


def _scale(width: float, height: float, budget: PictureBudget, max_short_side: int) -> float:
    """Fitted px per px of the picture: 1 unless a limit forbids it."""
    most = math.sqrt(budget.max_tokens / (width * height)) * CELL
    least = math.sqrt(min(budget.min_tokens, budget.max_tokens) / (width * height)) * CELL
    return min(max(1.0, least), most, max(max_short_side, CELL) / min(width, height))


def _whole_cells(across: float, down: float, budget: PictureBudget, most_short: int) -> tuple[int, int]:
    """The best whole cells for a picture of `across` x `down` cells."""
    aspect, least = across / down, min(budget.min_tokens, budget.max_tokens)

    def allowed(cells: tuple[int, int]) -> bool:
        shape = max(cells) <= LONGEST * min(cells) and min(cells) <= max(most_short, 1)
        return shape and cells[0] * cells[1] <= budget.max_tokens

    nearest = (_nearest(across), _nearest(down))
    if allowed(nearest) and nearest[0] * nearest[1] >= least and _bend(nearest, aspect) <= BEND:
        return nearest
    return min(
        filter(allowed, _candidates(across, down, budget.max_tokens)),
        key=lambda cells: (cells[0] * cells[1] < least, round(_bend(cells, aspect), 3), -cells[0] * cells[1], cells),
    )


def _candidates(across: float, down: float, max_tokens: int) -> Iterator[tuple[int, int]]:
    """Each side rounded down and up, with the other side rounded, kept in proportion, or as long as the budget."""
    for x in _around(across):
        for y in (*_around(down), _nearest(x * down / across), max(max_tokens // x, 1), x * LONGEST):
            yield x, y
    for y in _around(down):
        for x in (_nearest(y * across / down), max(max_tokens // y, 1), y * LONGEST):
            yield x, y


def _around(cells: float) -> tuple[int, int]:
    return max(math.floor(cells), 1), max(math.ceil(cells), 1)


def _nearest(cells: float) -> int:
    return max(math.floor(cells + 0.5), 1)


def _bend(cells: tuple[int, int], aspect: float) -> float:
    """How far the cells' aspect is from the picture's, as the absolute logarithm of their ratio."""
    return abs(math.log(cells[0] / cells[1] / aspect))


def _between_bars(width: int, height: int, canvas_width: int, canvas_height: int) -> Fit:
    """The picture with its own aspect in the middle of the canvas."""
    scale = min(canvas_width / width, canvas_height / height)
    inner_width = min(max(round(width * scale), 1), canvas_width)
    inner_height = min(max(round(height * scale), 1), canvas_height)
    left, top = (canvas_width - inner_width) // 2, (canvas_height - inner_height) // 2
    return Fit(canvas_width, canvas_height, left, top, inner_width, inner_height)
