"""The conversations in which the engine is compared with transformers: drawn by chance, kept as files and JSON lines.

They come in groups about the same pictures (asked anew, asked on, the pictures swapped, frames of a video), so that
the same cases also show whether the engine's reuse changes answers. Needs no torch.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import random
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from . import conversation, world
from .world import Scene

SEED = 555_000_000_000  # training draws 60 random bits for a seed: it meets these by a chance of one in a billion
LONGEST = 150  # tokens of an answer: below what the engine's guard takes for an endless repetition
STOP = -1  # stands for the token that ends an answer
TIE = 0.02  # logits: two tokens that are no further apart are equally good (DESIGN.md)
FPS = 2.0  # frames of a second, Qwen3-VL's own rate
FILE, HASHES = "cases.jsonl", "model.json"
MAKERS: dict[str, Callable[[int], Scene]] = {
    "shapes": world.scene,
    "words": world.text_scene,
    "card": world.card_scene,
}
HOMES = dict.fromkeys(conversation.SHAPE_MIX, "shapes") | {"read": "words", "spot": "words", "pairs": "card"}


@dataclass
class Case:
    """A conversation about pictures, or about the frames of a video, and what transformers answers to it.

    `group` numbers the cases about the same pictures. `continues`: its last but one turn is what transformers answers
    to the case before it. `keys` are the fitted pictures' (`chat.Image.key`). Of each of the answer's steps, the end
    included (as STOP), `ids` has the best token, `seconds` the second best, `margins` how far apart their logits are.
    """

    kind: str
    group: int
    files: list[str]
    turns: list[tuple[str, str]]
    continues: bool = False
    keys: list[str] = field(default_factory=list)
    prompt_tokens: int = 0
    answer: str = ""
    ids: list[int] = field(default_factory=list)
    seconds: list[int] = field(default_factory=list)
    margins: list[float] = field(default_factory=list)

    @property
    def frames(self) -> bool:
        """Whether the pictures are the frames of a video."""
        return self.kind == "frames"


Drawn = tuple[list[Case], dict[str, bytes]]  # cases, and their pictures' files by name


def draw(n: int, plain: bool) -> Drawn:
    """Return n cases of all kinds in fixed shares, and the files by name; `plain`: no JPEG, whose decoders differ."""
    rng = random.Random(n)
    tasks = [(task, lang) for task in HOMES for lang in conversation.LANGS]
    rng.shuffle(tasks)
    cases: list[Case] = []
    files: dict[str, bytes] = {}
    for group, make in enumerate(_makers(rng, tasks)):
        found, pictures = make(rng, group, plain)
        cases += found
        files |= pictures
        if len(cases) >= n:
            break
    return cases[:n], files


def _makers(rng: random.Random, tasks: list[tuple[str, str]]) -> Iterator[Callable[[random.Random, int, bool], Drawn]]:
    """Of 20 groups (42 cases): eight of one picture asked three times, six with earlier turns, three of two pictures,
    three of frames."""
    while True:
        for i in range(20):
            kind = "oooooooolllllltttfff"[i * 7 % 20]
            if kind == "o":
                task, lang = tasks.pop(0)
                tasks.append((task, lang))
                yield lambda rng, group, plain, task=task, lang=lang: _one_picture(rng, group, plain, task, lang)
            else:
                yield {"l": _later_turns, "t": _two_pictures, "f": _frames}[kind]


def _scene(rng: random.Random, kind: str, plain: bool) -> Scene:
    scene = MAKERS[kind](SEED + rng.getrandbits(30))
    size = _any_size(rng) if rng.random() < 0.4 else scene.size
    return replace(scene, size=size, jpeg=0 if plain else scene.jpeg)


def _any_size(rng: random.Random) -> tuple[int, int]:
    """Pick a size far beyond the world's: 30 to 1600 px, aspects up to 8:1."""
    long = round(math.exp(rng.uniform(math.log(60), math.log(1600))))
    short = max(30, round(long / math.exp(rng.uniform(0, math.log(8)))))
    return (long, short) if rng.random() < 0.5 else (short, long)


def file_of(scene: Scene) -> bytes:
    """Return a scene as the PNG or JPEG file that a person would upload."""
    out = io.BytesIO()
    image = replace(scene, jpeg=0).image()
    image.save(out, "JPEG", quality=scene.jpeg) if scene.jpeg else image.save(out, "PNG", optimize=True)
    return out.getvalue()


def _name(group: int, number: int, scene: Scene) -> str:
    return f"{group:03d}-{number}.{'jpg' if scene.jpeg else 'png'}"


def _one_picture(rng: random.Random, group: int, plain: bool, task: str, lang: str) -> Drawn:
    """One picture: a question, another one about it from the start, and the first conversation gone on with."""
    kind = HOMES[task]
    scene = _scene(rng, kind, plain)
    name = _name(group, 0, scene)
    first = conversation.question(rng, scene, task, lang).prompt
    second, third = (q.prompt for q in conversation.questions(rng, scene, 2, conversation.MIXES[kind])[:2])
    ask = Case("question", group, [name], [("user", first)])
    on = Case("own answer", group, [name], [("user", first), ("assistant", ""), ("user", third)], continues=True)
    return [ask, on, Case("second question", group, [name], [("user", second)])], {name: file_of(scene)}


def _later_turns(rng: random.Random, group: int, plain: bool) -> Drawn:
    """One picture and two to four turns, the earlier ones answered rightly."""
    kind = rng.choice(("shapes", "shapes", "shapes", "words", "card"))
    scene = _scene(rng, kind, plain)
    name = _name(group, 0, scene)
    turns: list[tuple[str, str]] = []
    for q in conversation.questions(rng, scene, rng.randint(2, 4), conversation.MIXES[kind]):
        turns += [("user", q.prompt), ("assistant", q.answer)]
    return [Case("later turn", group, [name], turns[:-1])], {name: file_of(scene)}


def _two_pictures(rng: random.Random, group: int, plain: bool) -> Drawn:
    """Two pictures, and the same two in the other order with a turn before."""
    two = [_scene(rng, "shapes", plain) for _ in range(2)]
    names = [_name(group, i, scene) for i, scene in enumerate(two)]
    lang = conversation.LANGS[group % 2]
    q = [conversation.pair_question(rng, *two, task, lang) for task in rng.sample(list(conversation.PAIR_MIX), 2)]
    back = conversation.pair_question(rng, two[1], two[0], "compare", lang)
    later = [("user", back.prompt), ("assistant", back.answer), ("user", q[1].prompt)]
    cases = [Case("two pictures", group, names, [("user", q[0].prompt)])]
    cases.append(Case("two pictures", group, names[::-1], later))
    return cases, {name: file_of(scene) for name, scene in zip(names, two, strict=True)}


def _frames(rng: random.Random, group: int, plain: bool) -> Drawn:
    """Two to five frames, in which the shapes move or every other is a negative, looked at closely twice.

    The model knows no videos: which frame of a pair comes first shows in its answers only where they are that unlike.
    """
    scene = _scene(rng, "shapes", plain=True)
    count = rng.randint(2, 5)
    flash = rng.random() < 0.5
    moved = [_moved(scene, 0.01 * i) for i in range(count)]
    shown = [_negative(frame) if flash and i % 2 else frame for i, frame in enumerate(moved)]
    files = {_name(group, i, scene): file_of(frame) for i, frame in enumerate(shown)}
    asked = [conversation.question(rng, scene, task, rng.choice(conversation.LANGS)) for task in ("detail", "keywords")]
    return [Case("frames", group, list(files), [("user", q.prompt)]) for q in asked], files


def _moved(scene: Scene, far: float) -> Scene:
    return replace(scene, shapes=tuple(replace(s, x=s.x + far, y=s.y - far) for s in scene.shapes))


def _negative(scene: Scene) -> Scene:
    shapes = tuple(replace(s, rgb=_complement(s.rgb)) for s in scene.shapes)
    return replace(scene, rgb=_complement(scene.rgb), shapes=shapes)


def _complement(rgb: world.RGB) -> world.RGB:
    return 255 - rgb[0], 255 - rgb[1], 255 - rgb[2]


def save(cases: list[Case], files: dict[str, bytes], folder: Path, model: Path) -> None:
    """Write pictures and cases, one JSON line each, instead of those that are there, and whose answers they are."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in [*folder.glob("*.png"), *folder.glob("*.jpg")]:
        old.unlink()
    for name in sorted({name for case in cases for name in case.files}):
        (folder / name).write_bytes(files[name])
    lines = [json.dumps(asdict(case), ensure_ascii=False) + "\n" for case in cases]
    (folder / FILE).write_text("".join(lines), encoding="utf-8")
    (folder / HASHES).write_text(json.dumps(hashes(model), indent=1) + "\n", encoding="utf-8")


def load(folder: Path) -> list[Case]:
    """Read what `save` wrote."""
    lines = (folder / FILE).read_text(encoding="utf-8").splitlines()
    return [Case(**row | {"turns": [tuple(turn) for turn in row["turns"]]}) for row in map(json.loads, lines)]


def hashes(model: Path) -> dict[str, str]:
    """Return the SHA-256 of a model's two files."""
    return {name: hashlib.sha256((model / name).read_bytes()).hexdigest() for name in ("model.gguf", "mmproj.gguf")}


def known_hashes(folder: Path) -> dict[str, str]:
    """Return the hashes of the files whose answers `folder` holds."""
    known: dict[str, str] = json.loads((folder / HASHES).read_text(encoding="utf-8"))
    return known


def stamps(count: int) -> list[str]:
    """Return the text before each pair of `count` frames: the mean of the pair's times; the last may stand twice."""
    times = [i / FPS for i in range(count)] + ([(count - 1) / FPS] if count % 2 else [])
    return [f"<{(a + b) / 2:.1f} seconds>" for a, b in zip(times[::2], times[1::2], strict=True)]
