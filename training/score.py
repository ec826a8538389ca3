"""Whether an answer is right: to the letter, or for places by overlap."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from qwen_vl_app import media

from .conversation import Question
from .world import Box, Scene

RIGHT_IOU = 0.5  # a box counts as right from here on; the mean overlap is reported beside it


@dataclass
class Score:
    """How many answers were right, and for boxes the overlaps."""

    asked: int = 0
    right: int = 0
    overlaps: list[float] = field(default_factory=list)

    def add(self, good: bool, overlaps: list[float]) -> None:
        """Note one answer."""
        self.asked += 1
        self.right += good
        self.overlaps += overlaps

    def __str__(self) -> str:
        if not self.asked:
            return "–"
        percent = f"{100 * self.right / self.asked:.0f} %"
        return percent + (f", IoU {sum(self.overlaps) / len(self.overlaps):.2f}" if self.overlaps else "")


def overlap(a: Box, b: Box) -> float:
    """Return intersection over union of two boxes."""
    w, h = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if w <= 0 or h <= 0:
        return 0.0
    return w * h / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - w * h)


def _items(text: str) -> list[dict[str, Any]] | None:
    try:
        items = json.loads(text.removeprefix("```json").removesuffix("```"))
    except ValueError:
        return None
    return items if isinstance(items, list) and all(isinstance(i, dict) for i in items) else None


def _wanted(question: Question, scene: Scene) -> list[Box]:
    named, found = dict(question.named), scene.boxes()
    if scene.kind != "shapes":
        return found
    colour, shape = named.get("colour", ""), named.get("shape", "")
    keep = [s.colour == (colour or s.colour) and s.shape == (shape or s.shape) for s in scene.shapes]
    return [b for b, k in zip(found, keep, strict=True) if k]


def judge(
    question: Question, scenes: list[Scene], text: str, pictures: list[media.Picture]
) -> tuple[bool, list[float]]:
    """Return whether the answer is right, and the overlaps of its boxes."""
    if question.task.removesuffix("_of") not in ("boxes", "points", "spot"):
        return text == question.answer, []
    wanted = _wanted(question, scenes[0]) if question.task != "spot" or scenes[0].lines else []
    right, items = _items(question.answer), _items(text)
    if items is None or right is None or len(items) != len(wanted) or len(right) != len(wanted):
        return False, []
    key = "text_content" if question.task == "spot" else "label"
    named = all(i.get(key) == r[key] for i, r in zip(items, right, strict=True))
    try:
        return _places(question, items, wanted, pictures[0], named)
    except (KeyError, TypeError, ValueError):
        return False, []


def _places(
    question: Question, items: list[dict[str, Any]], wanted: list[Box], picture: media.Picture, named: bool
) -> tuple[bool, list[float]]:
    w, h = picture.original_width, picture.original_height
    if question.task.startswith("points"):
        points = [picture.to_original(*i["point_2d"]) for i in items]
        inside = [
            b[0] * w <= x <= b[2] * w and b[1] * h <= y <= b[3] * h for (x, y), b in zip(points, wanted, strict=True)
        ]
        return named and all(inside), []
    boxes = [picture.box_to_original(tuple(i["bbox_2d"])) for i in items]  # type: ignore[arg-type]
    overlaps = [overlap((a[0] / w, a[1] / h, a[2] / w, a[3] / h), b) for a, b in zip(boxes, wanted, strict=True)]
    return named and all(o >= RIGHT_IOU for o in overlaps), overlaps
