"""A question's words and pictures in their order."""

import re
from collections.abc import Sequence

from qwen_vl_app.chat import Image, Part, Text

_PLACE = re.compile(r"\[(\d+)\]")  # where a picture stands among the words: [1], [2]


def parts(question: str, images: Sequence[Image]) -> tuple[Part, ...]:
    """The question with its pictures where it names them as [1], [2]…; those that it does not name stand before it."""
    words = _PLACE.split(question)
    named = {int(number) - 1 for number in words[1::2]}
    before = [image for at, image in enumerate(images) if at not in named]
    among: list[Part] = []
    for at, piece in enumerate(words):
        number = int(piece) - 1 if at % 2 else -1
        if 0 <= number < len(images):
            among.append(images[number])
        elif piece:
            among.append(Text(f"[{piece}]" if at % 2 else piece))
    return *before, *_joined(among)


def _joined(pieces: Sequence[Part]) -> list[Part]:
    """Texts that follow each other as one: a number in brackets may be no picture."""
    out: list[Part] = []
    for piece in pieces:
        if out and isinstance(piece, Text) and isinstance(out[-1], Text):
            out[-1] = Text(out[-1].text + piece.text)
        else:
            out.append(piece)
    return out
