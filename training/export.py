"""Write the trained model as GGUF: `python -m training.export` makes models/demo/model.gguf and mmproj.gguf."""

from __future__ import annotations

import argparse
from pathlib import Path

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as Type
from gguf import GGUFWriter
from torch import Tensor

from . import tokenizer
from .attention import SHAPE, Shape
from .model import Model

ROOT = Path(__file__).resolve().parent.parent
DEMO = ROOT / "models" / "demo"
TEMPLATE = (
    "{%- for message in messages %}"
    "{{- '<|im_start|>' + message.role + '\\n' }}"
    "{%- if message.content is string %}{{- message.content }}"
    "{%- else %}{%- for part in message.content %}"
    "{%- if part.type == 'image' or part.type == 'image_url' or 'image' in part or 'image_url' in part %}"
    "{{- '<|vision_start|><|image_pad|><|vision_end|>' }}"
    "{%- elif 'text' in part %}{{- part.text }}{%- endif %}"
    "{%- endfor %}{%- endif %}"
    "{{- '<|im_end|>\\n' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)
TEXT_NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}
VISION_NAMES = {
    "attn.qkv": "attn_qkv",
    "attn.proj": "attn_out",
    "mlp.linear_fc1": "ffn_up",
    "mlp.linear_fc2": "ffn_down",
    "norm1": "ln1",
    "norm2": "ln2",
}
Weights = dict[str, Tensor]


def _put(writer: GGUFWriter, name: str, value: Tensor, kind: str) -> None:
    """Add a tensor; matrices as `kind`, vectors always as F32."""
    array = value.detach().float().numpy()
    if array.ndim == 1 or kind == "F32":
        writer.add_tensor(name, np.ascontiguousarray(array))
    elif kind == "Q8_0":
        writer.add_tensor(name, gguf.quants.quantize(array, Type.Q8_0), raw_dtype=Type.Q8_0)
    else:
        writer.add_tensor(name, array.astype(np.float16))


def _finish(writer: GGUFWriter) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _text_keys(writer: GGUFWriter, s: Shape, kind: str) -> None:
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_name("demo")
    writer.add_description("Tiny Qwen3-VL that knows only drawn shapes and letters")
    writer.add_file_type(7 if kind == "Q8_0" else 1)
    writer.add_context_length(s.context)
    writer.add_embedding_length(s.width)
    writer.add_block_count(s.layers)
    writer.add_feed_forward_length(s.ff)
    writer.add_head_count(s.heads)
    writer.add_head_count_kv(s.kv_heads)
    writer.add_key_length(s.head)
    writer.add_value_length(s.head)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(s.theta)
    writer.add_rope_dimension_sections([*s.sections, 0])
    writer.add_rope_dimension_count(s.head)
    writer.add_num_deepstack_layers(len(s.deepstack))
    writer.add_vocab_size(s.vocab)


def _vocabulary(writer: GGUFWriter) -> None:
    tokens, merges = tokenizer.parts()
    kinds = [gguf.TokenType.CONTROL if t in tokenizer.SPECIALS else gguf.TokenType.NORMAL for t in tokens]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(merges)
    writer.add_bos_token_id(tokens.index("<|endoftext|>"))
    writer.add_eos_token_id(tokens.index("<|im_end|>"))
    writer.add_pad_token_id(tokens.index("<|endoftext|>"))
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)


def write_text(weights: Weights, path: Path, kind: str, s: Shape = SHAPE) -> None:
    """Write the decoder; `kind` is Q8_0 or F16."""
    writer = GGUFWriter(path, "qwen3vl")
    _text_keys(writer, s, kind)
    _vocabulary(writer)
    inner = "model.language_model."
    _put(writer, "token_embd.weight", weights[inner + "embed_tokens.weight"], kind)
    _put(writer, "output.weight", weights["lm_head.weight"], kind)
    _put(writer, "output_norm.weight", weights[inner + "norm.weight"], kind)
    for i in range(s.layers):
        for ours, theirs in TEXT_NAMES.items():
            _put(writer, f"blk.{i}.{theirs}.weight", weights[f"{inner}layers.{i}.{ours}.weight"], kind)
    _finish(writer)


def _vision_keys(writer: GGUFWriter, s: Shape) -> None:
    writer.add_type(gguf.GGUFType.MMPROJ)
    writer.add_name("demo")
    writer.add_file_type(1)
    writer.add_clip_has_vision_encoder(True)
    writer.add_clip_projector_type(gguf.VisionProjectorType.QWEN3VL)
    writer.add_vision_use_gelu(True)
    writer.add_vision_projection_dim(s.width)
    writer.add_vision_image_size(s.v_grid * 16)
    writer.add_vision_patch_size(16)
    writer.add_vision_embedding_length(s.v_width)
    writer.add_vision_feed_forward_length(s.v_ff)
    writer.add_vision_block_count(s.v_layers)
    writer.add_vision_head_count(s.v_heads)
    writer.add_vision_image_mean([0.5] * 3)
    writer.add_vision_image_std([0.5] * 3)
    writer.add_vision_spatial_merge_size(2)
    writer.add_vision_attention_layernorm_eps(1e-6)
    writer.add_vision_is_deepstack_layers([i in s.deepstack for i in range(s.v_layers)])


def vision_names(s: Shape = SHAPE) -> dict[str, str]:
    """Return the file's names of the vision tower's layers that have a weight and a bias, by transformers' names."""
    names = {f"blocks.{i}.{a}": f"v.blk.{i}.{b}" for i in range(s.v_layers) for a, b in VISION_NAMES.items()}
    names |= {"merger.norm": "v.post_ln", "merger.linear_fc1": "mm.0", "merger.linear_fc2": "mm.2"}
    for n, i in enumerate(s.deepstack):
        for a, b in (("norm", "norm"), ("linear_fc1", "fc1"), ("linear_fc2", "fc2")):
            names[f"deepstack_merger_list.{n}.{a}"] = f"v.deepstack.{i}.{b}"
    return names


def write_vision(weights: Weights, path: Path, s: Shape = SHAPE) -> None:
    """Write the vision tower: matrices F16, vectors and positions F32."""
    writer = GGUFWriter(path, "clip")
    _vision_keys(writer, s)
    visual = {k.removeprefix("model.visual."): v for k, v in weights.items() if k.startswith("model.visual.")}
    proj = visual["patch_embed.proj.weight"]
    _put(writer, "v.patch_embd.weight", proj[:, :, 0], "F16")
    _put(writer, "v.patch_embd.weight.1", proj[:, :, 1], "F16")
    _put(writer, "v.patch_embd.bias", visual["patch_embed.proj.bias"], "F32")
    _put(writer, "v.position_embd.weight", visual["pos_embed.weight"], "F32")
    for ours, theirs in vision_names(s).items():
        for part in ("weight", "bias"):
            _put(writer, f"{theirs}.{part}", visual[f"{ours}.{part}"], "F16")
    _finish(writer)


def export(weights: Weights, folder: Path, kind: str = "Q8_0") -> list[Path]:
    """Write both files, each replaced at once."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / "model.gguf", folder / "mmproj.gguf"]
    parts = [f.with_suffix(".part") for f in files]
    write_text(weights, parts[0], kind)
    write_vision(weights, parts[1])
    for part, file in zip(parts, files, strict=True):
        part.replace(file)
    return files


def main() -> None:
    """Export a checkpoint's averaged weights (or random ones, for shapes only)."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, default=ROOT / "training" / "checkpoint.safetensors")
    parser.add_argument("--out", type=Path, default=DEMO)
    parser.add_argument("--type", choices=("Q8_0", "F16"), default="Q8_0", help="of the text model's matrices")
    parser.add_argument("--random", action="store_true", help="random weights: right shapes, no sense")
    args = parser.parse_args()
    if args.random:
        torch.manual_seed(0)
        weights = dict(Model().state_dict())
    else:
        from safetensors.torch import load_file

        weights = load_file(args.checkpoint)
    for file in export(weights, args.out, args.type):
        print(file.name, file.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
