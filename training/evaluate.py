"""Ask the exported demo model about unseen scenes, through the app's own engine: `python -m training.evaluate`.

Every picture is saved as PNG or JPEG, opened by the app's media code and answered by llama.cpp. Needs the app's
requirements (llama-cpp-python), not torch.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import random
import sys
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

from qwen_vl_app import media
from qwen_vl_app.catalogue import MODELS
from qwen_vl_app.chat import Message, Request, Sampling, Text, join
from qwen_vl_app.engine.local import LocalEngine
from qwen_vl_app.engine.plan import Plan

from . import conversation, world
from .conversation import LANGS, Question
from .score import Score, judge
from .world import Scene

ROOT = Path(__file__).resolve().parent.parent
SEED = 777_000_000_000  # training draws 60 random bits for a seed: it meets these by a chance of one in a billion
BUDGET = MODELS["demo"].budget
AT_ONCE = 4
Case = tuple[str, list[Scene], list[Question]]


def file_of(scene: Scene) -> bytes:
    """Return a scene as the PNG or JPEG file that a person would upload."""
    out = io.BytesIO()
    kind = {"format": "JPEG", "quality": scene.jpeg} if scene.jpeg else {"format": "PNG"}
    replace(scene, jpeg=0).image().save(out, **kind)
    return out.getvalue()


def cases(n: int, first: int, tasks: set[str]) -> list[Case]:
    """Return n questions of every task and language about scenes of their own, and later turns."""
    out: list[Case] = []
    makers = {"shapes": world.scene, "words": world.text_scene, "card": world.card_scene}
    homes = dict.fromkeys(conversation.SHAPE_MIX, "shapes") | {"read": "words", "spot": "words", "pairs": "card"}
    for task, kind in homes.items():
        for lang in LANGS:
            for i in range(n):
                rng = random.Random(f"{task}-{lang}-{first + i}")
                used = "card" if task in ("read", "spot") and i % 2 else kind
                scene = makers[used](SEED + rng.getrandbits(30))
                turns = [conversation.question(rng, scene, task, lang)]
                out.append((task, [scene], turns))
                if used == "shapes" and i % 3 == 0:
                    earlier = conversation.questions(rng, scene, 1 + i % 2, conversation.SHAPE_MIX)
                    out.append(("later turn", [scene], [*earlier, conversation.question(rng, scene, task, lang)]))
    for lang in LANGS:
        for i in range(n):
            rng = random.Random(f"translate-{lang}-{first + i}")
            scene = world.scene(SEED + rng.getrandbits(30))
            asked = rng.choice(conversation.TRANSLATED), "en" if lang == "zh" else "zh"
            before = conversation.question(rng, scene, *asked)
            out.append(("translate", [scene], [before, conversation.translation(rng, scene, before)]))
    for task in conversation.PAIR_MIX:
        for lang in LANGS:
            for i in range(n):
                rng = random.Random(f"{task}-{lang}-{first + i}")
                two = [world.scene(SEED + rng.getrandbits(30), n=rng.choice((1, 2, 2, 3))) for _ in range(2)]
                out.append((task, two, [conversation.pair_question(rng, *two, task, lang)]))
    return [c for c in out if not tasks or c[0] in tasks]


async def _ask(engine: LocalEngine, case: Case) -> tuple[Case, str, list[media.Picture]]:
    """Ask a case's last question; the earlier ones are answered rightly in the conversation."""
    _, scenes, questions = case
    names = ["a.jpg" if s.jpeg else "a.png" for s in scenes]
    pairs = zip(scenes, names, strict=True)
    pictures = [await media.open_picture(file_of(s), name, BUDGET, 768) for s, name in pairs]
    messages = []
    for i, question in enumerate(questions):
        seen = tuple(p.image for p in pictures) if i == 0 else ()
        messages.append(Message("user", (*seen, Text(question.prompt))))
        if question is not questions[-1]:
            messages.append(Message("assistant", (Text(question.answer),)))
    request = Request(tuple(messages), Sampling(), max_tokens=320)
    return case, (await join(engine.stream(request))).text, pictures


def plan(folder: Path) -> Plan:
    """Return how the engine loads the model in a folder, on the processor."""
    demo = MODELS["demo"]
    files = (str(folder / demo.model.name), str(folder / demo.mmproj.name))
    return Plan(*files, ctx_size=2048, pool=2048 * AT_ONCE, parallel=AT_ONCE, gpu_layers=0, threads=2)


async def run(folder: Path, asked: list[Case], show: int) -> dict[tuple[str, str], Score]:
    """Ask everything, some at a time; returns the scores by task and language."""
    engine = LocalEngine(plan(folder))
    await engine.start()
    scores: dict[tuple[str, str], Score] = defaultdict(Score)
    limit = asyncio.Semaphore(AT_ONCE)

    async def one(case: Case) -> None:
        nonlocal show
        async with limit:
            _, text, pictures = await _ask(engine, case)
        question = case[2][-1]
        good, overlap = judge(question, case[1], text, pictures)
        scores[case[0], question.lang].add(good, overlap)
        if not good and show > 0:
            show -= 1
            print(json.dumps([case[0], question.prompt, question.answer, text], ensure_ascii=False), file=sys.stderr)

    try:
        await asyncio.gather(*(one(c) for c in asked))
    finally:
        await engine.close()
    return dict(scores)


def table(scores: dict[tuple[str, str], Score]) -> str:
    """Return the scores as a Markdown table."""
    rows = ["| task | zh | en | asked |", "|---|---|---|---|"]
    for task in dict.fromkeys(t for t, _ in scores):
        by = [scores.get((task, lang), Score()) for lang in LANGS]
        rows.append(f"| {task} | {by[0]} | {by[1]} | {sum(s.asked for s in by)} |")
    return "\n".join(rows)


def main() -> None:
    """Print the table for the shipped files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=ROOT / "models" / "demo")
    parser.add_argument("-n", type=int, default=50, help="questions of each task and language")
    parser.add_argument("--first", type=int, default=0, help="number of the first seed")
    parser.add_argument("--tasks", nargs="*", default=[], help="only these")
    parser.add_argument("--show", type=int, default=0, help="print so many wrong answers")
    args = parser.parse_args()
    asked = cases(args.n, args.first, set(args.tasks))
    print(table(asyncio.run(run(args.folder, asked, args.show))))


if __name__ == "__main__":
    main()
