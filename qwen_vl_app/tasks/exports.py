"""Places in the forms that other programs read; in pixels of the original picture."""

import csv
import io
import json
from collections.abc import Sequence

from qwen_vl_app.tasks.places import Place

BOM = "\ufeff"  # by which spreadsheets know UTF-8
POINT_SIDE = 1.0  # px: COCO and YOLO know boxes only, so a point is a box of this side there


def labels(places: Sequence[Place]) -> list[str]:
    """The labels, each once, in the order of their first appearance."""
    return list(dict.fromkeys(place.label for place in places))


def as_json(places: Sequence[Place], name: str, size: tuple[int, int]) -> str:
    """The places as one JSON object: picture's name, width, height, and a list with `bbox` or `point` in px."""
    whole = {"picture": name, "width": size[0], "height": size[1], "places": as_items(places)}
    return json.dumps(whole, ensure_ascii=False)


def as_items(places: Sequence[Place]) -> list[dict[str, object]]:
    """Each place as an object with `label` and `bbox` or `point`."""
    return [{"label": place.label, ("bbox" if place.is_box else "point"): _rounded(place.at)} for place in places]


def as_coco(places: Sequence[Place], name: str, size: tuple[int, int]) -> str:
    """COCO's detection format (cocodataset.org, "Data format"): boxes are left, top, width, height in px."""
    known = labels(places)
    boxes = [_box(place) for place in places]
    annotations = [
        {
            "id": number,
            "image_id": 1,
            "category_id": known.index(place.label) + 1,
            "bbox": _rounded((x1, y1, x2 - x1, y2 - y1)),
            "area": round((x2 - x1) * (y2 - y1), 1),
            "iscrowd": 0,
        }
        for number, (place, (x1, y1, x2, y2)) in enumerate(zip(places, boxes, strict=True), 1)
    ]
    whole = {
        "images": [{"id": 1, "file_name": name, "width": size[0], "height": size[1]}],
        "categories": [{"id": number, "name": label} for number, label in enumerate(known, 1)],
        "annotations": annotations,
    }
    return json.dumps(whole, ensure_ascii=False)


def as_yolo(places: Sequence[Place], size: tuple[int, int]) -> str:
    """YOLO's text format (docs.ultralytics.com): class, middle x, middle y, width, height as fractions.

    The numbers of the classes are explained in comment lines at the end.
    """
    known, lines = labels(places), []
    for place in places:
        x1, y1, x2, y2 = _box(place)
        middle = ((x1 + x2) / 2 / size[0], (y1 + y2) / 2 / size[1], (x2 - x1) / size[0], (y2 - y1) / size[1])
        lines.append(f"{known.index(place.label)} " + " ".join(f"{value:.6f}" for value in middle))
    return "\n".join([*lines, *(f"# {number}: {label}" for number, label in enumerate(known)), ""])


def as_csv(places: Sequence[Place]) -> str:
    """A table of label, x1, y1, x2, y2 in px; a point has its place twice. With a BOM: spreadsheets need it."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(("label", "x1", "y1", "x2", "y2"))
    for place in places:
        writer.writerow((harmless(place.label), *_rounded(place.at if place.is_box else place.at * 2)))
    return BOM + text.getvalue()


def harmless(label: str) -> str:
    """A label that a spreadsheet does not take for a formula (OWASP, "CSV Injection")."""
    return "'" + label if label[:1] in ("=", "+", "-", "@", "\t", "\r") else label


def _box(place: Place) -> tuple[float, float, float, float]:
    if place.is_box:
        x1, y1, x2, y2 = place.at
        return x1, y1, x2, y2
    x, y = place.at
    half = POINT_SIDE / 2
    return x - half, y - half, x + half, y + half


def _rounded(numbers: Sequence[float]) -> list[float]:
    return [round(number, 1) for number in numbers]
