"""Boxes, points and labels drawn on a picture in its full size. Runs in the limited child only."""

import io
from functools import cache
from typing import Any, TypeAlias

from PIL import Image, ImageDraw, ImageFont

Font: TypeAlias = ImageFont.FreeTypeFont | ImageFont.ImageFont

LINE = 250  # the line is a LINE-th of the short side wide
LETTER = 28  # letters are a LETTER-th of it high
# Fonts with Chinese characters where Debian, macOS and Windows keep theirs; without one a label is its number alone.
CHINESE_FONTS = (
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc",
    "/System/Library/Fonts/PingFang.ttc",
    "/System/Library/Fonts/STHeiti Light.ttc",
    "C:/Windows/Fonts/msyh.ttc",
)


def drawn(image: Image.Image, marks: list[dict[str, Any]]) -> bytes:
    """`image` (RGB) as a PNG file with `marks` on it: `at` (two or four px), `label`, `colour` (#rrggbb)."""
    pen = ImageDraw.Draw(image)
    width = max(round(min(image.size) / LINE), 2)
    letters = max(round(min(image.size) / LETTER), 12)
    for number, mark in enumerate(marks, 1):
        at, colour = tuple(mark["at"]), str(mark["colour"])
        if len(at) == 4:
            pen.rectangle(at, outline=colour, width=width)
        else:
            pen.circle(at, 3 * width, fill=colour, outline="white", width=width)
        _write(pen, image.size, at, f"{number} {mark['label']}".strip(), colour, letters)
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1)
    return file.getvalue()


def _write(
    pen: ImageDraw.ImageDraw, size: tuple[int, int], at: tuple[float, ...], label: str, colour: str, letters: int
) -> None:
    """The label on its colour, above the place where there is room, never outside the picture."""
    font, text = _font(letters, label)
    left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
    wide, high = right - left + letters // 2, bottom - top + letters // 3
    x = min(max(at[0], 0), max(size[0] - wide, 0))
    y = at[1] - high if at[1] >= high else min(at[1], size[1] - high)
    pen.rectangle((x, y, x + wide, y + high), fill=colour)
    pen.text((x + letters // 4 - left, y + letters // 6 - top), text, font=font, fill="white")


def _font(letters: int, label: str) -> tuple[Font, str]:
    if label.isascii():
        return ImageFont.load_default(letters), label
    chinese = _chinese(letters)
    return (chinese, label) if chinese else (ImageFont.load_default(letters), label.split(" ")[0])


@cache
def _chinese(letters: int) -> Font | None:
    for path in CHINESE_FONTS:
        try:
            return ImageFont.truetype(path, letters)
        except OSError:
            continue
    return None
