"""Every way of storing colours to plain sRGB. Runs in the limited child only."""

import io
from typing import IO

from PIL import Image, ImageCms

from qwen_vl_app.media import tone

_GREY = ("1", "L", "LA", "La")
_MODE_OF = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab": "LAB"}  # ICC colour space: Pillow's mode
_CICP = 64 * 1024  # bytes at the start of a file within which its CICP codes lie


def plain(image: Image.Image) -> Image.Image:
    """The picture in eight bits, without palette or alpha: mode L, RGB, CMYK or LAB.

    16 bits are scaled, not clipped; 32 bits and floating point are stretched from their lowest to their highest
    value; what shines through is white.
    """
    if image.mode.startswith(("I", "F")):
        return _eight_bits(image)
    if image.has_transparency_data:
        return _on_white(image)
    if image.mode in ("L", "RGB", "CMYK", "LAB"):
        return image
    return image.convert("L" if image.mode in _GREY else "RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    low, high = (0.0, 65535.0) if image.mode.startswith("I;16") else image.convert("F").getextrema()
    assert isinstance(low, float) and isinstance(high, float)
    scale = 255 / (high - low) if high > low else 0.0
    return image.convert("F").point(lambda value: value * scale + (0.5 - low * scale)).convert("L")


def _on_white(image: Image.Image) -> Image.Image:
    mode = "L" if image.mode in _GREY else "RGB"
    layers = image.convert(mode + "A")
    white = Image.new(mode, image.size, "white")
    white.paste(layers.convert(mode), mask=layers.getchannel("A"))
    return white


def to_srgb(image: Image.Image, profile: bytes | None, codes: tuple[int, int] | None) -> Image.Image:
    """A `plain` picture as sRGB: by its ICC profile, else by its CICP codes (primaries, transfer), else as it is."""
    converted = _by_profile(image, profile) if profile else None
    if converted is not None:
        return converted
    if image.mode == "LAB":
        lab = ImageCms.createProfile("LAB")
        return _transformed(image, ImageCms.ImageCmsProfile(lab))
    look_up = tone.table(*codes) if codes else None
    return image.convert("RGB").filter(look_up) if look_up else image.convert("RGB")


def _by_profile(image: Image.Image, profile: bytes) -> Image.Image | None:
    """The picture in sRGB; None when its profile is damaged or for another kind of picture."""
    try:
        parsed = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = _MODE_OF[parsed.profile.xcolor_space.strip()]
        if mode != image.mode and (image.mode, mode) != ("L", "RGB"):
            return None
        return _transformed(image.convert(mode), parsed)
    except Exception:  # littlecms through Pillow: a wrong colour is better than no picture
        return None


def _transformed(image: Image.Image, profile: ImageCms.ImageCmsProfile) -> Image.Image:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    converted = ImageCms.profileToProfile(image, profile, srgb, outputMode="RGB")
    assert converted is not None
    return converted


def cicp(file: IO[bytes]) -> tuple[int, int] | None:
    """Colour primaries and transfer characteristics (ITU-T H.273) of a PNG or AVIF file, where it states them."""
    file.seek(0)
    head = file.read(_CICP)
    file.seek(0)
    if head.startswith(b"\x89PNG"):
        at = head.find(b"cICP", 0, head.find(b"IDAT")) + len(b"cICP")
        return (head[at], head[at + 1]) if at > 4 and at + 1 < len(head) else None
    at = head.find(b"colrnclx") + len(b"colrnclx")
    codes = head[at : at + 4]
    return (codes[1], codes[3]) if at > 8 and len(codes) == 4 else None
