"""JPEG for wires."""

import io
import random

import pytest
from PIL import Image as Pillow

from qwen_vl_app.chat import Image
from qwen_vl_app.media.wire import LIMIT, wire_jpeg
from tests.pictures import soft


def image(picture: Pillow.Image) -> Image:
    return Image(picture.tobytes(), picture.width, picture.height, "key")


def grain(side: int) -> Pillow.Image:
    """A picture that no JPEG makes small."""
    return Pillow.frombytes("RGB", (side, side), random.Random(1).randbytes(side * side * 3))


def test_an_ordinary_picture_keeps_its_size() -> None:
    encoded = wire_jpeg(image(soft(1024, 768)))
    with Pillow.open(io.BytesIO(encoded)) as opened:
        assert (opened.size, opened.format) == ((1024, 768), "JPEG")
    assert len(encoded) <= LIMIT


@pytest.mark.parametrize("limit", [LIMIT, 200_000, 20_000])
def test_no_picture_is_refused(limit: int) -> None:
    encoded = wire_jpeg(image(grain(1280)), limit)
    assert limit / 4 <= len(encoded) <= limit


def test_quality_goes_before_size() -> None:
    with Pillow.open(io.BytesIO(wire_jpeg(image(grain(1280))))) as opened:
        assert opened.size == (1280, 1280)
    with Pillow.open(io.BytesIO(wire_jpeg(image(grain(1280)), 200_000))) as opened:
        assert opened.width < 1280


def test_an_impossible_limit_ends() -> None:
    assert wire_jpeg(image(grain(64)), 1)
