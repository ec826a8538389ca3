"""The places in an answer: boxes and points in JSON, read item by item, so that a broken end loses only itself."""

import ast
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeAlias

RELATIVE = 1000  # coordinates are 0 to this on each side of the picture (Qwen3-VL cookbook)
BOX_KEYS = ("bbox_2d", "bbox", "box_2d", "box")
POINT_KEYS = ("point_2d", "point", "coordinate", "coordinates")
LABEL_KEYS = ("label", "text_content", "text", "name", "category")
MOST = 500  # places of one answer
OBJECT = re.compile(r"\{[^{}]*\}")  # an innermost one

Coordinates: TypeAlias = tuple[float, ...]


@dataclass(frozen=True)
class Place:
    """A box (x1, y1, x2, y2) or a point (x, y), 0 to 1000 on each side of the picture, and what is there."""

    at: Coordinates
    label: str = ""

    @property
    def is_box(self) -> bool:
        """Whether it is a box."""
        return len(self.at) == 4


class Fitted(Protocol):
    """A picture as the model saw it, which knows where its places are in the original."""

    def to_original(self, x: float, y: float) -> tuple[float, float]:
        """A place of 0 to 1000 on each side, in px of the original."""

    def box_to_original(self, box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
        """A box likewise."""


@dataclass(frozen=True)
class Found:
    """The places of an answer; `lost` items could not be read, `cut` says that the answer ends inside its list."""

    places: tuple[Place, ...] = ()
    lost: int = 0
    cut: bool = False


def in_pixels(places: Sequence[Place], picture: Fitted) -> list[Place]:
    """The places in px of the upright original."""
    return [
        replace(
            place,
            at=picture.box_to_original((place.at[0], place.at[1], place.at[2], place.at[3]))
            if place.is_box
            else picture.to_original(place.at[0], place.at[1]),
        )
        for place in places
    ]


def found(answer: str) -> Found:
    """The places in `answer`, wherever in it they are, with or without a fence, in the order written."""
    items = OBJECT.findall(answer)
    read = [_place(_parsed(item)) for item in items]
    places = [place for place in read if place][:MOST]
    around = OBJECT.sub("", answer)
    return Found(tuple(places), len(items) - len(places), "{" in around or around.count("[") > around.count("]"))


def _parsed(text: str) -> Any:
    """An object, also with the single quotes of the cookbook's own example."""
    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def _place(item: Any) -> Place | None:
    if not isinstance(item, dict):
        return None
    for keys, count in ((BOX_KEYS, 4), (POINT_KEYS, 2)):
        for key in keys:
            at = _numbers(item.get(key), count)
            if at:
                return Place(_ordered(at), _label(item))
    return None


def _numbers(value: Any, count: int) -> Coordinates | None:
    if not isinstance(value, (list, tuple)) or len(value) != count:
        return None
    if not all(isinstance(number, (int, float)) and not isinstance(number, bool) for number in value):
        return None
    return tuple(min(max(float(number), 0.0), float(RELATIVE)) for number in value)


def _ordered(at: Coordinates) -> Coordinates:
    """Left before right and top before bottom."""
    if len(at) == 2:
        return at
    x1, y1, x2, y2 = at
    return min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)


def _label(item: dict[Any, Any]) -> str:
    return next((str(item[key]) for key in LABEL_KEYS if key in item), "")
