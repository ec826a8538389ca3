"""Untrusted bytes to pixels, with Pillow. Runs in the limited child only; see `sandbox`."""

import importlib
from typing import IO

from PIL import Image, ImageOps

from qwen_vl_app.media.fit import Fit
from qwen_vl_app.media.kinds import Kind

MAX_PIXELS = 64_000_000  # decoded; a shared promise with the page's texts (reliability.md, fault 13)
MAX_JPEG_PIXELS = 256_000_000  # a JPEG is decoded at half size or less
ORIENTATION = 0x0112  # EXIF tag
MEGA = 1_000_000

Image.MAX_IMAGE_PIXELS = None  # the two limits above are checked on the header instead

_PLUGINS: dict[Kind, str] = {kind: f"PIL.{kind.title()}ImagePlugin" for kind in ("TIFF", "AVIF")}
_PLUGINS["WEBP"] = "PIL.WebPImagePlugin"


class TooLarge(Exception):
    """More pixels than will be decoded."""

    def __init__(self, pixels: int, limit: int) -> None:
        super().__init__(pixels, limit)
        self.megapixels = -(-pixels // MEGA)
        self.limit = limit // MEGA


def open_header(file: IO[bytes], kind: Kind) -> Image.Image:
    """The picture in `file`, nothing of it decoded yet.

    Raises:
        TooLarge: by its header it has more pixels than will be decoded.
        Exception: anything at all, when the bytes are damaged.
    """
    if kind == "HEIF":
        importlib.import_module("pillow_heif").register_heif_opener(thumbnails=False)
    elif kind in _PLUGINS:
        importlib.import_module(_PLUGINS[kind])
    image = Image.open(file, formats=(kind,))
    limit = MAX_JPEG_PIXELS if kind == "JPEG" else MAX_PIXELS
    if image.width * image.height > limit:
        raise TooLarge(image.width * image.height, limit)
    return image


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Width and height in px of the picture as it is meant to be seen."""
    width, height = image.size
    return (height, width) if orientation(image) >= 5 else (width, height)


def orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 where there is none or it is damaged."""
    try:
        value = image.getexif().get(ORIENTATION, 1)
    except Exception:  # damaged metadata is no reason to refuse a picture
        return 1
    return value if value in range(1, 9) else 1


def decode(image: Image.Image, smallest: tuple[int, int]) -> Image.Image:
    """All pixels: upright, RGB, on white. Large JPEGs come reduced, but not below `smallest` px upright."""
    turn = orientation(image)
    image.draft(None, smallest if turn < 5 else smallest[::-1])
    image.load()
    return flatten(ImageOps.exif_transpose(image))


def flatten(image: Image.Image) -> Image.Image:
    """The picture as RGB; what shines through is white."""
    if not image.has_transparency_data:
        return image.convert("RGB")
    layers = image.convert("RGBA")
    white = Image.new("RGB", image.size, "white")
    white.paste(layers, mask=layers.getchannel("A"))
    return white


def resize(image: Image.Image, target: Fit, region: tuple[int, int, int, int] | None = None) -> Image.Image:
    """`region` (left, top, right, bottom in px; all by default) of an RGB picture on the canvas `target`, bicubic.

    The one resizing of this program: the demo model is trained on its pixels.
    """
    inner = image.resize((target.inner_width, target.inner_height), Image.Resampling.BICUBIC, box=region)
    if inner.size == (target.width, target.height):
        return inner
    canvas = Image.new("RGB", (target.width, target.height), "white")
    canvas.paste(inner, (target.left, target.top))
    return canvas
