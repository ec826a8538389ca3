"""Pictures in: any file a person has becomes a `chat.Image`; untrusted bytes are decoded in a limited child only."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qwen_vl_app.catalogue import CELL, PictureBudget
from qwen_vl_app.chat import Image
from qwen_vl_app.errors import PictureNotFound, UnreadablePicture
from qwen_vl_app.media.fit import Fit, fit
from qwen_vl_app.media.kinds import HEAD, kind_of


@dataclass(frozen=True)
class Picture:
    """A picture ready for the model, and what it was: size in px upright, before fitting.

    `placed` tells which part of the fitted picture is the person's picture and which is white bars.
    """

    image: Image
    original_width: int
    original_height: int
    placed: Fit
    note: str = ""


async def open_picture(source: Path | bytes, name: str, budget: PictureBudget, max_short_side: int) -> Picture:
    """The picture in `source`, upright, on white, in sRGB, fitted into the budget.

    Raises:
        PictureNotFound, UnreadablePicture, PictureTooLarge, PictureTooCostly: naming `name`, the person's own name
        for the file.
    """
    request = _request("fitted", source, name, budget, max_short_side)
    # Deferred: the child imports this package too and must not spend its start on asyncio.
    from qwen_vl_app.media import sandbox

    most = budget.max_tokens * CELL**2 * 3
    header, pixels = await sandbox.ask(request, source if isinstance(source, bytes) else b"", name, most)
    width, height = header["width"], header["height"]
    placed = fit(width, height, budget, max_short_side)
    if len(pixels) != placed.width * placed.height * 3:
        raise UnreadablePicture(name=name)
    return Picture(_image(pixels, placed), width, height, placed)


def _request(
    operation: str, source: Path | bytes, name: str, budget: PictureBudget, max_short_side: int
) -> dict[str, Any]:
    """What the child is asked; refuses at once what does not even begin like a picture."""
    kind = kind_of(_head(source, name))
    if kind is None:
        raise UnreadablePicture(name=name)
    request = {
        "operation": operation,
        "kind": kind,
        "min_tokens": budget.min_tokens,
        "max_tokens": budget.max_tokens,
        "max_short_side": max_short_side,
    }
    return request | ({"path": str(source.resolve())} if isinstance(source, Path) else {})


def _head(source: Path | bytes, name: str) -> bytes:
    if isinstance(source, bytes):
        return source[:HEAD]
    if not source.is_file():
        raise PictureNotFound(name=name)
    with source.open("rb") as file:
        return file.read(HEAD)


def _image(pixels: bytes, placed: Fit) -> Image:
    digest = hashlib.sha256(b"%dx%d:" % (placed.width, placed.height) + pixels)
    return Image(pixels, placed.width, placed.height, digest.hexdigest())
