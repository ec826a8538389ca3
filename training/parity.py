"""Greedy answers of transformers' Qwen3VLForConditionalGeneration, to compare the app's engine with.

`python -m training.parity --out DIR` exports the checkpoint as F16 into DIR and writes 200 cases with pictures and
answers beside it; `python -m training.parity_check DIR` then asks the engine the same. `python -m training.parity
--shipped` writes the 40 cases of tests/fixtures/parity for the files of models/demo. Both need requirements.txt.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file

from qwen_vl_app import chat, media
from qwen_vl_app.catalogue import MODELS

from . import export, parity_cases, reference, tokenizer
from .parity_cases import FPS, LONGEST, STOP, Case

FIXTURES = export.ROOT / "tests" / "fixtures" / "parity"
CASES = 200
CANDIDATES, SHIPPED = 120, 40  # drawn, and kept at most, for the shipped files
CLEAR = 0.3  # logits: Q8_0 and the order of the cells were seen to turn 0.195 over, in frames (LOG.md, 22:45)
END = tokenizer.special("<|im_end|>")


async def _fitted(files: dict[str, bytes]) -> dict[str, chat.Image]:
    """Open the pictures as the app does."""
    budget = MODELS["demo"].budget
    return {name: (await media.open_picture(data, name, budget, 768)).image for name, data in files.items()}


def to_pil(image: chat.Image) -> Image.Image:
    """Return a fitted picture as Pillow's."""
    return Image.fromarray(np.frombuffer(image.rgb, np.uint8).reshape(image.height, image.width, 3))


class Transformers:
    """transformers' model and processor for the export in a folder."""

    def __init__(self, folder: Path) -> None:
        self._model = reference.model(folder)
        self._processor = reference.processor()

    def answer(self, case: Case, pictures: list[chat.Image]) -> None:
        """Answer a case greedily and note everything in it."""
        inputs = self._inputs(case, [to_pil(p) for p in pictures])
        steps = reference.steps(self._model, inputs, LONGEST)
        case.keys = [p.key for p in pictures]
        case.prompt_tokens = inputs["input_ids"].shape[1]
        case.ids = [STOP if best == END else best for best, _, _ in steps]
        case.seconds = [STOP if second == END else second for _, second, _ in steps]
        case.margins = [round(margin, 4) for _, _, margin in steps]
        case.answer = tokenizer.load().decode(written(case))

    def _inputs(self, case: Case, pictures: list[Image.Image]) -> dict[str, torch.Tensor]:
        """Return a case as the model takes it, made by transformers' processor alone."""
        seen: list[dict[str, str]] = [{"type": "image"} for _ in pictures]
        given: dict[str, object] = {"images": pictures}
        if case.frames:
            seen = [{"type": "text", "text": "<|video_pad|>"}]
            times = {"fps": FPS, "total_num_frames": len(pictures), "frames_indices": list(range(len(pictures)))}
            given = {"videos": [np.stack([np.asarray(p) for p in pictures])], "video_metadata": [times]}
        messages = [
            {"role": role, "content": [*(seen if i == 0 else []), {"type": "text", "text": text}]}
            for i, (role, text) in enumerate(case.turns)
        ]
        text = self._processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        inputs: dict[str, torch.Tensor] = dict(self._processor(text=[text], return_tensors="pt", **given))
        return inputs


def written(case: Case) -> list[int]:
    """Return the tokens of a case's answer without the one that ends it."""
    return [token for token in case.ids if token != STOP]


def answered(cases: list[Case], pictures: dict[str, chat.Image], folder: Path) -> Iterator[Case]:
    """Let transformers answer the cases; yields those that can be asked of the engine in the same tokens."""
    oracle = Transformers(folder)
    for before, case in zip([None, *cases], cases, strict=False):
        if case.continues and before:
            if tokenizer.load().encode(before.answer).ids != written(before):
                continue  # the answer's own tokens, which the engine keeps, are not those of its text
            case.turns[-2] = ("assistant", before.answer)
        oracle.answer(case, [pictures[name] for name in case.files])
        yield case


def check_export(folder: Path, checkpoint: dict[str, torch.Tensor]) -> None:
    """Fail if an F16 export holds something else than the checkpoint."""
    for name, value in reference.weights(folder).items():
        torch.testing.assert_close(value, checkpoint[name].float(), rtol=1e-3, atol=1e-6, msg=name)


def write(folder: Path, out: Path, n: int) -> list[Case]:
    """Write n cases for the export in `folder`."""
    cases, files = parity_cases.draw(n, plain=False)
    kept = list(answered(cases, asyncio.run(_fitted(files)), folder))
    parity_cases.save(kept, files, out, folder)
    return kept


def write_shipped() -> list[Case]:
    """Write the fixtures for the shipped files: cases with nothing near a tie, of which nobody can say how it ends."""
    cases, files = parity_cases.draw(CANDIDATES, plain=True)
    found = answered(cases, asyncio.run(_fitted(files)), export.DEMO)
    kept = list(islice((case for case in found if min(case.margins) > CLEAR), SHIPPED))
    parity_cases.save(kept, files, FIXTURES, export.DEMO)
    return kept


def main() -> None:
    """Write the cases."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, default=export.ROOT / "training" / "checkpoint.safetensors")
    parser.add_argument("-n", type=int, default=CASES, help="cases for --out")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--out", type=Path, help="folder for the F16 export and the cases")
    where.add_argument("--shipped", action="store_true", help="write the fixtures of the files in models/demo")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if not args.shipped:
        checkpoint = load_file(args.weights)
        export.export(checkpoint, args.out, "F16")
        check_export(args.out, checkpoint)
    cases = write_shipped() if args.shipped else write(args.out, args.out, args.n)
    print(f"{len(cases)} cases, {sum(len(case.ids) for case in cases)} tokens")


if __name__ == "__main__":
    main()
