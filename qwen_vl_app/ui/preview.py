"""What a browser cannot show itself (HEIC, TIFF) is shown as the model sees it."""

import struct
import zlib
from pathlib import Path

from qwen_vl_app.chat import Image
from qwen_vl_app.media.fit import Fit

SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"BM")


def shown_by_browsers(path: Path) -> bool:
    """Whether the file's first bytes are of a kind that every current browser draws."""
    with path.open("rb") as file:
        head = file.read(12)
    riff = head[:4] == b"RIFF" and head[8:] == b"WEBP"
    return riff or head[4:] == b"ftypavif" or head.startswith(SIGNATURES)


def png(image: Image, placed: Fit) -> bytes:
    """The fitted pixels as a PNG file, without the white bars."""
    starts = (((placed.top + row) * image.width + placed.left) * 3 for row in range(placed.inner_height))
    rows = b"".join(b"\0" + image.rgb[start : start + placed.inner_width * 3] for start in starts)
    header = struct.pack(">IIBBBBB", placed.inner_width, placed.inner_height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 1)), (b"IEND", b""))
    return SIGNATURES[1] + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
