"""The exact answers to the questions about two scenes, in zh and en."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .answers import things

if TYPE_CHECKING:
    from .world import Scene


def compare(first: Scene, second: Scene, lang: str) -> str:
    """What is in the first picture and what in the second."""
    a, b = things(first, lang), things(second, lang)
    return f"第一张图有{a}；第二张图有{b}。" if lang == "zh" else f"Picture 1 has {a}; picture 2 has {b}."


def more(first: Scene, second: Scene, lang: str) -> str:
    """Which picture has more shapes."""
    a, b = len(first.shapes), len(second.shapes)
    if a == b:
        return "一样多。" if lang == "zh" else "The same number."
    if lang == "zh":
        return "第一张。" if a > b else "第二张。"
    return "The first picture." if a > b else "The second picture."


TASKS = {"compare": compare, "more": more}
