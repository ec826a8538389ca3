"""What a browser cannot show itself (HEIC, TIFF) is shown as the model sees it."""

import struct
import zlib
from pathlib import Path

from qwen_vl_app.chat import Image

SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"BM")


def shown_by_browsers(path: Path) -> bool:
    """Whether the file's first bytes are of a kind that every current browser draws."""
    with path.open("rb") as file:
        head = file.read(12)
    riff = head[:4] == b"RIFF" and head[8:] == b"WEBP"
    return riff or head[4:] == b"ftypavif" or head.startswith(SIGNATURES)


def png(image: Image) -> bytes:
    """The fitted pixels as a PNG file."""
    stride = image.width * 3
    rows = b"".join(b"\0" + image.rgb[start : start + stride] for start in range(0, len(image.rgb), stride))
    header = struct.pack(">IIBBBBB", image.width, image.height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 1)), (b"IEND", b""))
    return SIGNATURES[1] + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
