"""Telling pictures by their first bytes."""

import pytest

from qwen_vl_app.media.kinds import HEAD, WEBP_HEAD, kind_of, webp_size
from tests.pictures import encoded, noise

PICTURE = noise(70, 50)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF", "HEIF"])
def test_every_kind_is_told(kind: str) -> None:
    assert kind_of(encoded(PICTURE, kind)[:HEAD]) == kind


@pytest.mark.parametrize("kind", ["PPM", "TGA", "ICO", "PCX", "SGI", "JPEG2000", "DDS", "EPS", "PDF"])
def test_kinds_that_pillow_could_read_are_not_pictures_here(kind: str) -> None:
    assert kind_of(encoded(PICTURE, kind)[:HEAD]) is None


@pytest.mark.parametrize(
    "head",
    [b"", b"hello", b"<svg xmlns='x'/>", b"\0\0\0\x1cftypisom\0\0\2\0isomiso2", b"\0\0\0\0ftyp", b"RIFF\0\0\0\0AVI "],
)
def test_everything_else_is_none(head: bytes) -> None:
    assert kind_of(head) is None


def test_a_general_brand_is_told_by_the_compatible_ones() -> None:
    assert kind_of(b"\0\0\0\x1cftypmif1\0\0\0\0mif1avif") == "AVIF"
    assert kind_of(b"\0\0\0\x1cftypmif1\0\0\0\0mif1heic") == "HEIF"
    assert kind_of(b"\0\0\0\x14ftypmp42\0\0\0\0mp42avif") is None  # the brand lies after the box


@pytest.mark.parametrize("options", [{}, {"lossless": True}, {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"}])
def test_size_of_a_webp(options: dict[str, object]) -> None:
    assert webp_size(encoded(PICTURE, "WEBP", **options)[:WEBP_HEAD]) == (70, 50)


def test_size_of_a_cut_webp_is_nothing() -> None:
    assert webp_size(b"RIFF\0\0\0\0WEBP") == (0, 0)
