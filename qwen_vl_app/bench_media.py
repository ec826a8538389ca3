"""`app.py bench media`: how long large pictures take to come in, beside plain Pillow on the same files, in turn.

Ours is the whole way: limited process, reduced decoding, colour, fit, pixels back. Plain is Pillow's open and resize
to the same size in this process. The pictures are drawn and photo-like in size only; they are gone afterwards.
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import pillow_heif
from PIL import Image

from qwen_vl_app import media
from qwen_vl_app.catalogue import QWEN_BUDGET

SIZES = ((4000, 3000), (8000, 6000))  # px: 12 and 48 megapixels, as phones take them
FORMATS: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 90},
    "PNG": {"compress_level": 3},
    "HEIF": {"quality": 50, "enc_params": {"preset": "ultrafast"}},  # a slower one would take minutes
}
SHORT_SIDE = 768  # px, the default of --max-short-side
GRAIN = 8  # px, the size of the smallest things in the pictures


def run(rounds: int) -> int:
    """Measure `rounds` rounds; print a table, whose last line is one JSON object; return the exit status."""
    pillow_heif.register_heif_opener(thumbnails=False)
    results: dict[str, dict[str, float]] = {}
    with TemporaryDirectory() as folder:
        for name, file in _files(Path(folder)):
            print(f"measuring {name}", file=sys.stderr)
            results[name] = measure(file, rounds)
    print(f"{'median of ' + str(rounds) + ' rounds, seconds':32}{'here':>9}{'plain':>9}{'ratio':>9}")
    for name, row in results.items():
        print(f"{name:32}{row['here']:9.3f}{row['plain']:9.3f}{row['ratio']:9.2f}")
    print(json.dumps({"rounds": rounds, **results}))
    return 0


def measure(file: Path, rounds: int) -> dict[str, float]:
    """Median seconds of both ways over `rounds` rounds after one that warms up, and their ratio."""
    picture = _ours(file)
    size = picture.image.width, picture.image.height
    here, plain = [], []
    for number in range(rounds + 1):
        ours, theirs = _seconds(lambda: _ours(file)), _seconds(lambda: _plain(file, size))
        if number:
            here.append(ours)
            plain.append(theirs)
    return {"here": median(here), "plain": median(plain), "ratio": median(here) / median(plain)}


def _ours(file: Path) -> media.Picture:
    return asyncio.run(media.open_picture(file, file.name, QWEN_BUDGET, SHORT_SIDE))


def _plain(file: Path, size: tuple[int, int]) -> bytes:
    with Image.open(file) as image:
        return image.resize(size, Image.Resampling.BICUBIC).tobytes()


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Name and file of every picture to be measured, made one by one."""
    for width, height in SIZES:
        drawn = draw(width, height)
        for kind, options in FORMATS.items():
            name = f"{width * height // 1_000_000} Mpx {kind}"
            drawn.save(folder / name, kind, **options)
            yield name, folder / name


def draw(width: int, height: int) -> Image.Image:
    """A colour picture of soft and of small things."""
    grain = Image.effect_noise((width // GRAIN, height // GRAIN), 60).resize((width, height), Image.Resampling.BICUBIC)
    soft = (Image.radial_gradient("L"), Image.linear_gradient("L"))
    return Image.merge("RGB", (soft[0].resize((width, height)), grain, soft[1].resize((width, height))))
