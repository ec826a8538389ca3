"""Pictures in: any file a person has becomes a `chat.Image`; untrusted bytes are decoded in a limited child only."""

from dataclasses import dataclass
from pathlib import Path

from qwen_vl_app.catalogue import PictureBudget
from qwen_vl_app.chat import Image


@dataclass(frozen=True)
class Picture:
    """A picture ready for the model, and what it was: size in px upright, before fitting."""

    image: Image
    original_width: int
    original_height: int
    note: str = ""


async def open_picture(source: Path | bytes, name: str, budget: PictureBudget, max_short_side: int) -> Picture:
    """The picture in `source`, upright, on white, in sRGB, fitted into the budget.

    Raises:
        UnreadablePicture, PictureTooLarge: naming `name`, the person's own name for the file.
    """
    raise NotImplementedError
