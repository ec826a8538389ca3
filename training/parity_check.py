"""Ask the app's engine what transformers answered: `python -m training.parity_check DIR --model F16_FOLDER`.

DIR is what `training.parity` wrote. A different answer is a tie if transformers' two best logits came within 0.02
somewhere in it.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
from pathlib import Path
from typing import Any

from PIL import Image

from qwen_vl_app import chat
from qwen_vl_app.engine.local import LocalEngine

from . import evaluate

TIE = 0.02  # logits
LONGEST = 200  # tokens of an answer, as in parity.py


def fitted(path: Path) -> chat.Image:
    """Read a picture that already has the model's size."""
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    data = image.tobytes()
    key = hashlib.sha256(f"{image.size}".encode() + data).hexdigest()
    return chat.Image(data, image.width, image.height, key)


def request(folder: Path, case: dict[str, Any]) -> chat.Request:
    """Return a saved case as the engine is asked it."""
    pictures = tuple(fitted(folder / name) for name in case["pictures"])
    messages = []
    for i, (role, text) in enumerate(case["turns"]):
        messages.append(chat.Message(role, ((*pictures, chat.Text(text)) if i == 0 else (chat.Text(text),))))
    return chat.Request(tuple(messages), chat.Sampling(), max_tokens=LONGEST)


async def check(folder: Path, model: Path, saved: list[dict[str, Any]]) -> tuple[int, int]:
    """Ask every case; returns how many answers are equal and how many others are ties."""
    engine = LocalEngine(evaluate.plan(model))
    await engine.start()
    equal = ties = 0
    try:
        for case in saved:
            text = (await chat.join(engine.stream(request(folder, case)))).text
            equal += text == case["answer"]
            if text != case["answer"]:
                ties += case["margin"] <= TIE
                print(json.dumps([case["turns"][-1][1], case["answer"], text, case["margin"]], ensure_ascii=False))
    finally:
        await engine.close()
    return equal, ties


def main() -> None:
    """Print the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", type=Path, required=True, help="folder of an export with --type F16")
    args = parser.parse_args()
    saved = json.loads((args.folder / "cases.json").read_text(encoding="utf-8"))
    equal, ties = asyncio.run(check(args.folder, args.model, saved))
    print(f"{equal} of {len(saved)} equal, {ties} ties")


if __name__ == "__main__":
    main()
