"""Which kind of picture some bytes are, by their first bytes and never by a name."""

from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF", "HEIF"]
# What of a file is not looked at: the later frames of a moving picture, or its later pages and pictures.
Note: TypeAlias = Literal["", "first_frame", "first_of_several"]

HEAD = 64  # bytes that are enough to tell
WEBP_HEAD = 30  # bytes that hold the size of a WebP picture

_STARTS: tuple[tuple[bytes, Kind], ...] = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),  # BigTIFF
    (b"MM\0+", "TIFF"),
)
# Brands of ISO base media files: MIAF and AVIF (av1-avif, section 6), HEIF (ISO/IEC 23008-12, annex B).
_AVIF = frozenset({b"avif", b"avis"})
_HEIF = frozenset({b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"})


def kind_of(head: bytes) -> Kind | None:
    """The kind of the picture that begins with `head`, its first HEAD bytes; None for everything else."""
    for start, kind in _STARTS:
        if head.startswith(start):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    return _kind_of_brands(head) if head[4:8] == b"ftyp" else None


def _kind_of_brands(head: bytes) -> Kind | None:
    end = min(int.from_bytes(head[:4], "big"), len(head))
    brands = {head[at : at + 4] for at in (8, *range(16, end - 3, 4))}
    if brands & _AVIF:
        return "AVIF"
    return "HEIF" if brands & _HEIF else None


def webp_size(head: bytes) -> tuple[int, int]:
    """Width and height in px from the first WEBP_HEAD bytes of a WebP file (RFC 9649, section 2); 0 x 0 if damaged."""
    if len(head) < WEBP_HEAD:
        return 0, 0
    if head[12:16] == b"VP8X":
        return int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
    if head[12:16] == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return int.from_bytes(head[26:28], "little") & 0x3FFF, int.from_bytes(head[28:30], "little") & 0x3FFF
