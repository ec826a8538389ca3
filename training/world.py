"""The drawn world of the demo model: scenes as data, drawn with Pillow. No torch and no font is needed for shapes.

scene = world.scene(seed, n=2)            # a scene with two shapes; the same seed gives the same scene
scene.image()                             # a Pillow picture at the scene's own size
scene.image((320, 200))                   # the same scene at another size
scene.answer("describe", "zh")            # the exact expected text (see answers.py for the other tasks)
world.text_scene(seed)                    # words; world.card_scene(seed): `label: value` lines (need fonts)
"""

from __future__ import annotations

import io
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from PIL import Image, ImageDraw

from . import lettering
from .lettering import Line

RGB = tuple[int, int, int]
Box = tuple[float, float, float, float]

SHAPES = ("circle", "square", "triangle", "star", "cross", "ring")
COLOURS: dict[str, RGB] = {
    "red": (220, 40, 40),
    "orange": (245, 140, 30),
    "yellow": (245, 215, 40),
    "green": (40, 160, 70),
    "blue": (40, 90, 220),
    "purple": (130, 60, 170),
    "pink": (245, 130, 185),
    "black": (30, 30, 30),
}
BACKGROUNDS: dict[str, RGB] = {
    "white": (252, 252, 252),
    "grey": (205, 205, 205),
    "beige": (240, 228, 200),
    "light blue": (200, 225, 245),
}
PLACES = ("top left", "top", "top right", "left", "center", "right", "bottom left", "bottom", "bottom right")
JITTER = 10  # each RGB channel moves by at most this much
SMALL = (0.15, 0.19)  # a shape's side as a fraction of the picture's short side
LARGE = (0.25, 0.30)
MAX_ASPECT = 2.0


@dataclass(frozen=True)
class Shape:
    """One drawn shape; `x`, `y` are its centre as fractions of the picture, `side` a fraction of the short side."""

    shape: str
    colour: str
    large: bool
    place: int
    x: float
    y: float
    side: float
    rgb: RGB


@dataclass(frozen=True)
class Scene:
    """What is drawn, and how; boxes and answers follow from it."""

    kind: str  # "shapes", "words" or "card"
    background: str
    rgb: RGB
    size: tuple[int, int]
    shapes: tuple[Shape, ...] = ()
    lines: tuple[Line, ...] = ()
    smooth: bool = True
    jpeg: int = 0  # JPEG quality, 0 for none
    extra: dict[str, str] = field(default_factory=dict)

    def image(self, size: tuple[int, int] | int | None = None) -> Image.Image:
        """Draw the scene; `size` is (width, height), or one side of a square, or the scene's own."""
        return draw(self, _pair(size or self.size))

    def boxes(self, size: tuple[int, int] | int | None = None) -> list[Box]:
        """Return the box of each shape, or of each line of text, as fractions of the picture."""
        pair = _pair(size or self.size)
        if self.kind == "shapes":
            return [shape_box(s, pair) for s in self.shapes]
        return [lettering.line_box(line, pair) for line in self.lines]

    def answer(self, task: str, lang: str, **named: str) -> str:
        """Return the exact answer for a task in `zh` or `en`; see answers.TASKS for tasks and named arguments."""
        from . import answers

        return answers.answer(self, task, lang, **named)


def _pair(size: tuple[int, int] | int) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else size


def _jitter(rng: random.Random, rgb: RGB) -> RGB:
    r, g, b = (max(0, min(255, c + rng.randint(-JITTER, JITTER))) for c in rgb)
    return r, g, b


def random_size(rng: random.Random, least: int = 120) -> tuple[int, int]:
    """Pick a picture size: any aspect from 1:2 to 2:1, mostly squarish, short side `least` to 640."""
    aspect = 1.0 if rng.random() < 0.35 else math.exp(rng.uniform(-1, 1) * math.log(MAX_ASPECT))
    short = 256 if rng.random() < 0.3 else round(math.exp(rng.uniform(math.log(least), math.log(640))))
    return (short, max(short, round(short / aspect))) if aspect < 1 else (max(short, round(short * aspect)), short)


def _base(rng: random.Random, kind: str, size: tuple[int, int] | None) -> Scene:
    background = rng.choice(list(BACKGROUNDS))
    chosen = size or random_size(rng, 120 if kind == "shapes" else 200)
    smooth = rng.random() < 0.8
    jpeg = rng.randint(75, 95) if rng.random() < 0.3 else 0
    return Scene(kind, background, _jitter(rng, BACKGROUNDS[background]), chosen, smooth=smooth, jpeg=jpeg)


def scene(seed: int, n: int | None = None, size: tuple[int, int] | None = None) -> Scene:
    """Return a scene of `n` shapes (one to four by chance when not given)."""
    rng = random.Random(f"shapes-{seed}")
    count = n or rng.choice((1, 2, 2, 3, 3, 4))
    base = _base(rng, "shapes", size)
    places = sorted(rng.sample(range(9), count))
    pairs = rng.sample([(s, c) for s in SHAPES for c in COLOURS], count)
    return replace(base, shapes=tuple(_shape(rng, p, s, c) for p, (s, c) in zip(places, pairs, strict=True)))


def _shape(rng: random.Random, place: int, shape: str, colour: str) -> Shape:
    large = rng.random() < 0.5
    side = rng.uniform(*(LARGE if large else SMALL))
    room = (1 / 3 - side) / 2 * 0.9  # the shape stays inside its ninth of the picture
    x = (place % 3 + 0.5) / 3 + rng.uniform(-room, room)
    y = (place // 3 + 0.5) / 3 + rng.uniform(-room, room)
    return Shape(shape, colour, large, place, x, y, side, _jitter(rng, COLOURS[colour]))


def text_scene(seed: int, n: int | None = None, size: tuple[int, int] | None = None) -> Scene:
    """Return a scene of one to three words; raises lettering.NoFont where no font is installed."""
    rng = random.Random(f"words-{seed}")
    base = _base(rng, "words", size)
    return replace(base, lines=lettering.words(rng, n or rng.choice((1, 1, 2, 3)), base.size))


def card_scene(seed: int, n: int | None = None, size: tuple[int, int] | None = None) -> Scene:
    """Return a card of two to four `label: value` lines; raises lettering.NoFont where no font is installed."""
    rng = random.Random(f"card-{seed}")
    base = _base(rng, "card", size)
    return replace(base, lines=lettering.card(rng, n or rng.choice((2, 3, 4)), base.size))


def shape_box(s: Shape, size: tuple[int, int]) -> Box:
    """Return a shape's box as fractions of a picture of this size."""
    short = min(size)
    half_w, half_h = s.side * short / size[0] / 2, s.side * short / size[1] / 2
    return s.x - half_w, s.y - half_h, s.x + half_w, s.y + half_h


def draw(scene: Scene, size: tuple[int, int]) -> Image.Image:
    """Draw a scene at this size; smooth scenes are drawn twice as large and reduced."""
    scale = 2 if scene.smooth and scene.shapes else 1
    picture = Image.new("RGB", (size[0] * scale, size[1] * scale), scene.rgb)
    pen = ImageDraw.Draw(picture)
    pen.fontmode = "L" if scene.smooth else "1"
    for s in scene.shapes:
        x0, y0, x1, y1 = shape_box(s, size)
        box = (x0 * picture.width, y0 * picture.height, x1 * picture.width, y1 * picture.height)
        _DRAW[s.shape](pen, box, s.rgb, scene.rgb)
    for line in scene.lines:
        lettering.draw_line(pen, line, size)
    if scale > 1:
        picture = picture.resize(size, Image.Resampling.BOX)
    return _as_jpeg(picture, scene.jpeg) if scene.jpeg else picture


def _as_jpeg(picture: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


Pen = ImageDraw.ImageDraw


def _polygon(points: list[tuple[float, float]]) -> Callable[[Pen, Box, RGB, RGB], None]:
    def paint(pen: Pen, box: Box, rgb: RGB, _back: RGB) -> None:
        x0, y0, x1, y1 = box
        pen.polygon([(x0 + px * (x1 - x0), y0 + py * (y1 - y0)) for px, py in points], fill=rgb)

    return paint


def _star() -> list[tuple[float, float]]:
    """Return a five-pointed star, its top point up, stretched to fill the unit square."""
    turns = [(math.pi * i / 5 - math.pi / 2, 1.0 if i % 2 == 0 else 0.42) for i in range(10)]
    raw = [(r * math.cos(a), r * math.sin(a)) for a, r in turns]
    xs, ys = [p[0] for p in raw], [p[1] for p in raw]
    return [((x - min(xs)) / (max(xs) - min(xs)), (y - min(ys)) / (max(ys) - min(ys))) for x, y in raw]


def _circle(pen: Pen, box: Box, rgb: RGB, _back: RGB) -> None:
    pen.ellipse(box, fill=rgb)


def _ring(pen: Pen, box: Box, rgb: RGB, back: RGB) -> None:
    x0, y0, x1, y1 = box
    rim = (x1 - x0) * 0.22
    pen.ellipse(box, fill=rgb)
    pen.ellipse((x0 + rim, y0 + rim, x1 - rim, y1 - rim), fill=back)


_A, _B = 0.33, 0.67
_DRAW: dict[str, Callable[[Pen, Box, RGB, RGB], None]] = {
    "circle": _circle,
    "ring": _ring,
    "square": _polygon([(0, 0), (1, 0), (1, 1), (0, 1)]),
    "triangle": _polygon([(0.5, 0), (1, 1), (0, 1)]),
    "star": _polygon(_star()),
    "cross": _polygon(
        [(_A, 0), (_B, 0), (_B, _A), (1, _A), (1, _B), (_B, _B), (_B, 1), (_A, 1), (_A, _B), (0, _B), (0, _A), (_A, _A)]
    ),
}
