"""What becomes of every kind of picture. Here without the process around the decoder: the files are our own."""

import io
import struct
from typing import Any

import pytest
from PIL import Image, ImageChops

from qwen_vl_app.media import child, decode, kinds
from tests.pictures import LOSSLESS, encoded, exif, huge, noise, png, soft, stored, swapped_profile

WIDE = noise(96, 64)
SOFT = soft(96, 64)


def answered(content: bytes, **more: Any) -> tuple[dict[str, Any], list[bytes]]:
    request = {"operation": "fitted", "kind": kinds.kind_of(content[: kinds.HEAD]), "tiled": False, "region": None}
    return child.answer(
        io.BytesIO(content), request | {"min_tokens": 4, "max_tokens": 64, "max_short_side": 768} | more
    )


def seen(content: bytes, size: tuple[int, int] = (96, 64)) -> Image.Image:
    header, canvases = answered(content)
    assert (header["width"], header["height"]) == size
    return Image.frombytes("RGB", size, canvases[0])


def differs(one: Image.Image, other: Image.Image) -> int:
    return max(high for _, high in ImageChops.difference(one, other).getextrema())


@pytest.mark.parametrize("kind", LOSSLESS)
def test_lossless_pictures_keep_every_pixel(kind: str) -> None:
    assert seen(encoded(WIDE, kind, **LOSSLESS[kind])).tobytes() == WIDE.tobytes()


@pytest.mark.parametrize("kind", ["JPEG", "MPO", "AVIF", "GIF"])
def test_lossy_pictures_stay_close(kind: str) -> None:
    more = {"save_all": True, "append_images": [WIDE]} if kind == "MPO" else {}
    picture = Image.linear_gradient("L").resize((96, 64)).convert("RGB") if kind == "GIF" else SOFT
    assert differs(seen(encoded(picture, kind, quality=95, **more)), picture) <= 6


@pytest.mark.parametrize("options", [{"progressive": True}, {"subsampling": 0}, {"restart_marker_rows": 1}])
def test_jpegs_of_every_build_are_read(options: dict[str, Any]) -> None:
    assert differs(seen(encoded(SOFT, "JPEG", quality=95, **options)), SOFT) <= 6


def test_cmyk_is_not_inverted() -> None:
    assert differs(seen(encoded(SOFT.convert("CMYK"), "JPEG", quality=95)), SOFT) <= 6
    assert differs(seen(encoded(SOFT.convert("CMYK"), "TIFF")), SOFT) <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "HEIF", "JPEG", "AVIF"])
def test_every_orientation_equals_upright(kind: str, orientation: int) -> None:
    options = LOSSLESS.get(kind, {"quality": 95})
    if kind == "HEIF":  # its writer turns the pixels itself and says so in the file
        content = encoded(WIDE, kind, exif=exif(orientation), **options)
        assert answered(content)[0]["width"] == (96 if orientation < 5 else 64)
        return
    upright = WIDE if kind in LOSSLESS else SOFT
    shown = seen(encoded(stored(upright, orientation), kind, exif=exif(orientation), **options))
    assert differs(shown, upright) <= (0 if kind in LOSSLESS else 6)


def test_orientation_that_is_none_or_damaged_is_upright() -> None:
    for tags in (exif(9), exif(0), b"Exif\0\0nonsense", b"Exif\0\0II*\0\xff\xff\xff\xff"):
        assert seen(encoded(WIDE, "PNG", exif=tags)).tobytes() == WIDE.tobytes()


def test_reduced_jpeg_is_upright_too() -> None:
    big = soft(1600, 800)
    content = encoded(stored(big, 6), "JPEG", quality=95, exif=exif(6))
    canvas = Image.frombytes("RGB", (320, 160), answered(content)[1][0])
    assert differs(canvas, big.resize((320, 160), Image.Resampling.BICUBIC)) <= 8


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "P"])
def test_what_shines_through_is_white(mode: str) -> None:
    clear = Image.new("RGBA", (64, 64), (200, 0, 0, 0))
    clear.paste((200, 0, 0, 255), (0, 0, 32, 64))
    if mode == "LA":
        clear = clear.convert("LA")
    content = encoded(clear.quantize() if mode in ("P", "PA") else clear, "PNG" if mode != "PA" else "WEBP", lossless=1)
    shown = seen(content, (64, 64))
    assert shown.getpixel((60, 5)) == (255, 255, 255)
    assert shown.getpixel((5, 5)) != (255, 255, 255)


def test_half_transparent_is_half_white() -> None:
    shown = seen(encoded(Image.new("RGBA", (64, 64), (0, 0, 0, 128)), "PNG"), (64, 64))
    assert shown.getpixel((9, 9)) == (127, 127, 127)


def test_transparent_colour_of_a_png_is_white() -> None:
    grey = Image.new("L", (64, 64), 7)
    assert seen(encoded(grey, "PNG", transparency=7), (64, 64)).getpixel((9, 9)) == (255, 255, 255)


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    row = b"\0" + b"".join(struct.pack(">H", x * 1040) for x in range(64))
    shown = seen(png(64, 64, 16, 0, row * 64), (64, 64))
    assert [shown.getpixel((x, 9))[0] for x in (0, 16, 32, 63)] == [0, 65, 129, 255]
    colour = b"\0" + b"".join(struct.pack(">HHH", x * 1040, 65535 - x * 1040, 0) for x in range(64))
    assert seen(png(64, 64, 16, 2, colour * 64), (64, 64)).getpixel((32, 9)) == (130, 125, 0)


def test_wide_numbers_are_stretched() -> None:
    for mode, low, high in (("I", -70_000, 70_000), ("F", -0.5, 1.5)):
        wide = Image.new(mode, (64, 64), low)
        wide.paste(high, (32, 0, 64, 64))
        shown = seen(encoded(wide, "TIFF"), (64, 64))
        assert (shown.getpixel((0, 0)), shown.getpixel((63, 0))) == ((0, 0, 0), (255, 255, 255))


@pytest.mark.parametrize("kind", ["PNG", "GIF", "WEBP", "AVIF"])
def test_first_frame_and_a_note(kind: str) -> None:
    red, blue = Image.new("RGB", (64, 64), (255, 0, 0)), Image.new("RGB", (64, 64), (0, 0, 255))
    content = encoded(red, kind, save_all=True, append_images=[blue], duration=100)
    assert answered(content)[0]["note"] == "first_frame"
    assert differs(seen(content, (64, 64)), red) <= 3


@pytest.mark.parametrize("kind", ["TIFF", "HEIF"])
def test_first_page_and_a_note(kind: str) -> None:
    red, blue = Image.new("RGB", (64, 64), (255, 0, 0)), Image.new("RGB", (64, 64), (0, 0, 255))
    content = encoded(red, kind, save_all=True, append_images=[blue])
    assert answered(content)[0]["note"] == "first_of_several"
    assert differs(seen(content, (64, 64)), red) <= 3


def test_previews_beside_a_picture_are_no_note() -> None:
    assert answered(encoded(SOFT, "MPO", save_all=True, append_images=[SOFT]))[0]["note"] == ""


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_profiles_become_srgb(kind: str) -> None:
    options = LOSSLESS.get(kind, {"quality": 95})
    shown = seen(encoded(SOFT, kind, icc_profile=swapped_profile(), **options))
    assert differs(shown, Image.merge("RGB", [SOFT.getchannel(band) for band in "GRB"])) <= 6


@pytest.mark.parametrize("kind", ["WEBP", "PNG", "GIF", "BMP", "TIFF", "HEIF", "AVIF", "JPEG"])
def test_too_many_pixels_are_refused_by_the_header(kind: str) -> None:
    assert answered(huge(kind))[0] == {
        "refusal": "too_large",
        "megapixels": 267,
        "limit": 256 if kind == "JPEG" else 64,
    }


def test_damage_behind_the_first_frame_does_not_matter() -> None:
    grey = Image.linear_gradient("L").resize((64, 64))
    content = encoded(grey, "GIF", save_all=True, append_images=[grey.rotate(90)])
    assert seen(content[:-900], (64, 64)).tobytes() == seen(content, (64, 64)).tobytes()


def test_hdr_pictures_are_tone_mapped() -> None:
    grey = Image.new("RGB", (64, 64), (148, 148, 148))  # diffuse white in PQ
    codes = {"color_primaries": 9, "transfer_characteristics": 16, "matrix_coefficients": 9}
    assert seen(encoded(grey, "HEIF", quality=95, **codes), (64, 64)).getpixel((9, 9)) == pytest.approx(
        (224,) * 3, abs=6
    )
    avif = encoded(grey, "AVIF", quality=95).replace(b"colrnclx\0\x01\0\x0d", b"colrnclx\0\x09\0\x10")
    assert seen(avif, (64, 64)).getpixel((9, 9)) == pytest.approx((224,) * 3, abs=6)


def test_bars_are_white_whatever_the_colours() -> None:
    for mode in ("L", "RGB", "CMYK"):
        strip = Image.new("RGB", (1000, 50), "red").convert(mode)
        _, canvases = answered(encoded(strip, "TIFF"), min_tokens=49)
        assert canvases[0][:3] == b"\xff\xff\xff" != canvases[0][len(canvases[0]) // 2 :][:3]


def test_limits_are_inclusive() -> None:
    decode._check((8000, 8000), decode.MAX_PIXELS)
    with pytest.raises(decode.TooLarge):
        decode._check((8001, 8000), decode.MAX_PIXELS)
