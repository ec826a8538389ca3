"""A part of a picture: what is cut, in which size, and where its places are in the whole."""

import asyncio
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image

from qwen_vl_app import media
from qwen_vl_app.catalogue import PictureBudget
from qwen_vl_app.errors import UnusableRegion
from qwen_vl_app.media.fit import Box
from qwen_vl_app.media.region import LEAST, Unusable, within
from tests.pictures import encoded, noise

BUDGET = PictureBudget(4, 64)


def opened(content: bytes, region: Box) -> media.Picture:
    return asyncio.run(media.open_picture(content, "map.png", BUDGET, 768, region))


@pytest.mark.parametrize(
    ("region", "inside"),
    [
        (None, (0, 0, 200, 100)),
        ((10, 20, 60, 80), (10, 20, 60, 80)),
        ((60, 80, 10, 20), (10, 20, 60, 80)),  # the other two corners
        ((-50, 50, 5000, 120), (0, 50, 200, 100)),
    ],
)
def test_a_part_is_kept_inside_the_picture(region: Box | None, inside: Box) -> None:
    assert within(region, 200, 100) == inside


@pytest.mark.parametrize("region", [(10, 10, 9 + LEAST, 90), (0, 0, 200, 0), (300, 10, 400, 90), (195, 0, 900, 50)])
def test_what_has_hardly_a_pixel_is_unusable(region: Box) -> None:
    with pytest.raises(Unusable):
        within(region, 200, 100)


@given(st.tuples(*[st.integers(-9999, 9999)] * 4), st.integers(1, 5000), st.integers(1, 5000))
def test_a_part_is_usable_or_refused(region: Box, width: int, height: int) -> None:
    try:
        left, top, right, bottom = within(region, width, height)
    except Unusable:
        assume(False)
    assert 0 <= left <= right - LEAST and right <= width and 0 <= top <= bottom - LEAST and bottom <= height


def test_a_part_is_seen_at_full_resolution() -> None:
    drawn = noise(4000, 3000)
    picture = opened(encoded(drawn, "PNG"), (1000, 500, 1224, 660))
    assert (picture.image.width, picture.image.height) == (224, 160)
    assert picture.image.rgb == drawn.crop((1000, 500, 1224, 660)).convert("RGB").tobytes()
    assert (picture.original_width, picture.original_height) == (4000, 3000)


def test_places_in_a_part_are_places_in_the_whole() -> None:
    picture = opened(encoded(noise(400, 300), "PNG"), (100, 50, 300, 250))
    assert picture.box_to_original((0, 0, 1000, 1000)) == (100, 50, 300, 250)
    assert picture.to_original(500, 250) == (200, 100)


def test_a_part_of_a_picture_that_lies_on_its_side_is_taken_upright() -> None:
    upright = Image.new("RGB", (96, 128), "blue")
    upright.paste("red", (32, 64, 96, 128))
    exif = Image.Exif()
    exif[0x0112] = 6
    content = encoded(upright.transpose(Image.Transpose.ROTATE_90), "JPEG", quality=95, exif=exif)
    red = opened(content, (40, 72, 88, 120)).image.rgb
    assert min(red[::3]) > 200 and max(red[2::3]) < 60


def test_a_part_outside_is_refused_by_name_in_both_languages() -> None:
    with pytest.raises(UnusableRegion) as refusal:
        opened(encoded(noise(96, 64), "PNG"), (200, 0, 300, 60))
    assert "map.png" in refusal.value.text("en") and "16 × 16" in refusal.value.text("zh")


def test_a_long_part_is_cut_into_pieces_too() -> None:
    content = encoded(noise(400, 4000), "PNG")
    pieces = asyncio.run(media.open_tiles(content, "long.png", BUDGET, 768, (100, 200, 300, 3800)))
    assert len(pieces) > 3
    assert pieces[0].region[:3] == (100, 200, 300) and pieces[-1].region[2:] == (300, 3800)
    assert all(above.region[3] > below.region[1] for above, below in pairwise(pieces))
