"""The exact answer to every question family about a scene, in zh and en. Data and strings only."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .world import Scene, Shape

ZH = {
    "circle": "圆形", "square": "正方形", "triangle": "三角形", "star": "星形", "cross": "十字形", "ring": "圆环",
    "red": "红色", "orange": "橙色", "yellow": "黄色", "green": "绿色", "blue": "蓝色", "purple": "紫色",
    "pink": "粉色", "black": "黑色", "white": "白色", "grey": "灰色", "beige": "米色", "light blue": "浅蓝色",
    "top left": "左上角", "top": "上方", "top right": "右上角", "left": "左边", "center": "中间", "right": "右边",
    "bottom left": "左下角", "bottom": "下方", "bottom right": "右下角", "small": "小", "large": "大",
}  # fmt: skip
PLURAL = {"cross": "crosses"}
NOTHING = {"zh": "那里没有图形。", "en": "There is nothing there."}
NO_SHAPES = {"zh": "图中没有图形。", "en": "There are no shapes."}
NO_TEXT = {"zh": "图中没有文字。", "en": "There is no text."}
STEP = 10  # coordinates are relative, 0 to 1000, rounded to this


def _article(words: str) -> str:
    return f"an {words}" if words[0] in "aeiou" else f"a {words}"


def _plural(word: str, n: int) -> str:
    return word if n == 1 else PLURAL.get(word, word + "s")


def _listed(parts: list[str], lang: str) -> str:
    joint, last = ("、", "和") if lang == "zh" else (", ", " and ")
    return parts[0] if len(parts) == 1 else joint.join(parts[:-1]) + last + parts[-1]


def place_name(place: int, lang: str) -> str:
    """Return a place's name (0 to 8, by rows)."""
    from .world import PLACES

    return ZH[PLACES[place]] if lang == "zh" else PLACES[place]


def thing(s: Shape, lang: str) -> str:
    """Return `红色圆形` or `red circle`."""
    return ZH[s.colour] + ZH[s.shape] if lang == "zh" else f"{s.colour} {s.shape}"


def _there(s: Shape, lang: str, sized: bool) -> str:
    place = place_name(s.place, lang)
    size = "large" if s.large else "small"
    if lang == "zh":
        return f"{place}有一个{ZH[size] + '的' if sized else ''}{thing(s, lang)}"
    return f"{_article((size + ' ' if sized else '') + thing(s, lang))} at the {place}"


def _quoted(scene: Scene, lang: str) -> str:
    marks = "“{}”" if lang == "zh" else '"{}"'
    return _listed([marks.format(line.text) for line in scene.lines], lang)


def describe(scene: Scene, lang: str) -> str:
    """One sentence: colour, shape and place of everything, or the text."""
    if scene.kind != "shapes":
        return f"图中写着{_quoted(scene, lang)}。" if lang == "zh" else f"The picture says {_quoted(scene, lang)}."
    if lang == "zh":
        return "，".join(_there(s, lang, False) for s in scene.shapes) + "。"
    return f"There is {_listed([_there(s, lang, False) for s in scene.shapes], lang)}."


def detail(scene: Scene, lang: str) -> str:
    """Background, number, sizes, colours, shapes and places, and what is not there."""
    if lang == "zh":
        back = f"背景是{ZH[scene.background]}的。"
        if scene.kind != "shapes":
            return f"{back}图中写着{_quoted(scene, lang)}。没有图形，没有人物和动作。"
        things = "，".join(_there(s, lang, True) for s in scene.shapes)
        return f"{back}共有{len(scene.shapes)}个图形：{things}。没有文字，没有人物和动作。"
    back = f"The background is {scene.background}."
    if scene.kind != "shapes":
        return f"{back} The picture says {_quoted(scene, lang)}. There are no shapes, no people and no actions."
    n = len(scene.shapes)
    things = _listed([_there(s, lang, True) for s in scene.shapes], lang)
    verb = "is" if n == 1 else "are"
    return f"{back} There {verb} {n} {_plural('shape', n)}: {things}. There is no text, no people and no actions."


def _counted(n: int, words: str, lang: str) -> str:
    if lang == "zh":
        return f"有{n}个{words}。" if n else f"没有{words}。"
    if n == 0:
        return f"There are no {_plural(words, 2)}."
    return f"There {'is' if n == 1 else 'are'} {n} {_plural(words, n)}."


def count(scene: Scene, lang: str, colour: str = "", shape: str = "") -> str:
    """How many shapes, or how many of a colour or of a shape."""
    if not colour and not shape:
        return NO_SHAPES[lang] if not scene.shapes else _counted(len(scene.shapes), _kind("", "", lang), lang)
    n = sum(s.colour == (colour or s.colour) and s.shape == (shape or s.shape) for s in scene.shapes)
    return _counted(n, _kind(colour, shape, lang), lang)


def _kind(colour: str, shape: str, lang: str) -> str:
    """Return `红色图形`, `圆形`, `图形` or `red shape`, `circle`, `shape`."""
    if lang == "zh":
        return (ZH[colour] if colour else "") + (ZH[shape] if shape else "图形")
    return f"{colour} {shape or 'shape'}".strip()


def _at(scene: Scene, place: str) -> Shape | None:
    from .world import PLACES

    return next((s for s in scene.shapes if PLACES[s.place] == place), None)


def colour_at(scene: Scene, lang: str, place: str) -> str:
    """The colour of what is at a place."""
    s = _at(scene, place)
    if s is None:
        return NOTHING[lang]
    return f"{ZH[s.colour]}。" if lang == "zh" else f"{s.colour.capitalize()}."


def shape_at(scene: Scene, lang: str, place: str) -> str:
    """The shape of what is at a place."""
    s = _at(scene, place)
    if s is None:
        return NOTHING[lang]
    return f"{ZH[s.shape]}。" if lang == "zh" else f"{s.shape.capitalize()}."


def size_at(scene: Scene, lang: str, place: str) -> str:
    """Whether what is at a place is large or small."""
    s = _at(scene, place)
    if s is None:
        return NOTHING[lang]
    if lang == "zh":
        return "大的。" if s.large else "小的。"
    return "Large." if s.large else "Small."


def _find(scene: Scene, colour: str, shape: str) -> list[int]:
    pairs = enumerate(scene.shapes)
    return [i for i, s in pairs if s.colour == (colour or s.colour) and s.shape == (shape or s.shape)]


def has(scene: Scene, lang: str, colour: str, shape: str) -> str:
    """Whether a coloured shape is there, and where."""
    found = _find(scene, colour, shape)
    words = _kind(colour, shape, lang)
    if not found:
        return f"没有，图中没有{words}。" if lang == "zh" else f"No, there is no {words}."
    place = place_name(scene.shapes[found[0]].place, lang)
    return f"有，在{place}。" if lang == "zh" else f"Yes, at the {place}."


def where(scene: Scene, lang: str, colour: str, shape: str) -> str:
    """Where a coloured shape is."""
    found = _find(scene, colour, shape)
    if not found:
        return (
            f"图中没有{_kind(colour, shape, lang)}。" if lang == "zh" else f"There is no {_kind(colour, shape, lang)}."
        )
    place = place_name(scene.shapes[found[0]].place, lang)
    return f"在{place}。" if lang == "zh" else f"At the {place}."


def rounded(box: tuple[float, ...]) -> list[int]:
    """Return relative coordinates 0 to 1000, rounded to STEP."""
    return [max(0, min(1000, round(v * 1000 / STEP) * STEP)) for v in box]


def _fenced(items: list[dict[str, object]]) -> str:
    rows = ",\n".join(json.dumps(item, ensure_ascii=False, separators=(",", ":")) for item in items)
    return f"```json\n[{rows}]\n```"


def boxes(scene: Scene, lang: str, colour: str = "", shape: str = "") -> str:
    """Boxes of all shapes, or of those of a colour and shape."""
    found, all_boxes = _find(scene, colour, shape), scene.boxes()
    return _fenced([{"bbox_2d": rounded(all_boxes[i]), "label": thing(scene.shapes[i], lang)} for i in found])


def points(scene: Scene, lang: str, colour: str = "", shape: str = "") -> str:
    """Centres of all shapes, or of those of a colour and shape."""
    found = [scene.shapes[i] for i in _find(scene, colour, shape)]
    return _fenced([{"point_2d": rounded((s.x, s.y)), "label": thing(s, lang)} for s in found])


def read(scene: Scene, lang: str) -> str:
    """The text alone, a line each."""
    return "\n".join(line.text for line in scene.lines) or NO_TEXT[lang]


def spot(scene: Scene, lang: str) -> str:
    """The text with its places."""
    if not scene.lines:
        return _fenced([])
    pairs = zip(scene.boxes(), scene.lines, strict=True)
    return _fenced([{"bbox_2d": rounded(box), "text_content": line.text} for box, line in pairs])


def pairs(scene: Scene, lang: str) -> str:
    """The labels and values of a card as JSON."""
    found = {line.label: line.value for line in scene.lines if line.label}
    return f"```json\n{json.dumps(found, ensure_ascii=False, separators=(',', ':'))}\n```"


def keywords(scene: Scene, lang: str) -> str:
    """The things, or the text, and the background."""
    words = [line.text for line in scene.lines] or [thing(s, lang) for s in scene.shapes]
    back = f"{ZH[scene.background]}背景" if lang == "zh" else f"{scene.background} background"
    return ("，" if lang == "zh" else ", ").join([*words, back])


def things(scene: Scene, lang: str) -> str:
    """`红色圆形和蓝色星形`, `a red circle and a blue star`, or the quoted text."""
    if scene.lines:
        return ("文字" if lang == "zh" else "the text ") + _quoted(scene, lang)
    return _listed([thing(s, lang) if lang == "zh" else _article(thing(s, lang)) for s in scene.shapes], lang)


def summary(scene: Scene, lang: str) -> str:
    """One line: things and background."""
    if lang == "zh":
        return f"{ZH[scene.background]}背景上有{things(scene, lang)}。"
    words = f"{things(scene, lang)} on {_article(scene.background)} background."
    return words[0].upper() + words[1:]


TASKS = {
    "describe": describe, "detail": detail, "count": count, "colour_at": colour_at, "shape_at": shape_at,
    "size_at": size_at, "has": has, "where": where, "boxes": boxes, "points": points, "read": read, "spot": spot,
    "pairs": pairs, "keywords": keywords, "summary": summary,
}  # fmt: skip


def answer(scene: Scene, task: str, lang: str, **named: str) -> str:
    """Return the exact answer; `named` are a task's colour, shape (English names) and place (English name)."""
    return TASKS[task](scene, lang, **named)  # type: ignore[operator]
