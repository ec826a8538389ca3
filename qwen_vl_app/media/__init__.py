"""Pictures in: any file a person has becomes a `chat.Image`; untrusted bytes are decoded in a limited child only.

JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF and HEIC, told by their bytes. Upright, in sRGB, on white, whole cells in size.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qwen_vl_app.catalogue import CELL, PictureBudget
from qwen_vl_app.chat import Image
from qwen_vl_app.errors import PictureNotFound, UnreadablePicture
from qwen_vl_app.media.fit import Box, Fit
from qwen_vl_app.media.kinds import HEAD, Note, kind_of
from qwen_vl_app.media.tiles import MOST, join_texts, plan

__all__ = ["Mark", "Picture", "draw_marks", "join_texts", "open_picture", "open_tiles", "prepare"]

MOST_PNG = 256 << 20  # bytes: 64 megapixels that cannot be packed
RELATIVE = 1000  # the model's coordinates go from 0 to this on each side (Qwen3-VL cookbook)


@dataclass(frozen=True)
class Picture:
    """A picture ready for the model, and what it was: size in px upright, before fitting.

    `image` shows `region` of the original, where `placed` tells (the rest is white bars). `note` is a code for what
    was left out of the file.
    """

    image: Image
    original_width: int
    original_height: int
    placed: Fit
    region: Box
    note: Note = ""

    def to_original(self, x: float, y: float) -> tuple[float, float]:
        """A place in the model's coordinates, 0 to 1000 on each side of `image`, in px of the original picture."""
        left, top, right, bottom = self.region
        across = (x / RELATIVE * self.placed.width - self.placed.left) / self.placed.inner_width
        down = (y / RELATIVE * self.placed.height - self.placed.top) / self.placed.inner_height
        return left + min(max(across, 0), 1) * (right - left), top + min(max(down, 0), 1) * (bottom - top)

    def box_to_original(self, box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
        """A box (x1, y1, x2, y2) in the model's coordinates, in px of the original picture."""
        return *self.to_original(box[0], box[1]), *self.to_original(box[2], box[3])


@dataclass(frozen=True)
class Mark:
    """A box (x1, y1, x2, y2) or a point (x, y) in px of the upright original, what it says, and its #rrggbb."""

    at: tuple[float, ...]
    label: str
    colour: str


async def draw_marks(source: Path, name: str, marks: Sequence[Mark]) -> bytes:
    """The picture in its full size with the marks on it, as a PNG file.

    Raises:
        PictureNotFound, UnreadablePicture, PictureTooLarge, PictureTooCostly: as `open_picture`.
    """
    from qwen_vl_app.media import sandbox

    request = _place_of(source, name) | {"operation": "marked", "marks": [vars(mark) for mark in marks]}
    _, png = await sandbox.ask(request, b"", name, MOST_PNG)
    return png


def prepare() -> None:
    """Start the process of the first picture now, so that it need not wait for it. Not needed, only faster."""
    from qwen_vl_app.media import sandbox

    sandbox.nursery.prepare()


async def open_picture(
    source: Path | bytes, name: str, budget: PictureBudget, max_short_side: int, region: Box | None = None
) -> Picture:
    """The picture in `source`, or its `region`, fitted into the budget; its short side at most `max_short_side` px.

    Raises:
        PictureNotFound, UnreadablePicture, PictureTooLarge, PictureTooCostly: naming `name`, the person's own name
        for the file.
        UnusableRegion: `region` is outside of the picture, or tiny.
    """
    return (await _open(source, name, budget, max_short_side, False, region))[0]


async def open_tiles(
    source: Path | bytes, name: str, budget: PictureBudget, max_short_side: int, region: Box | None = None
) -> tuple[Picture, ...]:
    """The picture, or its `region`, in overlapping pieces from top to bottom, each fitted; one if it is not long.

    Read one after the other, their texts become one by `join_texts`. Raises what `open_picture` does.
    """
    return await _open(source, name, budget, max_short_side, True, region)


async def _open(
    source: Path | bytes, name: str, budget: PictureBudget, max_short_side: int, tiled: bool, region: Box | None
) -> tuple[Picture, ...]:
    # Deferred: the child imports this package too and must not spend its start on asyncio.
    from qwen_vl_app.media import sandbox

    request = _request(source, name, budget, max_short_side) | {"tiled": tiled, "region": region}
    most = budget.max_tokens * CELL**2 * 3 * (MOST if tiled else 1)
    header, pixels = await sandbox.ask(request, source if isinstance(source, bytes) else b"", name, most)
    try:
        width, height, note = int(header["width"]), int(header["height"]), _note(header["note"])
        parts = plan((width, height), budget, max_short_side, tiled, region)
        return tuple(_cut(pixels, parts, width, height, note))
    except (KeyError, TypeError, ValueError, ArithmeticError):  # only from a child that was taken over
        raise UnreadablePicture(name=name) from None


def _request(source: Path | bytes, name: str, budget: PictureBudget, max_short_side: int) -> dict[str, Any]:
    """What the child is asked."""
    return _place_of(source, name) | {
        "operation": "fitted",
        "min_tokens": budget.min_tokens,
        "max_tokens": budget.max_tokens,
        "max_short_side": max_short_side,
    }


def _place_of(source: Path | bytes, name: str) -> dict[str, Any]:
    """Kind and path of a picture; refuses at once what does not even begin like one."""
    kind = kind_of(_head(source, name))
    if kind is None:
        raise UnreadablePicture(name=name)
    return {"kind": kind} | ({"path": str(source.resolve())} if isinstance(source, Path) else {})


def _head(source: Path | bytes, name: str) -> bytes:
    if isinstance(source, bytes):
        return source[:HEAD]
    if not source.is_file():
        raise PictureNotFound(name=name)
    with source.open("rb") as file:
        return file.read(HEAD)


def _note(value: object) -> Note:
    match value:
        case "" | "first_frame" | "first_of_several":
            return value
    raise ValueError(value)


def _cut(pixels: bytes, parts: list[tuple[Box, Fit]], width: int, height: int, note: Note) -> list[Picture]:
    """The pictures whose pixels follow each other in `pixels`.

    Raises:
        ValueError: there are not exactly as many as they need.
    """
    pictures, start = [], 0
    for region, placed in parts:
        end = start + placed.width * placed.height * 3
        pictures.append(Picture(_image(pixels[start:end], placed), width, height, placed, region, note))
        start = end
    if start != len(pixels):
        raise ValueError(len(pixels))
    return pictures


def _image(pixels: bytes, placed: Fit) -> Image:
    digest = hashlib.sha256(b"%dx%d:" % (placed.width, placed.height) + pixels)
    return Image(pixels, placed.width, placed.height, digest.hexdigest())
