"""Long pictures in pieces, and their texts as one."""

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from qwen_vl_app import media
from qwen_vl_app.catalogue import PictureBudget
from qwen_vl_app.media.fit import fit
from qwen_vl_app.media.tiles import LEGIBLE, MOST, join_texts, pieces
from tests.pictures import encoded

QWEN = PictureBudget(64, 1280)


@pytest.mark.parametrize("size", [(640, 480), (1080, 2400), (4000, 3000), (12_000, 1080), (1, 1)])
def test_pictures_that_are_not_long_stay_whole(size: tuple[int, int]) -> None:
    assert pieces(*size, QWEN, 768) == [(0, 0, *size)]


def test_a_long_screenshot_stays_legible() -> None:
    boxes = pieces(1080, 12_000, QWEN, 768)
    assert len(boxes) == 6
    for left, top, right, bottom in boxes:
        assert fit(right - left, bottom - top, QWEN, 768).inner_width >= LEGIBLE * 768


@settings(max_examples=500, deadline=None)
@given(st.integers(1, 4000), st.integers(1, 60_000), st.integers(1, 2000))
def test_pieces_cover_all_in_order_with_overlap(width: int, height: int, tokens: int) -> None:
    boxes = pieces(width, height, PictureBudget(1, tokens), 768)
    assert boxes[0][1] == 0 and boxes[-1][3] == height and len(boxes) <= MOST
    assert all(box[0] == 0 and box[2] == width for box in boxes)
    for above, below in pairwise(boxes):
        assert above[1] < below[1] < above[3] < below[3]


def test_pieces_show_their_part_of_the_picture() -> None:
    long = Image.linear_gradient("L").resize((320, 4000)).convert("RGB")
    tiles = asyncio.run(media.open_tiles(encoded(long, "PNG"), "long.png", PictureBudget(4, 100), 768))
    assert len(tiles) == len(pieces(320, 4000, PictureBudget(4, 100), 768)) > 3
    for tile in tiles:
        top = tile.image.rgb[0]  # brightness tells the row
        assert top == pytest.approx(tile.region[1] / 4000 * 255, abs=3)
        assert tile.to_original(500, 0) == pytest.approx((160, tile.region[1]), abs=1)


@pytest.mark.parametrize(
    ("texts", "joined"),
    [
        ([], ""),
        (["one\ntwo"], "one\ntwo"),
        (["one\ntwo\nthree", "two\nthree\nfour"], "one\ntwo\nthree\nfour"),
        (["one\ntwo\nthree wor", "two\nthree words\nfour"], "one\ntwo\nthree words\nfour"),  # cut at the lower edge
        (["one\nlonger two\nthree", "ger tw\nthree\nfour"], "one\nlonger two\nthree\nfour"),  # cut at the upper edge
        (["the first  line\nsame", "same\nlast"], "the first  line\nsame\nlast"),
        (["price 3.50\nin all 12.80", "in al1 12.80\nthank you"], "price 3.50\nin all 12.80\nthank you"),
        (["one\n\n", "\ntwo"], "one\ntwo"),
        (["one", "two", "three"], "one\ntwo\nthree"),
        (["甲\n乙\n丙", "乙\n丙\n丁"], "甲\n乙\n丙\n丁"),
    ],
)
def test_shared_lines_appear_once(texts: list[str], joined: str) -> None:
    assert join_texts(texts) == joined


@given(
    st.lists(st.text("abcdefghij", min_size=9, max_size=12), min_size=12, max_size=40, unique=True), st.integers(1, 4)
)
def test_cut_and_joined_is_the_same(lines: list[str], common: int) -> None:
    middle = len(lines) // 2
    assert join_texts(["\n".join(lines[: middle + common]), "\n".join(lines[middle:])]) == "\n".join(lines)
