"""Pictures through the whole path: file or bytes, limited child, fitted pixels."""

import asyncio
import io
import os
from pathlib import Path

import pytest
from PIL import Image

from qwen_vl_app import media
from qwen_vl_app.catalogue import PictureBudget
from qwen_vl_app.errors import PictureNotFound, UnreadablePicture

BUDGET = PictureBudget(min_tokens=4, max_tokens=64)
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


def opened(source: Path | bytes, budget: PictureBudget = BUDGET) -> media.Picture:
    return asyncio.run(media.open_picture(source, "holiday.jpg", budget, 768))


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def test_whole_cells_keep_their_pixels() -> None:
    drawn = Image.effect_noise((96, 64), 80).convert("RGB")
    picture = opened(encoded(drawn))
    assert (picture.image.width, picture.image.height, picture.image.rgb) == (96, 64, drawn.tobytes())


def test_file_and_bytes_give_the_same_picture(tmp_path: Path) -> None:
    content = encoded(Image.effect_noise((130, 70), 80))
    (tmp_path / "图 片.png").write_bytes(content)
    assert opened(tmp_path / "图 片.png") == opened(content)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89PNG\r\n\x1a\n", encoded(Image.new("RGB", (99, 99)))[:60]])
def test_what_is_no_picture_is_refused_by_name(content: bytes) -> None:
    with pytest.raises(UnreadablePicture, match="holiday"):
        opened(content)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PictureNotFound, match="holiday"):
        opened(tmp_path / "none.png")


def test_alpha_is_white() -> None:
    assert opened(encoded(Image.new("RGBA", (64, 64), (255, 0, 0, 0)))).image.rgb == b"\xff" * 64 * 64 * 3


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_upright(orientation: int) -> None:
    upright = Image.effect_noise((96, 64), 80).convert("RGB")
    stored = upright if orientation == 1 else upright.transpose(UNDO[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = opened(encoded(stored, exif=exif))
    assert (picture.original_width, picture.original_height, picture.image.rgb) == (96, 64, upright.tobytes())


def test_places_map_back_through_bars() -> None:
    picture = opened(encoded(Image.new("RGB", (1000, 50))), PictureBudget(49, 64))
    assert picture.placed.top > 0 and picture.placed.left == 0
    top, bottom = (
        edge / picture.placed.height * 1000
        for edge in (picture.placed.top, picture.placed.top + picture.placed.inner_height)
    )
    assert picture.box_to_original((0, top, 1000, bottom)) == pytest.approx((0, 0, 1000, 50))
    assert picture.box_to_original((250, 0, 500, 1000)) == pytest.approx((250, 0, 500, 50))  # bars belong to nothing


def test_bars_are_white_and_the_picture_is_between_them() -> None:
    picture = opened(encoded(Image.new("RGB", (1000, 50), "red")), PictureBudget(49, 64))
    canvas = Image.frombytes("RGB", (picture.image.width, picture.image.height), picture.image.rgb)
    assert canvas.getpixel((5, 0)) == canvas.getpixel((5, canvas.height - 1)) == (255, 255, 255)
    assert canvas.getpixel((5, canvas.height // 2)) == (255, 0, 0)


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (1, 10_000), (10_000, 1), (3, 7)])
def test_tiny_and_extreme_pictures_are_answered(size: tuple[int, int]) -> None:
    picture = opened(encoded(Image.new("RGB", size, "red")))
    assert (picture.original_width, picture.original_height) == size
    assert min(picture.image.width, picture.image.height) >= 32 and b"\xff\0\0" in picture.image.rgb


def test_a_moving_picture_has_a_note() -> None:
    red, blue = Image.new("RGB", (64, 64), "red"), Image.new("RGB", (64, 64), "blue")
    assert opened(encoded(red, "GIF", save_all=True, append_images=[blue])).note == "first_frame"
    assert opened(encoded(red, "GIF")).note == ""


def test_metadata_does_not_change_the_key() -> None:
    drawn = Image.effect_noise((96, 64), 80)
    tags = Image.Exif()
    tags[0x010E] = "a garden, with the place where it lies"
    assert opened(encoded(drawn, exif=tags)) == opened(encoded(drawn))


def test_a_folder_or_a_pipe_is_no_picture(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for source in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(PictureNotFound):
            opened(source)


def test_refusals_speak_both_languages_and_name_no_path(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(b"\x89PNG\r\n\x1a\nnonsense")
    with pytest.raises(UnreadablePicture) as refusal:
        opened(tmp_path / "secret.png")
    for text in (refusal.value.text("en"), refusal.value.text("zh")):
        assert "holiday.jpg" in text and "HEIC" in text and str(tmp_path) not in text
