"""The part of a picture that is looked at. Pure, no heavy imports."""

from qwen_vl_app.media.fit import Box

LEAST = 16  # px of each side: half of one of the model's cells


class Unusable(ValueError):
    """The part has hardly a pixel of the picture, or none."""


def within(region: Box | None, width: int, height: int) -> Box:
    """`region` (any two opposite corners) as far as a picture of `width` x `height` px has it; all of it for None.

    Raises:
        Unusable: a side of that is less than LEAST px.
    """
    if region is None:
        return 0, 0, width, height
    (left, right), (top, bottom) = sorted(region[::2]), sorted(region[1::2])
    left, top, right, bottom = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
    if min(right - left, bottom - top) < LEAST:
        raise Unusable(region)
    return left, top, right, bottom
