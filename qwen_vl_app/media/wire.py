"""Fitted pixels as JPEG, for what goes over a wire or into an export."""

import io

from PIL import Image as Pillow

from qwen_vl_app.chat import Image

LIMIT = 1_000_000  # bytes
QUALITIES = (85, 75, 65, 55, 45)
SMALLER = 0.8  # of each side, when the lowest quality is still too large


def wire_jpeg(image: Image, limit: int = LIMIT) -> bytes:
    """The picture as a JPEG of at most `limit` bytes: first the quality steps down, then the size.

    No picture is refused; below 16 px a side the result may exceed a tiny `limit`.
    """
    picture = Pillow.frombytes("RGB", (image.width, image.height), image.rgb)
    while True:
        for quality in QUALITIES:
            encoded = _encoded(picture, quality)
            if len(encoded) <= limit:
                return encoded
        if min(picture.size) < 16:
            return encoded
        smaller = (round(picture.width * SMALLER), round(picture.height * SMALLER))
        picture = picture.resize(smaller, Pillow.Resampling.BICUBIC)


def _encoded(picture: Pillow.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()
