"""Untrusted bytes to fitted pixels, with Pillow. Runs in the limited child only; see `sandbox`."""

import importlib
from typing import IO

from PIL import Image, ImageFile

from qwen_vl_app.media import colour
from qwen_vl_app.media.fit import Fit
from qwen_vl_app.media.kinds import WEBP_HEAD, Kind, Note, webp_size

MEGA = 1_000_000
MAX_PIXELS = 64 * MEGA  # decoded (reliability.md, fault 13)
MAX_JPEG_PIXELS = 256 * MEGA  # above MAX_PIXELS a JPEG is decoded at half its size or less
THREADS = 2  # of a decoder; each one costs address space
ORIENTATION = 0x0112  # EXIF tag

Image.MAX_IMAGE_PIXELS = None  # the two limits above are checked on the header instead

_TURN = Image.Transpose
_TURNS = {  # EXIF orientation: what makes the picture upright
    2: _TURN.FLIP_LEFT_RIGHT,
    3: _TURN.ROTATE_180,
    4: _TURN.FLIP_TOP_BOTTOM,
    5: _TURN.TRANSPOSE,
    6: _TURN.ROTATE_270,
    7: _TURN.TRANSVERSE,
    8: _TURN.ROTATE_90,
}


class TooLarge(Exception):
    """More pixels than will be decoded."""

    def __init__(self, pixels: int, limit: int) -> None:
        super().__init__(pixels, limit)
        self.megapixels = -(-pixels // MEGA)
        self.limit = limit // MEGA


def warm() -> None:
    """Load what most pictures need, before there is one."""
    Image.preinit()


def open_header(file: IO[bytes], kind: Kind) -> ImageFile.ImageFile:
    """The picture in `file`, nothing of it decoded yet.

    Raises:
        TooLarge: by its header it has more pixels than will be decoded.
        Exception: anything at all, when the bytes are damaged.
    """
    if kind == "WEBP":  # its decoder takes memory for all pixels before it tells how many there are
        _check(webp_size(file.read(WEBP_HEAD)), MAX_PIXELS)
        file.seek(0)
    _load_plugin(kind)
    image = Image.open(file, formats=(kind,))
    _check(image.size, MAX_JPEG_PIXELS if kind == "JPEG" else MAX_PIXELS)
    return image


def _check(size: tuple[int, int], limit: int) -> None:
    if size[0] * size[1] > limit:
        raise TooLarge(size[0] * size[1], limit)


def _load_plugin(kind: Kind) -> None:
    """Give Pillow the one decoder that is needed: loading them all takes longer than most pictures do."""
    if kind == "HEIF":
        import pillow_heif

        pillow_heif.register_heif_opener(thumbnails=False, decode_threads=THREADS)
    elif kind == "AVIF":
        from PIL import AvifImagePlugin

        AvifImagePlugin.DEFAULT_MAX_THREADS = THREADS
    elif kind in ("WEBP", "TIFF"):
        importlib.import_module("PIL.WebPImagePlugin" if kind == "WEBP" else "PIL.TiffImagePlugin")


def note(image: Image.Image) -> Note:
    """What of the file is not looked at. To be asked last: it may move on to the next frame."""
    try:
        several = bool(getattr(image, "is_animated", False))  # n_frames would go through all of them
    except Exception:  # damage behind the first frame
        several = False
    if not several or image.format in ("JPEG", "MPO"):
        return ""  # the further pictures of an MPO are previews and depth
    return "first_of_several" if image.format in ("TIFF", "HEIF") else "first_frame"


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Width and height in px of the picture as it is meant to be seen."""
    width, height = image.size
    return (height, width) if _orientation(image) >= 5 else (width, height)


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation that is still to be undone; 1 where there is none or it is damaged."""
    if image.format == "TIFF":  # Pillow turns these itself
        return 1
    try:
        value = image.getexif().get(ORIENTATION, 1)
    except Exception:  # damaged metadata is no reason to refuse a picture
        return 1
    return value if value in range(1, 9) else 1


def pixels(image: Image.Image, smallest: tuple[int, int]) -> Image.Image:
    """The picture decoded, upright and `colour.plain`; JPEGs reduced by the decoder, but not below `smallest` px."""
    turn = _orientation(image)
    image.draft(None, smallest[::-1] if turn >= 5 else smallest)
    image.load()
    upright = image.transpose(_TURNS[turn]) if turn in _TURNS else image
    return colour.plain(upright)


def resize(image: Image.Image, target: Fit, region: tuple[float, float, float, float] | None = None) -> Image.Image:
    """`region` (as `Box`) of a picture, all of it by default, in the size it has on the canvas `target`; bicubic.

    The one resizing of this program: the demo model is trained on its pixels.
    """
    return image.resize((target.inner_width, target.inner_height), Image.Resampling.BICUBIC, box=region)


def frame(inner: Image.Image, target: Fit) -> Image.Image:
    """A resized RGB picture on its canvas, between white bars where it does not fill it."""
    if inner.size == (target.width, target.height):
        return inner
    canvas = Image.new("RGB", (target.width, target.height), "white")
    canvas.paste(inner, (target.left, target.top))
    return canvas
