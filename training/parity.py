"""Greedy answers of transformers' Qwen3VLForConditionalGeneration beside those of the app's engine, on F16 weights.

`python -m training.parity --weights FILE --model F16_FOLDER` asks both and prints how many answers are equal; a case
that differs counts as a tie if transformers' two best logits are within 0.02 where the answers part.
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
from transformers import (
    PreTrainedTokenizerFast,
    Qwen2VLImageProcessor,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    Qwen3VLProcessor,
    Qwen3VLVideoProcessor,
)

from qwen_vl_app import chat, media
from qwen_vl_app.engine.local import LocalEngine
from qwen_vl_app.engine.plan import Plan

from . import evaluate, export, tokenizer, world
from .model import SHAPE, Shape

TIE = 0.02  # logits
LONGEST = 200  # tokens of an answer


@dataclass
class Case:
    """A conversation about fitted pictures, and what transformers answers to it."""

    pictures: list[chat.Image]
    turns: list[tuple[str, str]]  # role, text
    expected: str = ""
    margin: float = 0.0  # the smallest gap between the two best logits


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
    matrices = {k: v.half().float() if v.dim() > 1 and "pos_embed" not in k else v for k, v in weights.items()}
    model.load_state_dict(matrices)
    model.generation_config.eos_token_id = ids["<|im_end|>"]
    model.generation_config.pad_token_id = ids["<|endoftext|>"]
    return model


def processor() -> Qwen3VLProcessor:
    """Return transformers' own processor with our tokenizer; pictures come fitted and are not resized."""
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer.load(), eos_token="<|im_end|>", pad_token="<|endoftext|>")
    for name in ("image_token", "video_token", "vision_bos_token", "vision_eos_token"):
        words = {"image_token": "<|image_pad|>", "video_token": "<|video_pad|>"}
        words |= {"vision_bos_token": "<|vision_start|>", "vision_eos_token": "<|vision_end|>"}
        setattr(fast, name, words[name])
    pixels = {"shortest_edge": 1024, "longest_edge": 1024 * 1024}
    images = Qwen2VLImageProcessor(
        patch_size=16, temporal_patch_size=2, merge_size=2, image_mean=[0.5] * 3, image_std=[0.5] * 3, size=pixels
    )
    video = Qwen3VLVideoProcessor(patch_size=16)
    return Qwen3VLProcessor(
        image_processor=images, tokenizer=fast, video_processor=video, chat_template=export.TEMPLATE
    )


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
def answer(model: Qwen3VLForConditionalGeneration, prepare: Qwen3VLProcessor, case: Case) -> None:
    """Let transformers answer a case greedily; notes the text and the smallest margin."""
    pictures = [to_pil(p) for p in case.pictures]
    inputs: Any = prepare(text=[prompt_text(case)], images=pictures, return_tensors="pt")
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


async def ask(engine: LocalEngine, case: Case) -> str:
    """Let the app's engine answer a case."""
    messages = []
    for i, (role, text) in enumerate(case.turns):
        seen = tuple(case.pictures) if i == 0 else ()
        messages.append(chat.Message(role, (*seen, chat.Text(text))))  # type: ignore[arg-type]
    request = chat.Request(tuple(messages), chat.Sampling(), max_tokens=LONGEST)
    return (await chat.join(engine.stream(request))).text


def keep(found: list[Case], folder: Path, n: int) -> None:
    """Save n cases as a test's fixtures: pictures as PNG, conversations and answers as JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for i, case in enumerate(found[:n]):
        names = [f"{i:02d}-{j}.png" for j in range(len(case.pictures))]
        for name, image in zip(names, case.pictures, strict=True):
            to_pil(image).save(folder / name, optimize=True)
        rows.append({"pictures": names, "turns": case.turns, "answer": case.expected, "margin": round(case.margin, 4)})
    (folder / "cases.json").write_text(json.dumps(rows, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


async def compare(args: argparse.Namespace) -> None:
    """Ask both and print the count."""
    from safetensors.torch import load_file

    torch.set_num_threads(1)
    model, prepare = reference(load_file(args.weights)), processor()
    found = await cases(args.n)
    files = (str(args.model / "model.gguf"), str(args.model / "mmproj.gguf"))
    engine = LocalEngine(Plan(*files, 2048, 4096, parallel=1, gpu_layers=0, threads=1))
    await engine.start()
    equal = ties = 0
    for case in found:
        answer(model, prepare, case)
        text = await ask(engine, case)
        equal += text == case.expected
        tie = text != case.expected and case.margin <= TIE
        ties += tie
        if text != case.expected:
            print(json.dumps([case.turns[-1][1], case.expected, text, round(case.margin, 4), tie], ensure_ascii=False))
    await engine.close()
    print(f"{equal} of {len(found)} equal, {ties} ties")
    if args.keep:
        keep([c for c in found if c.margin > TIE], args.keep, args.kept)


def main() -> None:
    """Compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, default=export.ROOT / "training" / "checkpoint.safetensors")
    parser.add_argument("--model", type=Path, required=True, help="folder of an export with --type F16")
    parser.add_argument("-n", type=int, default=200)
    parser.add_argument("--keep", type=Path, help="save fixtures here")
    parser.add_argument("--kept", type=int, default=40)
    asyncio.run(compare(parser.parse_args()))


if __name__ == "__main__":
    main()
