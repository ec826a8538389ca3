"""Places of several pieces of a picture as one answer, in the model's own form."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from qwen_vl_app.tasks.places import RELATIVE, Place

SHARED = 0.5  # two readings of one thing share at least this part of the smaller box


@dataclass(frozen=True)
class Whole:
    """A picture of `width` x `height` px in which places are fractions of its own sides: nothing is cut or fitted."""

    width: int
    height: int

    def to_original(self, x: float, y: float) -> tuple[float, float]:
        """A place of 0 to 1000 on each side, in px."""
        return x / RELATIVE * self.width, y / RELATIVE * self.height

    def box_to_original(self, box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
        """A box likewise."""
        return *self.to_original(box[0], box[1]), *self.to_original(box[2], box[3])


def merged(parts: Sequence[Sequence[Place]]) -> list[Place]:
    """The places in px of overlapping pieces, top to bottom; of two readings of one thing the larger is kept."""
    kept: list[Place] = []
    before = 0  # where the piece above begins in `kept`
    for places in parts:
        start = len(kept)
        for place in places:
            twin = next((at for at in range(before, start) if _same(kept[at], place)), None)
            if twin is None:
                kept.append(place)
            elif _area(place) > _area(kept[twin]):
                kept[twin] = place
        before = start
    return kept


def as_answer(places: Sequence[Place], whole: Whole, lost: int = 0, cut: bool = False) -> str:
    """The places in px as a model would have answered them about the whole picture, 0 to 1000 on each side.

    Items that were `lost` leave empty ones, and a list that was `cut` stays open, so that `found` says the same of it.
    """
    items = [_item(place, whole) for place in places] + ["{}"] * lost
    return "[\n" + ",\n".join(items) + ("" if cut else "\n]")


def _item(place: Place, whole: Whole) -> str:
    sides = (whole.width, whole.height) * 2
    at = [round(value / side * RELATIVE, 1) for value, side in zip(place.at, sides, strict=False)]
    key = "bbox_2d" if place.is_box else "point_2d"
    return json.dumps({key: at, "label": place.label}, ensure_ascii=False)


def _same(one: Place, other: Place) -> bool:
    if not (one.is_box and other.is_box):
        return False
    across = min(one.at[2], other.at[2]) - max(one.at[0], other.at[0])
    down = min(one.at[3], other.at[3]) - max(one.at[1], other.at[1])
    return across > 0 and down > 0 and across * down > SHARED * min(_area(one), _area(other))


def _area(place: Place) -> float:
    return (place.at[2] - place.at[0]) * (place.at[3] - place.at[1]) if place.is_box else 0.0
