"""The part of a picture that a person selects, as the page knows it: fractions of the sides, whatever their pixels."""

from typing import TypeAlias

from qwen_vl_app.errors import InvalidField, Language
from qwen_vl_app.media.fit import Box
from qwen_vl_app.ui.texts import text

Portion: TypeAlias = tuple[float, float, float, float]  # left, top, right, bottom, each 0 to 1


def portion_in(value: object) -> Portion | None:
    """The part that a browser names; None is the whole picture.

    Raises:
        InvalidField: it is not four fractions.
    """
    if value is None:
        return None
    if not isinstance(value, list | tuple) or len(value) != 4 or not all(_is_fraction(side) for side in value):
        raise InvalidField(field="region", why="must be four numbers from 0 to 1")
    left, top, right, bottom = (float(side) for side in value)
    return left, top, right, bottom


def _is_fraction(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def in_pixels(portion: Portion, width: int, height: int) -> Box:
    """The part of a picture of `width` x `height` px."""
    left, top, right, bottom = portion
    return round(left * width), round(top * height), round(right * width), round(bottom * height)


def described(portion: Portion, language: Language) -> str:
    """Where the part is, in words."""
    left, top, right, bottom = (round(100 * side) for side in portion)
    return text("region_asked", language, left=left, top=top, right=right, bottom=bottom)
