"""Pictures through the whole path: file or bytes, limited child, fitted pixels."""

import asyncio
import io
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
