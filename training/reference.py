"""transformers' Qwen3VLForConditionalGeneration with the weights of exported GGUF files, and transformers' processor.

What it answers greedily is what the app's engine is compared with. Needs requirements.txt.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import torch
from torch import Tensor

try:
    import torchvision  # noqa: F401
except (ImportError, RuntimeError):  # built for another torch: its operators are missing, which processors do not use
    _LIBRARY = torch.library.Library("torchvision", "FRAGMENT")
    for _name in ("nms", "qnms"):
        _LIBRARY.define(f"{_name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
from transformers import (
    PreTrainedTokenizerFast,
    Qwen2VLImageProcessor,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    Qwen3VLProcessor,
    Qwen3VLVideoProcessor,
)

from . import tokenizer
from .attention import SHAPE, Shape
from .export import TEMPLATE, TEXT_NAMES, Weights, vision_names

PIXELS = {"shortest_edge": 1, "longest_edge": 1 << 24}  # pictures come fitted: nothing is resized


def weights(folder: Path, s: Shape = SHAPE) -> Weights:
    """Return the two files' tensors under transformers' names, in float32."""
    text, vision = _tensors(folder / "model.gguf"), _tensors(folder / "mmproj.gguf")
    inner = "model.language_model."
    names = {"token_embd": inner + "embed_tokens", "output": "lm_head", "output_norm": inner + "norm"}
    names |= {f"blk.{i}.{b}": f"{inner}layers.{i}.{a}" for i in range(s.layers) for a, b in TEXT_NAMES.items()}
    found = {f"{ours}.weight": text[f"{theirs}.weight"] for theirs, ours in names.items()}
    patch = [vision["v.patch_embd.weight"], vision["v.patch_embd.weight.1"]]
    found["model.visual.patch_embed.proj.weight"] = torch.stack(patch, 2)
    found["model.visual.patch_embed.proj.bias"] = vision["v.patch_embd.bias"]
    found["model.visual.pos_embed.weight"] = vision["v.position_embd.weight"]
    for ours, theirs in vision_names(s).items():
        for part in ("weight", "bias"):
            found[f"model.visual.{ours}.{part}"] = vision[f"{theirs}.{part}"]
    return found


def _tensors(file: Path) -> dict[str, Tensor]:
    reader = gguf.GGUFReader(file)
    return {t.name: torch.tensor(gguf.quants.dequantize(t.data, t.tensor_type)) for t in reader.tensors}


def model(folder: Path, s: Shape = SHAPE) -> Qwen3VLForConditionalGeneration:
    """Return transformers' model with the weights of an export, in float32."""
    ids = {name: tokenizer.special(name) for name in tokenizer.SPECIALS}
    made = Qwen3VLForConditionalGeneration(_config(ids, s)).eval().float()
    made.load_state_dict(weights(folder, s))
    made.generation_config.eos_token_id = ids["<|im_end|>"]
    made.generation_config.pad_token_id = ids["<|endoftext|>"]
    return made


def _config(ids: dict[str, int], s: Shape) -> Qwen3VLConfig:
    rope = {
        "rope_type": "default",
        "rope_theta": s.theta,
        "mrope_section": list(s.sections),
        "mrope_interleaved": True,
    }
    text = {
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
        "rope_parameters": rope,
    }
    vision = {
        "depth": s.v_layers,
        "hidden_size": s.v_width,
        "intermediate_size": s.v_ff,
        "num_heads": s.v_heads,
        "out_hidden_size": s.width,
        "num_position_embeddings": s.v_grid**2,
        "deepstack_visual_indexes": list(s.deepstack),
    }
    names = {"image_token_id": "image_pad", "video_token_id": "video_pad"}
    names |= {"vision_start_token_id": "vision_start", "vision_end_token_id": "vision_end"}
    marks = {key: ids[f"<|{name}|>"] for key, name in names.items()}
    return Qwen3VLConfig(text_config=text, vision_config=vision, **marks)


def processor() -> Qwen3VLProcessor:
    """Return transformers' own processor of Qwen3-VL around the demo's tokenizer and template."""
    sizes = {"patch_size": 16, "temporal_patch_size": 2, "merge_size": 2, "size": PIXELS}
    even = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    words = PreTrainedTokenizerFast(tokenizer_file=str(tokenizer.FILE), eos_token="<|im_end|>")
    pictures = Qwen2VLImageProcessor(**sizes, **even)
    frames = Qwen3VLVideoProcessor(**sizes, **even, do_sample_frames=False, cap_pixels_per_frame=False)
    return Qwen3VLProcessor(pictures, words, frames, chat_template=TEMPLATE)


def steps(made: Qwen3VLForConditionalGeneration, inputs: Any, longest: int) -> list[tuple[int, int, float]]:
    """Answer greedily; returns of each step, the end included, the best token, the second best and their margin."""
    with torch.no_grad():
        out = made.generate(
            **inputs, max_new_tokens=longest, do_sample=False, output_logits=True, return_dict_in_generate=True
        )
    best = [logits[0].topk(2) for logits in out.logits]
    return [(int(b.indices[0]), int(b.indices[1]), float(b.values[0] - b.values[1])) for b in best]
