"""Greedy answers of transformers' Qwen3VLForConditionalGeneration, to compare the app's engine with (F16 weights).

`python -m training.parity --out DIR` (needs requirements.txt) writes pictures, conversations and answers;
`python -m training.parity_check DIR --model F16_FOLDER` (needs the app's requirements) asks the engine the same.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from transformers import Qwen2VLImageProcessorPil, Qwen3VLConfig, Qwen3VLForConditionalGeneration

from qwen_vl_app import chat, media

from . import evaluate, export, tokenizer, world
from .model import SHAPE, Shape

LONGEST = 200  # tokens of an answer


@dataclass
class Case:
    """A conversation about fitted pictures, and what transformers answers to it."""

    pictures: list[chat.Image]
    turns: list[tuple[str, str]]  # role, text
    expected: str = ""
    margin: float = 0.0  # the smallest gap between the two best logits: under 0.02 another answer counts as a tie


def reference(weights: dict[str, torch.Tensor], s: Shape = SHAPE) -> Qwen3VLForConditionalGeneration:
    """Return transformers' model with our weights as F16 keeps them."""
    ids = {name: tokenizer.special(name) for name in tokenizer.SPECIALS}
    config = Qwen3VLConfig(
        text_config={
            "vocab_size": s.vocab,
            "hidden_size": s.width,
            "intermediate_size": s.ff,
            "num_hidden_layers": s.layers,
            "num_attention_heads": s.heads,
            "num_key_value_heads": s.kv_heads,
            "head_dim": s.head,
            "rms_norm_eps": 1e-6,
            "max_position_embeddings": s.context,
            "bos_token_id": ids["<|endoftext|>"],
            "eos_token_id": ids["<|im_end|>"],
            "pad_token_id": ids["<|endoftext|>"],
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": s.theta,
                "mrope_section": list(s.sections),
                "mrope_interleaved": True,
            },
        },
        vision_config={
            "depth": s.v_layers,
            "hidden_size": s.v_width,
            "intermediate_size": s.v_ff,
            "num_heads": s.v_heads,
            "out_hidden_size": s.width,
            "num_position_embeddings": s.v_grid**2,
            "deepstack_visual_indexes": list(s.deepstack),
        },
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
    )
    model = Qwen3VLForConditionalGeneration(config).eval().float()
    ours = {k: v.float() for k, v in weights.items() if "heads" not in k}
    matrices = {k: v.half().float() if v.dim() > 1 and "pos_embed" not in k else v for k, v in ours.items()}
    model.load_state_dict(matrices)
    model.generation_config.eos_token_id = ids["<|im_end|>"]
    model.generation_config.pad_token_id = ids["<|endoftext|>"]
    return model


def processor() -> Qwen2VLImageProcessorPil:
    """Return transformers' own picture processor for Qwen3-VL; pictures come fitted, so it does not resize them."""
    pixels = {"shortest_edge": 1024, "longest_edge": 1024 * 1024}
    return Qwen2VLImageProcessorPil(
        patch_size=16, temporal_patch_size=2, merge_size=2, image_mean=[0.5] * 3, image_std=[0.5] * 3, size=pixels
    )


def _inputs(prepare: Qwen2VLImageProcessorPil, case: Case) -> dict[str, torch.Tensor]:
    """Return a case as the model takes it: what Qwen3VLProcessor does, which cannot be made without torchvision."""
    seen = prepare([to_pil(p) for p in case.pictures], return_tensors="pt")
    text, mark = prompt_text(case), "<|image_pad|>"
    for _, rows, columns in seen["image_grid_thw"].tolist():
        text = text.replace(mark, "<|placeholder|>" * (rows * columns // 4), 1)
    ids = torch.tensor([tokenizer.load().encode(text.replace("<|placeholder|>", mark)).ids])
    kinds = (ids == tokenizer.special(mark)).int()
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "mm_token_type_ids": kinds, **seen}


def to_pil(image: chat.Image) -> Image.Image:
    """Return a fitted picture as Pillow's."""
    return Image.fromarray(np.frombuffer(image.rgb, np.uint8).reshape(image.height, image.width, 3))


def prompt_text(case: Case) -> str:
    """Write a case's conversation as the template does."""
    out = ""
    for i, (role, text) in enumerate(case.turns):
        seen = "<|vision_start|><|image_pad|><|vision_end|>" * len(case.pictures) if i == 0 else ""
        out += f"<|im_start|>{role}\n{seen}{text}<|im_end|>\n"
    return out + "<|im_start|>assistant\n"


@torch.no_grad()
def answer(model: Qwen3VLForConditionalGeneration, prepare: Qwen2VLImageProcessorPil, case: Case) -> None:
    """Let transformers answer a case greedily; notes the text and the smallest margin."""
    inputs: Any = _inputs(prepare, case)
    out = model.generate(
        **inputs, max_new_tokens=LONGEST, do_sample=False, output_scores=True, return_dict_in_generate=True
    )
    ids = out.sequences[0, inputs["input_ids"].shape[1] :].tolist()
    best = [s[0].topk(2).values for s in out.scores]
    case.margin = min(float(b[0] - b[1]) for b in best)
    case.expected = tokenizer.load().decode(ids)


async def picture(scene: world.Scene) -> chat.Image:
    """Open a scene's file as the app does."""
    opened = await media.open_picture(evaluate.file_of(scene), "a.png", evaluate.BUDGET, 768)
    return opened.image


async def cases(n: int) -> list[Case]:
    """Return cases of all families: one picture, two pictures, later turns, all sizes."""
    out = []
    chosen = evaluate.cases(1 + n // 50, 5000, set())
    random.Random(0).shuffle(chosen)
    for _, scenes, questions in chosen[:n]:
        turns: list[tuple[str, str]] = []
        for q in questions:
            turns += [("user", q.prompt), ("assistant", q.answer)]
        out.append(Case([await picture(s) for s in scenes], turns[:-1]))
    return out


def keep(found: list[Case], folder: Path) -> None:
    """Save cases: pictures as PNG, conversations and answers as JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for i, case in enumerate(found):
        names = [f"{i:03d}-{j}.png" for j in range(len(case.pictures))]
        for name, image in zip(names, case.pictures, strict=True):
            to_pil(image).save(folder / name, optimize=True)
        rows.append({"pictures": names, "turns": case.turns, "answer": case.expected, "margin": round(case.margin, 4)})
    (folder / "cases.json").write_text(json.dumps(rows, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Write the cases."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, default=export.ROOT / "training" / "checkpoint.safetensors")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("-n", type=int, default=200)
    args = parser.parse_args()
    torch.set_num_threads(1)
    model, prepare = reference(load_file(args.weights)), processor()
    found = asyncio.run(cases(args.n))
    for case in found:
        answer(model, prepare, case)
    keep(found, args.out)


if __name__ == "__main__":
    main()
