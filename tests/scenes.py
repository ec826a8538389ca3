"""Pictures of the drawn world, as files and as the model sees them, with the answers they have."""

import asyncio
import io
from collections.abc import Sequence

from qwen_vl_app import media
from qwen_vl_app.catalogue import find
from qwen_vl_app.chat import Image
from training import world


def png(seed: int, shapes: int = 2) -> bytes:
    """The scene's picture as a PNG file."""
    file = io.BytesIO()
    world.scene(seed, n=shapes).image().save(file, "PNG")
    return file.getvalue()


def fitted(seed: int, shapes: int = 2, language: str = "en") -> tuple[Image, str]:
    """The scene as the demo model sees it, and its description."""
    picture = asyncio.run(media.open_picture(png(seed, shapes), "scene.png", find("demo").budget, 768))
    return picture.image, world.scene(seed, n=shapes).answer("describe", language)


def overlap(one: Sequence[float], other: Sequence[float]) -> float:
    """Intersection over union of two boxes."""
    across = min(one[2], other[2]) - max(one[0], other[0])
    down = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(across, 0) * max(down, 0)
    return shared / (sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)) - shared)
