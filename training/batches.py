"""Batches of conversations about fresh scenes, made in a worker process: pictures, token ids, positions, labels."""

from __future__ import annotations

import functools
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from . import conversation, targets, tokenizer, world
from .conversation import Question
from .prompts import SYSTEMS
from .world import Scene

CELL = 32  # px of one picture token
MIN_TOKENS, MAX_TOKENS = 56, 72
IGNORE = -100
Grid = tuple[int, int]  # rows, columns of picture tokens
Array = NDArray[np.int64]


@dataclass
class Group:
    """Pictures of one grid; `where` are the flat places of their tokens in the batch's ids."""

    grid: Grid
    pixels: list[NDArray[np.uint8]] = field(default_factory=list)
    cells: list[Array] = field(default_factory=list)
    edges: list[NDArray[np.float32]] = field(default_factory=list)
    patches: list[Array] = field(default_factory=list)
    where: list[tuple[int, int]] = field(default_factory=list)  # row of the batch, first picture token


@dataclass
class Batch:
    """One training step's data."""

    groups: list[Group]
    ids: Array
    positions: Array
    labels: Array
    segments: Array  # question number of each label
    asked: list[tuple[str, str]]  # task and language of each question


def fit(size: tuple[int, int], low: int = MIN_TOKENS, high: int = MAX_TOKENS) -> Grid:
    """Return the grid of tokens that a picture of this size is resized to, its aspect nearly kept."""
    w, h = size
    scale = 1.0
    if w * h > high * CELL**2:
        scale = math.sqrt(high * CELL**2 / (w * h))
    elif w * h < low * CELL**2:
        scale = math.sqrt(low * CELL**2 / (w * h))
    columns, rows = max(1, round(w * scale / CELL)), max(1, round(h * scale / CELL))
    while rows * columns > high:
        rows, columns = (rows - 1, columns) if rows * w > columns * h else (rows, columns - 1)
    return rows, columns


@functools.cache
def _encoder() -> tokenizer.Tokenizer:
    return tokenizer.load()


@functools.lru_cache(maxsize=200_000)
def encode(text: str) -> tuple[int, ...]:
    """Return the token ids of one piece of a prompt or answer."""
    return tuple(_encoder().encode(text).ids)


def picture(scene: Scene, grid: Grid) -> NDArray[np.uint8]:
    """Draw a scene at its own size and resize it as the app does."""
    image = scene.image()
    size = (grid[1] * CELL, grid[0] * CELL)
    if image.size != size:
        image = image.resize(size, Image.Resampling.BICUBIC)
    return np.asarray(image, np.uint8)


def _scene(rng: random.Random, kind: str, grid: Grid, most: int = 4) -> Scene:
    """Make a scene whose picture fits this grid: drawn at the grid's size, or at another and resized."""
    w, h = grid[1] * CELL, grid[0] * CELL
    if rng.random() < 0.6:
        low = 0.5 if kind == "shapes" else 0.75
        scale = math.exp(rng.uniform(math.log(low), math.log(1.8)))
        w, h = round(w * scale * rng.uniform(0.96, 1.04)), round(h * scale * rng.uniform(0.96, 1.04))
    seed = rng.getrandbits(60)
    if kind == "words":
        return world.text_scene(seed, size=(w, h))
    if kind == "card":
        return world.card_scene(seed, size=(w, h))
    return world.scene(seed, n=rng.choice([n for n in (1, 2, 2, 3, 3, 4, 4) if n <= most]), size=(w, h))


class Row:
    """One conversation being written: ids, labels, positions."""

    def __init__(self) -> None:
        self.ids: list[int] = []
        self.labels: list[int] = []
        self.segments: list[int] = []
        self.positions: list[tuple[int, int, int]] = []
        self.next = 0

    def text(self, text: str, segment: int = -1) -> None:
        """Add text; with a segment number it is an answer, which is learned."""
        ids = encode(text)
        self.ids += ids
        self.labels += ids if segment >= 0 else [IGNORE] * len(ids)
        self.segments += [segment] * len(ids)
        self.positions += [(p, p, p) for p in range(self.next, self.next + len(ids))]
        self.next += len(ids)

    def picture(self, grid: Grid) -> int:
        """Add a picture; returns the index of its first token."""
        self.text("<|vision_start|>")
        first, at = len(self.ids), self.next
        n = grid[0] * grid[1]
        self.ids += encode("<|image_pad|>") * n
        self.labels += [IGNORE] * n
        self.segments += [-1] * n
        self.positions += [(at, at + r, at + c) for r in range(grid[0]) for c in range(grid[1])]
        self.next += max(grid)
        self.text("<|vision_end|>")
        return first


def write(questions: Sequence[Question], grids: Sequence[Grid], system: str, first: int) -> tuple[Row, list[int]]:
    """Write a conversation as the GGUF's template does; returns it and where each picture's tokens begin."""
    row, starts = Row(), []
    if system:
        for piece in ("<|im_start|>system\n", system, "<|im_end|>\n"):
            row.text(piece)
    for i, question in enumerate(questions):
        row.text("<|im_start|>user\n")
        if i == 0:
            starts = [row.picture(grid) for grid in grids]
        row.text(question.prompt)
        row.text("<|im_end|>\n<|im_start|>assistant\n")
        row.text(question.answer, first + i)
        row.text("<|im_end|>", first + i)
        row.text("\n")
    return row, starts


@dataclass(frozen=True)
class Mix:
    """What a stage of training shows: batch size, chances of each kind, questions a conversation."""

    pictures: int = 64
    grids: int = 3
    shapes: float = 0.6
    card: float = 0.5  # of the text scenes
    pair: float = 0.08
    questions: tuple[int, int] = (3, 6)
    talk: bool = True
    easy: bool = False  # descriptions and short questions, no JSON


def make(rng: random.Random, mix: Mix) -> Batch:
    """Make one batch."""
    groups = [Group(fit(world.random_size(rng), rng.choice((49, MIN_TOKENS, MIN_TOKENS)))) for _ in range(mix.grids)]
    if rng.random() < 0.5:
        groups[0] = Group((8, 8))
    rows: list[Row] = []
    asked: list[tuple[str, str]] = []
    while sum(len(g.pixels) for g in groups) < mix.pictures:
        kind = "shapes" if rng.random() < mix.shapes else "card" if rng.random() < mix.card else "words"
        pair = mix.talk and rng.random() < mix.pair
        chosen = [rng.choice(groups) for _ in range(2 if pair else 1)]
        scenes = [_scene(rng, kind if i == 0 else "shapes", g.grid, 3 if pair else 4) for i, g in enumerate(chosen)]
        starts = [0] * len(chosen)
        if mix.talk:
            row, starts = _row(rng, scenes, [g.grid for g in chosen], mix, asked)
            rows.append(row)
        for group, scene, start in zip(chosen, scenes, starts, strict=True):
            group.pixels.append(picture(scene, group.grid))
            cells, edges = targets.cells(scene, scene.size, group.grid)
            group.cells.append(cells)
            group.edges.append(edges)
            group.patches.append(targets.patches(scene, scene.size, group.grid))
            group.where.append((len(rows) - 1, start))
    return _padded([g for g in groups if g.pixels], rows, asked)


def _row(
    rng: random.Random, scenes: list[Scene], grids: list[Grid], mix: Mix, asked: list[tuple[str, str]]
) -> tuple[Row, list[int]]:
    if len(scenes) == 2:
        tasks = [t for t in ("compare", "more", "compare") if t == "compare" or all(s.shapes for s in scenes)]
        langs = [rng.choice(conversation.LANGS) for _ in tasks]
        questions = [conversation.pair_question(rng, *scenes, t, lang) for t, lang in zip(tasks, langs, strict=True)]
    else:
        # A second question about a text can be answered from the answer to the first: nothing is read for it.
        n = rng.randint(*mix.questions) if scenes[0].kind == "shapes" else rng.choice((1, 1, 1, 2))
        mixes = conversation.EASY if mix.easy else conversation.MIXES
        questions = conversation.questions(rng, scenes[0], n, mixes[scenes[0].kind])
    system = rng.choice(SYSTEMS) if rng.random() < 0.1 else ""
    row, starts = write(questions, grids, system, len(asked))
    asked += [(q.task, q.lang) for q in questions]
    return row, starts


def _padded(groups: list[Group], rows: list[Row], asked: list[tuple[str, str]]) -> Batch:
    """Pad all rows to one length."""
    n, longest = len(rows), max((len(r.ids) for r in rows), default=0)
    ids, labels = np.zeros((n, longest), np.int64), np.full((n, longest), IGNORE, np.int64)
    segments, positions = np.full((n, longest), -1, np.int64), np.zeros((3, n, longest), np.int64)
    for i, row in enumerate(rows):
        t = len(row.ids)
        ids[i, :t], labels[i, :t], segments[i, :t] = row.ids, row.labels, row.segments
        positions[:, i, :t] = np.array(row.positions).T
    return Batch(groups, ids, positions, labels, segments, asked)


def flat(group: Group, length: int) -> Array:
    """Return the flat indices of a group's picture tokens in ids of this row length."""
    n = group.grid[0] * group.grid[1]
    return np.concatenate([np.arange(n) + row * length + start for row, start in group.where])


def smaller(mix: Mix, pictures: int) -> Mix:
    """Return the same mix with another batch size."""
    return replace(mix, pictures=pictures)
