"""Damaged pictures by the thousand, made from valid ones; and the program that reads them in one limited process."""

import io
import random
import signal
import struct
import sys
import warnings
import zlib
from collections.abc import Iterator
from typing import Any

from PIL import Image

from qwen_vl_app.media import child, kinds
from tests.pictures import encoded, exif, huge, noise, png, swapped_profile

LIMITS = {"min_tokens": 4, "max_tokens": 64, "max_short_side": 768}
REQUEST = {"operation": "fitted", "tiled": False, "region": None, **LIMITS}
SECONDS = 10  # a file that takes longer has hung


def valid() -> dict[str, bytes]:
    """Pictures of every kind and build, by name."""
    picture, small = noise(96, 64), noise(40, 40)
    clear = picture.copy()
    clear.putalpha(Image.linear_gradient("L").resize(picture.size))
    tags: dict[str, Any] = {"exif": exif(6), "icc_profile": swapped_profile()}
    several: dict[str, Any] = {"save_all": True, "append_images": [small.resize(picture.size)]}
    return {
        "jpeg": encoded(picture, "JPEG", **tags),
        "jpeg progressive": encoded(picture, "JPEG", progressive=True),
        "jpeg cmyk": encoded(picture.convert("CMYK"), "JPEG"),
        "mpo": encoded(picture, "MPO", **several),
        "png": encoded(picture, "PNG", **tags),
        "png palette": encoded(clear.quantize(16), "PNG"),
        "png 16": png(32, 32, 16, 6, (b"\0" + random.Random(1).randbytes(32 * 8)) * 32),
        "apng": encoded(picture, "PNG", **several),
        "gif": encoded(picture, "GIF", **several),
        "webp": encoded(picture, "WEBP", **tags),
        "webp lossless": encoded(clear, "WEBP", lossless=True),
        "webp moving": encoded(picture, "WEBP", **several),
        "bmp": encoded(picture, "BMP"),
        "bmp palette": encoded(picture.quantize(16), "BMP"),
        "tiff": encoded(picture, "TIFF", **tags),
        "tiff lzw": encoded(clear, "TIFF", compression="tiff_lzw"),
        "tiff pages": encoded(picture, "TIFF", compression="tiff_lzw", **several),
        "tiff jpeg": encoded(picture, "TIFF", compression="jpeg"),
        "tiff float": encoded(Image.new("F", (40, 40), 0.5), "TIFF", compression="tiff_deflate"),
        "avif": encoded(clear, "AVIF", **tags),
        "avif moving": encoded(picture, "AVIF", **several),
        "heic": encoded(picture, "HEIF", exif=exif(6)),
        "heic clear": encoded(clear, "HEIF"),
    }


def bombs() -> dict[str, bytes]:
    """Small files that would become large: by their size, and in what lies beside the pixels."""
    zeros = zlib.compress(b"\0" * 200_000_000, 1)
    row = b"\0" * 13
    chunks = {"text": b"zTXt", "profile": b"iCCP"}
    beside = {name: png(4, 4, 8, 2, row * 4, _chunk(kind, b"x\0\0" + zeros)) for name, kind in chunks.items()}
    headers = {kind.lower(): huge(kind) for kind in ("PNG", "GIF", "BMP", "WEBP", "TIFF", "JPEG", "AVIF", "HEIF")}
    black = Image.new("1", (16_000, 16_000))
    real = {"real png": encoded(black, "PNG"), "real tiff": encoded(black, "TIFF", compression="group4")}
    return beside | headers | real


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def damaged(seeds: int) -> Iterator[tuple[str, bytes]]:
    """Every valid file cut at every tenth, and `seeds` times changed at random: most often in its first bytes."""
    for name, content in valid().items():
        for tenth in range(10):
            yield f"{name} cut {tenth}", content[: len(content) * tenth // 10]
        for seed in range(seeds):
            yield f"{name} changed {seed}", _changed(content, random.Random(f"{name} {seed}"))


def _changed(content: bytes, chance: random.Random) -> bytes:
    changed = bytearray(content)
    end = len(content) if chance.random() < 0.3 else min(len(content), 600)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        at = chance.randrange(kinds.HEAD if chance.random() < 0.05 else 12, end)
        match chance.randrange(4):
            case 0:
                changed[at] ^= 1 << chance.randrange(8)
            case 1:
                changed[at] = chance.choice((0, 1, 0x7F, 0x80, 0xFF))
            case 2:  # a number that lies
                lie = struct.pack(chance.choice(("<I", ">I", "<H", ">H")), chance.choice((0, 1, 0x7FFF, 0xFFFF)))
                changed[at : at + len(lie)] = lie
            case 3:
                changed[at : at + 4] = struct.pack(">I", chance.choice((0x7FFFFFFF, 0xFFFFFFFF, 0x10000, 20_000)))
    return bytes(changed)


def main(seeds: int, start: int) -> None:
    """Read file after file from number `start`, naming each before and its outcome after it."""
    child.PROCESSOR = 600  # seconds, for all of them; the other limits are those of one picture
    child.limit()
    warnings.simplefilter("ignore")
    for number, (name, content) in enumerate([*bombs().items(), *damaged(seeds)]):
        if number < start:
            continue
        print(number, name, flush=True, end=": ")
        kind = kinds.kind_of(content[: kinds.HEAD])
        signal.alarm(SECONDS)
        header = child.answer(io.BytesIO(content), REQUEST | {"kind": kind})[0] if kind else {"refusal": "no kind"}
        signal.alarm(0)
        print(header.get("refusal", "read"), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
