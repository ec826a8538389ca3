"""Choose the page's example pictures: scenes that the exported model describes rightly in both languages.

`python -m training.examples` draws them into models/demo/examples; run it after each export.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from qwen_vl_app import chat, media
from qwen_vl_app.engine.local import LocalEngine

from . import evaluate, world
from .prompts import PROMPTS
from .world import Scene

SIZES = ((320, 320), (400, 300), (320, 320), (400, 240))
PROMPTS_ASKED = 4  # wordings of each language that must all be answered rightly
MAKERS: dict[str, Callable[[int, tuple[int, int]], Scene]] = {
    "shapes-2": lambda seed, size: world.scene(seed, n=2, size=size),
    "shapes-3": lambda seed, size: world.scene(seed, n=3, size=size),
    "words": lambda seed, size: world.text_scene(seed, n=1, size=size),
    "card": lambda seed, size: world.card_scene(seed, n=2, size=size),
}


async def right(engine: LocalEngine, path: Path, scene: Scene) -> bool:
    """Say whether the model describes a picture rightly, however it is asked."""
    picture = await media.open_picture(path, path.name, evaluate.BUDGET, 768)
    for lang in ("zh", "en"):
        for prompt in PROMPTS["describe"][lang][:PROMPTS_ASKED]:
            message = chat.Message("user", (picture.image, chat.Text(prompt)))
            answer = await chat.join(engine.stream(chat.Request((message,), max_tokens=200)))
            if answer.text != scene.answer("describe", lang):
                return False
    return True


async def choose(model: Path, out: Path, kinds: list[str], first: int, tries: int) -> None:
    """For each kind keep the first scene of `tries` that is described rightly."""
    engine = LocalEngine(evaluate.plan(model))
    await engine.start()
    try:
        for number, kind in enumerate(kinds):
            path = out / f"{number + 1}-{kind}.png"
            for seed in range(first + number * tries, first + (number + 1) * tries):
                scene = replace(MAKERS[kind](seed, SIZES[number % len(SIZES)]), smooth=True, jpeg=0)
                scene.image().save(path, optimize=True)
                if await right(engine, path, scene):
                    print(path.name, "seed", seed, scene.answer("describe", "en"))
                    break
            else:
                path.unlink()
                print(path.name, "none of", tries, "scenes is described rightly")
    finally:
        await engine.close()


def main() -> None:
    """Draw the examples."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=evaluate.ROOT / "models" / "demo")
    parser.add_argument("--out", type=Path, default=evaluate.ROOT / "models" / "demo" / "examples")
    parser.add_argument("--kinds", nargs="*", default=["shapes-2", "shapes-3", "words", "card"], choices=list(MAKERS))
    parser.add_argument("--first", type=int, default=900, help="first seed")
    parser.add_argument("--tries", type=int, default=40)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    asyncio.run(choose(args.model, args.out, args.kinds, args.first, args.tries))


if __name__ == "__main__":
    main()
