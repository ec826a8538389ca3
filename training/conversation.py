"""Questions about scenes, drawn by chance: what training shows the model and what evaluation asks."""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import dataclass

from . import answers, comparisons, lettering
from .answers import ZH, _article, _plural
from .prompts import PROMPTS
from .world import COLOURS, PLACES, SHAPES, Scene

SHAPE_MIX = {
    "describe": 2,
    "detail": 1.5,
    "count": 1,
    "count_of": 10,
    "colour_at": 1,
    "shape_at": 1,
    "size_at": 1,
    "has": 4,
    "where": 4,
    "boxes": 1.5,
    "boxes_of": 5,
    "points": 0.6,
    "points_of": 5,
    "read": 0.3,
    "spot": 0.15,
    "pairs": 0.15,
    "keywords": 1,
    "summary": 1,
}
OFTEN = {
    "colour_at",
    "shape_at",
    "size_at",
    "has",
    "where",
    "count_of",
}  # short, asked more than once in a conversation
TEXT_MIX = {
    "describe": 2,
    "detail": 1,
    "count": 0.3,
    "has": 0.3,
    "boxes": 0.3,
    "points": 0.1,
    "read": 4,
    "spot": 3,
    "keywords": 1,
    "summary": 1,
}
CARD_MIX = {**TEXT_MIX, "pairs": 5, "describe": 1, "read": 2}
PAIR_MIX = {"compare": 2, "more": 1}
MIXES: dict[str, dict[str, float]] = {"shapes": SHAPE_MIX, "words": TEXT_MIX, "card": CARD_MIX}
EASY: dict[str, dict[str, float]] = {
    "shapes": {
        "describe": 5,
        "count": 1,
        "colour_at": 1,
        "shape_at": 2,
        "size_at": 1,
        "where": 1,
        "has": 1,
        "summary": 1,
    },
    "words": {"describe": 1, "read": 2, "keywords": 0.5},
    "card": {"read": 1, "pairs": 1.5},
}
LANGS = ("zh", "en")
TRANSLATED = ("describe", "detail", "count", "has", "where", "keywords", "summary")
REPEATED = 0.5  # how often "how many rings" is asked of a kind that the picture has more than one of, if it has
TRANSLATIONS = 0.25  # how often one of these is followed by the question for it in the other language


@dataclass(frozen=True)
class Question:
    """One question with its exact answer."""

    task: str
    lang: str
    prompt: str
    answer: str
    named: tuple[tuple[str, str], ...] = ()


def _kind(colour: str, shape: str, lang: str) -> str:
    return answers._kind(colour, shape, lang)


def _some_thing(rng: random.Random, scene: Scene, here: float) -> tuple[str, str]:
    """Pick a coloured shape: one of the scene's with chance `here`, else one that is near it but absent."""
    if scene.shapes and rng.random() < here:
        s = rng.choice(scene.shapes)
        return s.colour, s.shape
    present = {(s.colour, s.shape) for s in scene.shapes}
    near = [(s.colour, o) for s in scene.shapes for o in SHAPES] + [(c, s.shape) for s in scene.shapes for c in COLOURS]
    pool = near if near and rng.random() < 0.6 else [(c, s) for c in COLOURS for s in SHAPES]
    return rng.choice([p for p in pool if p not in present])


def _repeated(scene: Scene) -> list[dict[str, str]]:
    """Return the kinds that a scene has more than one of: asked about by chance, they are too seldom to be learned."""
    kinds = [kind for s in scene.shapes for kind in ((s.colour, ""), ("", s.shape), (s.colour, s.shape))]
    return [{"colour": c, "shape": s} for (c, s), n in Counter(kinds).items() if n > 1]


def _arguments(rng: random.Random, task: str, scene: Scene) -> dict[str, str]:
    if task == "count_of" and (repeated := _repeated(scene)) and rng.random() < REPEATED:
        return rng.choice(repeated)
    if task in ("colour_at", "shape_at", "size_at"):
        taken = [PLACES[s.place] for s in scene.shapes]
        return {"place": rng.choice(taken if taken and rng.random() < 0.88 else [p for p in PLACES if p not in taken])}
    if task in ("has", "where", "boxes_of", "points_of", "count_of"):
        colour, shape = _some_thing(rng, scene, {"has": 0.5, "where": 0.85}.get(task, 0.8))
        if task in ("boxes_of", "points_of", "count_of"):
            drop = rng.random()
            colour, shape = ("", shape) if drop < 0.3 else (colour, "") if drop < 0.6 else (colour, shape)
        return {"colour": colour, "shape": shape}
    return {}


def _fill(rng: random.Random, template: str, lang: str, scene: Scene, named: dict[str, str]) -> str:
    fields = {"keys": _keys(rng, scene)}
    if "place" in named:
        fields["place"] = ZH[named["place"]] if lang == "zh" else named["place"]
    if "shape" in named:
        kind = _kind(named["colour"], named["shape"], lang)
        fields.update(thing=kind, a_thing=_article(kind), things=kind)
        if lang == "en":
            fields["things"] = " ".join([*kind.split()[:-1], _plural(kind.split()[-1], 2)])
    for name, value in fields.items():
        template = template.replace("{" + name + "}", value)
    return template


def _keys(rng: random.Random, scene: Scene) -> str:
    if rng.random() < 0.3:
        return "{…}" if rng.random() < 0.5 else "{}"
    labels = [line.label for line in scene.lines if line.label] or list(lettering.LABELS_EN[:2])
    return json.dumps(dict.fromkeys(labels, ""), ensure_ascii=False)


def _loosened(rng: random.Random, prompt: str) -> str:
    """Vary a prompt as people type it: without its last mark, or without a capital."""
    if rng.random() < 0.12 and prompt[-1] in "。？.?":
        prompt = prompt[:-1]
    if rng.random() < 0.08:
        prompt = prompt[0].lower() + prompt[1:]
    return prompt


def question(rng: random.Random, scene: Scene, task: str, lang: str, loose: bool = True) -> Question:
    """Ask one question of a task about a scene."""
    named = _arguments(rng, task, scene)
    prompt = _fill(rng, rng.choice(PROMPTS[task][lang]), lang, scene, named)
    text = scene.answer(task.removesuffix("_of"), lang, **named)
    return Question(task, lang, _loosened(rng, prompt) if loose else prompt, text, tuple(named.items()))


def pair_question(
    rng: random.Random, first: Scene, second: Scene, task: str, lang: str, loose: bool = True
) -> Question:
    """Ask one question about two pictures."""
    prompt = rng.choice(PROMPTS[task][lang])
    text = comparisons.TASKS[task](first, second, lang)
    return Question(task, lang, _loosened(rng, prompt) if loose else prompt, text)


def questions(rng: random.Random, scene: Scene, n: int, mix: dict[str, float]) -> list[Question]:
    """Ask n questions about a scene; the long ones at most once."""
    chosen: list[str] = []
    weights = dict(mix)
    while len(chosen) < n and weights:
        task = rng.choices(list(weights), list(weights.values()))[0]
        chosen.append(task)
        if task not in OFTEN:
            del weights[task]
    asked: list[Question] = []
    for task in chosen:
        asked.append(question(rng, scene, task, rng.choice(LANGS)))
        if task in TRANSLATED and rng.random() < TRANSLATIONS:
            asked.append(translation(rng, scene, asked[-1]))
    return asked


def translation(rng: random.Random, scene: Scene, before: Question, loose: bool = True) -> Question:
    """Ask for the answer to the question `before` in the other language."""
    lang = "en" if before.lang == "zh" else "zh"
    prompt = rng.choice(PROMPTS["translate"][lang])
    text = scene.answer(before.task.removesuffix("_of"), lang, **dict(before.named))
    return Question("translate", lang, _loosened(rng, prompt) if loose else prompt, text, before.named)
