"""Pictures of the drawn world, as files and as the model sees them, with the answers they have."""

import asyncio
import io

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
