"""Long pictures in pieces: which ones, and how their texts become one again. Pure, no heavy imports."""

import math
from collections.abc import Sequence
from difflib import SequenceMatcher

from qwen_vl_app.catalogue import CELL, PictureBudget
from qwen_vl_app.media.fit import Box, Fit, fit
from qwen_vl_app.media.region import within

LEGIBLE = 0.75  # a picture that the budget shrinks to less than this part of its permitted size is cut into pieces
OVERLAP = 8  # a piece shares 1/OVERLAP of its height with the next: some lines of text
MOST = 12  # pieces; 47 MB of pixels at 1,280 tokens each
LOOK_BACK = 60  # lines that two pieces can have in common
ALIKE = 0.85  # two readings of one line agree at least this much (difflib's ratio)


def pieces(width: int, height: int, budget: PictureBudget, max_short_side: int) -> list[Box]:
    """The parts of a picture of `width` x `height` px to be read one after the other, top to bottom.

    One box with everything, unless the picture is taller than wide and too long to stay legible within the budget.
    """
    scale = min(1.0, max_short_side / width)
    if height <= width or fit(width, height, budget, max_short_side).inner_width >= LEGIBLE * scale * width:
        return [(0, 0, width, height)]
    rows = budget.max_tokens // math.ceil(width * scale / CELL)
    tall = max(math.floor(rows * CELL / scale), width)
    common = tall // OVERLAP
    count = min(math.ceil((height - common) / (tall - common)), MOST)
    tall = math.ceil((height + (count - 1) * common) / count)
    tops = (round(at * (height - tall) / max(count - 1, 1)) for at in range(count))
    return [(0, top, width, top + tall) for top in tops]


def plan(
    size: tuple[int, int], budget: PictureBudget, max_short_side: int, tiled: bool, region: Box | None = None
) -> list[tuple[Box, Fit]]:
    """What is cut from a picture of `size` px, or from its `region`, and the canvas of each part.

    The child cuts by it and the parent checks the child's answer by it. Raises what `within` does.
    """
    left, top, right, bottom = within(region, *size)
    whole = right - left, bottom - top
    boxes = pieces(*whole, budget, max_short_side) if tiled else [(0, 0, *whole)]
    cuts = [(left + x1, top + y1, left + x2, top + y2) for x1, y1, x2, y2 in boxes]
    return [(cut, fit(cut[2] - cut[0], cut[3] - cut[1], budget, max_short_side)) for cut in cuts]


def join_texts(texts: Sequence[str]) -> str:
    """The texts of overlapping pieces, top to bottom, as one text; lines that two of them share appear once.

    Of two readings of a line the longer is kept, and a line that the edge of a piece cut in two is left to the piece
    that has it whole. Where no line is shared, the texts follow each other.
    """
    lines: list[str] = []
    for text in texts:
        lines = _join(lines, [line.rstrip() for line in text.splitlines() if line.strip()])
    return "\n".join(lines)


def _join(above: list[str], below: list[str]) -> list[str]:
    for same in (_equal, _alike):  # rows of a table are alike, so equal lines go first
        for size in range(min(len(above), len(below), LOOK_BACK), 0, -1):
            for cut_above, cut_below in ((0, 0), (1, 0), (0, 1), (1, 1)):
                end = len(above) - cut_above
                pairs = list(zip(above[max(end - size, 0) : end], below[cut_below : cut_below + size], strict=False))
                if len(pairs) == size and all(same(*pair) for pair in pairs):
                    return above[: end - size] + [max(pair, key=len) for pair in pairs] + below[cut_below + size :]
    return above + below


def _equal(one: str, other: str) -> bool:
    return one.split() == other.split()


def _alike(one: str, other: str) -> bool:
    left, right = "".join(one.split()), "".join(other.split())
    return SequenceMatcher(None, left, right, autojunk=False).ratio() >= ALIKE
