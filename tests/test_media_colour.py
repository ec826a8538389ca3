"""Colour spaces, profiles and HDR codes."""

import io

import pytest
from PIL import Image, ImageChops, ImageCms

from qwen_vl_app.media import colour, tone
from tests.pictures import chunk, encoded, png, soft, swapped_profile

SOFT = soft(96, 64)
PALE = SOFT.point(lambda value: 96 + value // 4)


def differs(one: Image.Image, other: Image.Image) -> int:
    return max(high for _, high in ImageChops.difference(one, other).getextrema())


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "LAB"]
)
def test_every_mode_becomes_rgb(mode: str) -> None:
    plain = colour.plain(Image.new(mode, (40, 30)))
    assert plain.mode in ("L", "RGB", "CMYK", "LAB")
    assert colour.to_srgb(plain, None, None).mode == "RGB"


@pytest.mark.parametrize("mode", ["I", "F", "I;16", "I;16B"])
def test_deep_modes_become_eight_bits(mode: str) -> None:
    assert colour.plain(Image.new(mode, (40, 30))).getpixel((0, 0)) == 0


def test_lab_is_not_taken_for_rgb() -> None:
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    stored = ImageCms.profileToProfile(PALE, srgb, lab, outputMode="LAB")
    assert stored is not None
    assert differs(colour.to_srgb(stored, None, None), PALE) <= 6


def test_a_colour_profile_fits_a_grey_picture() -> None:
    assert colour.to_srgb(SOFT.convert("L"), swapped_profile(), None).mode == "RGB"


@pytest.mark.parametrize("profile", [b"", b"nonsense", swapped_profile()[:200], b"\0" * 5000])
def test_a_damaged_profile_is_left_out(profile: bytes) -> None:
    assert colour.to_srgb(SOFT, profile, None).tobytes() == SOFT.tobytes()


def test_a_profile_for_another_kind_of_picture_is_left_out() -> None:
    printed = SOFT.convert("CMYK")
    assert colour.to_srgb(printed, swapped_profile(), None).tobytes() == printed.convert("RGB").tobytes()


def test_codes_are_read() -> None:
    row = b"\0" + b"\x80" * 12
    assert colour.cicp(io.BytesIO(png(4, 1, 8, 2, row, chunk(b"cICP", b"\x09\x10\x00\x01")))) == (9, 16)
    assert colour.cicp(io.BytesIO(png(4, 1, 8, 2, row))) is None
    assert colour.cicp(io.BytesIO(encoded(SOFT, "AVIF"))) == (1, 13)
    heic = encoded(SOFT, "HEIF", color_primaries=9, transfer_characteristics=18, matrix_coefficients=9)
    assert colour.cicp(io.BytesIO(heic)) == (9, 18)
    for content in (b"", b"\x89PNG\r\n\x1a\n", b"....colrnclx\0", encoded(SOFT, "JPEG")):
        assert colour.cicp(io.BytesIO(content)) is None


def test_plain_pictures_need_no_table() -> None:
    assert tone.table(1, 13) is None and tone.table(2, 2) is None and tone.table(1, 1) is None


def test_hdr_is_tone_mapped() -> None:
    dark, white, bright = (tone.shoulder(tone.from_pq(signal)) for signal in (0.2, 0.58, 0.75))
    assert 0 < dark < 0.02 < 0.7 < white < 0.8 < bright < 1
    assert tone.from_hlg(0.75) == pytest.approx(1) and tone.from_hlg(0.5) == pytest.approx(0.3145, rel=1e-3)
    grey = Image.new("RGB", (32, 32), (148, 148, 148))  # PQ: 203 cd/m2, diffuse white
    assert colour.to_srgb(grey, None, (9, 16)).getpixel((9, 9)) == pytest.approx((224, 224, 224), abs=3)


def test_curves_have_their_reference_points() -> None:
    assert tone.from_pq(0.0) == 0 and tone.from_pq(1.0) == pytest.approx(10_000 / tone.WHITE)
    assert tone.from_pq(0.508078) * tone.WHITE == pytest.approx(100, rel=1e-3)  # SMPTE ST 2084: 100 cd/m2
    for light in (0.0, 0.001, 0.2, 1.0):
        assert tone.from_srgb(tone.to_srgb(light)) == pytest.approx(light, abs=1e-4)


def test_wide_primaries_become_srgb() -> None:
    table = tone.table(tone.P3, 13)
    assert table is not None
    grey = Image.new("RGB", (8, 8), (120, 120, 120)).filter(table)
    assert grey.getpixel((1, 1)) == pytest.approx((120, 120, 120), abs=2)
    red = Image.new("RGB", (8, 8), (200, 80, 80)).filter(table).getpixel((1, 1))
    assert isinstance(red, tuple) and red[0] > 205 and red[1] < 80
