"""Draw scenes of the demo model's world into a folder: `python -m training.draw --out DIR`.

Beside each picture lies a JSON file with questions and their exact answers.
"""

from __future__ import annotations

import argparse
import json
import random
from dataclasses import asdict
from pathlib import Path

from . import conversation, world
from .world import Scene

MAKERS = {"shapes": world.scene, "words": world.text_scene, "card": world.card_scene}


def save(scene: Scene, path: Path) -> Path:
    """Write a scene as PNG or, where it has a quality, as JPEG."""
    image = scene.image()
    path = path.with_suffix(".jpg" if scene.jpeg else ".png")
    image.save(path, quality=scene.jpeg) if scene.jpeg else image.save(path, optimize=True)
    return path


def main() -> None:
    """Draw scenes of every kind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("-n", type=int, default=4, help="pictures of each kind")
    parser.add_argument("--first", type=int, default=0, help="first seed")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for kind, make in MAKERS.items():
        for seed in range(args.first, args.first + args.n):
            scene = make(seed)
            path = save(scene, args.out / f"{kind}-{seed}")
            rng = random.Random(seed)
            asked = [
                conversation.question(rng, scene, t, lang) for t in conversation.MIXES[kind] for lang in ("zh", "en")
            ]
            text = json.dumps([asdict(q) for q in asked], ensure_ascii=False, indent=1)
            path.with_suffix(".json").write_text(text, encoding="utf-8")
            print(path)


if __name__ == "__main__":
    main()
