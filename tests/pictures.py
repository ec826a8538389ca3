"""Picture files that the tests make themselves."""

import io
import struct
import zlib
from typing import Any

import pillow_heif
from PIL import Image, ImageCms

pillow_heif.register_heif_opener()

TURN = Image.Transpose
UNDO = {  # what turns an upright picture into the one that is stored with this EXIF orientation
    2: TURN.FLIP_LEFT_RIGHT,
    3: TURN.ROTATE_180,
    4: TURN.FLIP_TOP_BOTTOM,
    5: TURN.TRANSPOSE,
    6: TURN.ROTATE_90,
    7: TURN.TRANSVERSE,
    8: TURN.ROTATE_270,
}
LOSSLESS: dict[str, dict[str, Any]] = {
    "PNG": {},
    "WEBP": {"lossless": True, "exact": True},
    "BMP": {},
    "TIFF": {"compression": "tiff_lzw"},
    "HEIF": {"quality": -1, "matrix_coefficients": 0, "chroma": 444},
}


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    """The bytes of `image` as a file."""
    buffer = io.BytesIO()
    if "append_images" in options:  # Pillow leaves settings of the last format on a picture that it saves
        options["append_images"] = [other.copy() for other in options["append_images"]]
    image.copy().save(buffer, kind, **options)
    return buffer.getvalue()


def soft(width: int, height: int) -> Image.Image:
    """A colour picture without hard edges, which lossy formats keep nearly as it is."""
    bands = (Image.linear_gradient("L"), Image.radial_gradient("L"), Image.linear_gradient("L").rotate(90))
    return Image.merge("RGB", [band.resize((width, height)) for band in bands])


def noise(width: int, height: int) -> Image.Image:
    """A colour picture in which no two places look alike."""
    return Image.merge("RGB", [Image.effect_noise((width, height), spread) for spread in (40, 60, 80)])


def exif(orientation: int) -> bytes:
    """EXIF with nothing but an orientation."""
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags.tobytes()


def stored(upright: Image.Image, orientation: int) -> Image.Image:
    """The pixels of a file of this EXIF orientation that shows `upright`."""
    return upright if orientation == 1 else upright.transpose(UNDO[orientation])


def swapped_profile() -> bytes:
    """An ICC profile that is sRGB but for red and green, which are swapped: easy to see in a picture."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for at in range(132, 132 + 12 * struct.unpack(">I", profile[128:132])[0], 12):
        name = bytes(profile[at : at + 4])
        if name in (b"rXYZ", b"gXYZ"):
            profile[at : at + 4] = b"gXYZ" if name == b"rXYZ" else b"rXYZ"
    return bytes(profile)


def chunk(name: bytes, content: bytes) -> bytes:
    """One chunk of a PNG file."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(width: int, height: int, depth: int, colours: int, rows: bytes, *chunks: bytes) -> bytes:
    """A PNG file of rows that bring their filter bytes; for what Pillow does not write."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colours, 0, 0, 0))
    body = header + b"".join(chunks) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def huge(kind: str) -> bytes:
    """A small file that says it has 16,320 x 16,320 pixels: the header of a bomb."""
    side = 16_320
    small = encoded(noise(64, 64), kind, **LOSSLESS.get(kind, {}))
    match kind:
        case "PNG":
            return png(side, side, 8, 2, b"\0" * 9)
        case "GIF":
            return small[:6] + struct.pack("<HH", side, side) + small[10:]
        case "BMP":
            return small[:18] + struct.pack("<ii", side, side) + small[26:]
        case "WEBP":
            return b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + 2 * (side - 1).to_bytes(3, "little") + small[12:]
        case "TIFF":
            return _in_tiff(small, side)
        case "JPEG":
            at = small.index(b"\xff\xc0") + 5
            return small[:at] + struct.pack(">HH", side, side) + small[at + 4 :]
    at = small.index(b"ispe") + 8
    return small[:at] + struct.pack(">II", side, side) + small[at + 8 :]


def _in_tiff(content: bytes, side: int) -> bytes:
    """The file with another width and height in its only directory."""
    changed = bytearray(content)
    start = struct.unpack_from("<I", content, 4)[0]
    for at in range(start + 2, start + 2 + 12 * struct.unpack_from("<H", content, start)[0], 12):
        if struct.unpack_from("<H", content, at)[0] in (256, 257):
            struct.pack_into("<HII", changed, at + 2, 4, 1, side)
    return bytes(changed)
