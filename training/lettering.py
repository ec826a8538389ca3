"""Words and `label: value` lines: which characters, which fonts, where they stand, how they are drawn."""

from __future__ import annotations

import functools
import math
import random
from dataclasses import dataclass
from pathlib import Path

from PIL import ImageDraw, ImageFont

CAPITALS = "ABCDEFGHJKLMNPQRSTUVWXYZ0123456789"  # without I and O, which look like 1 and 0
HANZI = "天地人口大小山水火木土日月田中上下左右东西南北春夏秋冬花鸟鱼米茶书门车马"
LABELS_EN = ("NAME", "DATE", "PRICE", "CODE", "CITY", "COUNT")
LABELS_ZH = ("姓名", "日期", "价格", "编号", "地址", "数量")
CHARS = "".join(dict.fromkeys(CAPITALS + "IO" + HANZI + "".join(LABELS_ZH) + ":"))

FONT_DIRS = ("/usr/share/fonts", "/usr/local/share/fonts", "/System/Library/Fonts", "C:/Windows/Fonts")
LATIN_FONTS = (
    "DejaVuSans.ttf",
    "DejaVuSans-Bold.ttf",
    "LiberationSans-Regular.ttf",
    "NotoSansCJK-Regular.ttc",
)
HANZI_FONTS = (
    "NotoSansCJK-Regular.ttc",
    "NotoSansCJK-Bold.ttc",
    "wqy-zenhei.ttc",
    "wqy-microhei.ttc",
)
INKS = ((20, 20, 20), (25, 45, 130), (150, 25, 25), (15, 90, 45))
WORD_EM = (0.13, 0.16)  # letter height as a fraction of the square root of the picture's area
CARD_EM = (0.11, 0.14)
WIDEST = 0.94  # a line takes at most this fraction of the picture's width


class NoFont(RuntimeError):
    """None of the world's fonts is installed."""


@dataclass(frozen=True)
class Line:
    """One line of text; `x`, `y` place its ink box's left and top as fractions, `em` is a fraction of the height."""

    text: str
    font: str
    x: float
    y: float
    em: float
    rgb: tuple[int, int, int]
    label: str = ""  # of a card's line
    value: str = ""


@functools.cache
def _installed() -> dict[str, str]:
    folders = [Path(d) for d in FONT_DIRS if Path(d).is_dir()]
    return {f.name: str(f) for d in folders for f in sorted(d.rglob("*.tt[fc]"))}


def fonts(hanzi: bool) -> list[str]:
    """Return the installed fonts of the world by file name; raises NoFont when there is none."""
    wanted = HANZI_FONTS if hanzi else LATIN_FONTS
    found = [name for name in wanted if name in _installed()]
    if not found:
        raise NoFont(f"text scenes need one of these fonts: {', '.join(wanted)}")
    return found


@functools.lru_cache(maxsize=512)
def _font(name: str, px: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(_installed()[name], px)


def is_hanzi(text: str) -> bool:
    """Say whether a text holds a Chinese character."""
    return any(ord(c) > 0x2E7F for c in text)


def word(rng: random.Random, hanzi: bool, longest: int) -> str:
    """Return a random word: 1 to `longest` capitals and digits, or 1 to 4 Chinese characters."""
    alphabet, top = (HANZI, min(4, longest)) if hanzi else (CAPITALS, longest)
    return "".join(rng.choice(alphabet) for _ in range(rng.randint(1, top)))


def words(rng: random.Random, n: int, size: tuple[int, int]) -> tuple[Line, ...]:
    """Lay out n words, one per band of the picture's height."""
    lines = []
    for i in range(n):
        hanzi = rng.random() < 0.5
        text = word(rng, hanzi, 8)
        font = rng.choice(fonts(hanzi))
        em = _fit(text, font, rng.uniform(*WORD_EM) * _side(size) / size[1], size)
        w, h = _ink(text, font, em, size)
        band = 1 / n
        y = i * band + rng.uniform(0.1, 0.9) * max(0.0, band - h)
        lines.append(Line(text, font, rng.uniform(0.02, max(0.02, 0.98 - w)), y, em, rng.choice(INKS)))
    return tuple(lines)


def card(rng: random.Random, n: int, size: tuple[int, int]) -> tuple[Line, ...]:
    """Lay out n `label: value` lines, left-aligned, all of one language, font and size."""
    hanzi = rng.random() < 0.5
    labels = rng.sample(LABELS_ZH if hanzi else LABELS_EN, n)
    values = [word(rng, hanzi and rng.random() < 0.6, 5) for _ in labels]
    texts = [f"{label}: {value}" for label, value in zip(labels, values, strict=True)]
    font = rng.choice(fonts(hanzi))
    em = rng.uniform(*CARD_EM) * _side(size) / size[1]
    em = min(_fit(text, font, em, size) for text in texts)
    x = rng.uniform(0.02, 0.98 - max(_ink(t, font, em, size)[0] for t in texts))
    step = min(1.9 * em, 0.94 / n)
    top = rng.uniform(0.04, max(0.04, 0.96 - step * (n - 1) - em * 1.1))
    rgb = rng.choice(INKS)
    return tuple(
        Line(t, font, x, top + step * i, em, rgb, label, value)
        for i, (t, label, value) in enumerate(zip(texts, labels, values, strict=True))
    )


def _side(size: tuple[int, int]) -> float:
    """The side of the square of the picture's area: a fixed number of picture tokens keeps it at any aspect."""
    return math.sqrt(size[0] * size[1])


def _fit(text: str, font: str, em: float, size: tuple[int, int]) -> float:
    """Reduce a letter height until the line is no wider than WIDEST."""
    width = _ink(text, font, em, size)[0]
    return em if width <= WIDEST else em * WIDEST / width


def _px(em: float, size: tuple[int, int]) -> int:
    return max(4, round(em * size[1]))


def _ink(text: str, font: str, em: float, size: tuple[int, int]) -> tuple[float, float]:
    x0, y0, x1, y1 = _font(font, _px(em, size)).getbbox(text)
    return (x1 - x0) / size[0], (y1 - y0) / size[1]


def line_box(line: Line, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """Return the ink box of a line as fractions of the picture."""
    w, h = _ink(line.text, line.font, line.em, size)
    return line.x, line.y, line.x + w, line.y + h


def char_boxes(line: Line, size: tuple[int, int]) -> list[tuple[str, float, float, float, float]]:
    """Return each character with the cell it takes: its advance wide, the line's ink box high."""
    font = _font(line.font, _px(line.em, size))
    _, y0, _, y1 = line_box(line, size)
    left = line.x * size[0] - font.getbbox(line.text)[0]
    edges = [(left + font.getlength(line.text[:i])) / size[0] for i in range(len(line.text) + 1)]
    return [(c, edges[i], y0, edges[i + 1], y1) for i, c in enumerate(line.text)]


def draw_line(pen: ImageDraw.ImageDraw, line: Line, size: tuple[int, int]) -> None:
    """Draw a line so that its ink box's left top corner is at (x, y)."""
    font = _font(line.font, _px(line.em, size))
    x0, y0, _, _ = font.getbbox(line.text)
    pen.text((line.x * size[0] - x0, line.y * size[1] - y0), line.text, font=font, fill=line.rgb)
