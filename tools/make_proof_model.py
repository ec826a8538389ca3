"""Write models/proof/proof.gguf: random weights in the block types of real models, and what they must answer.

    .venv/bin/python -m pip install gguf && .venv/bin/python tools/make_proof_model.py

One layer of a text model whose matrices are Q8_0, Q4_K and Q6_K, of sizes that llama.cpp's fast paths accept
(rows of 256, outputs a multiple of 32). The logits of a known-good build are kept in its metadata, so that the
proof also notices a build that computes nonsense. K-quants are made of random blocks with sane scales: gguf
cannot quantise to them.
"""

import json
import sys
from pathlib import Path

import gguf
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from qwen_vl_app.install import proof

WIDTH, HEADS, KV_HEADS, VOCABULARY = 256, 4, 1, 64
KV_WIDTH = WIDTH // HEADS * KV_HEADS
Q8_0, Q4_K, Q6_K = gguf.GGMLQuantizationType.Q8_0, gguf.GGMLQuantizationType.Q4_K, gguf.GGMLQuantizationType.Q6_K
MATRICES = {
    "token_embd": (VOCABULARY, Q4_K),
    "output": (VOCABULARY, Q6_K),
    "blk.0.attn_q": (WIDTH, Q4_K),
    "blk.0.attn_k": (KV_WIDTH, Q8_0),
    "blk.0.attn_v": (KV_WIDTH, Q6_K),
    "blk.0.attn_output": (WIDTH, Q8_0),
    "blk.0.ffn_gate": (WIDTH, Q4_K),
    "blk.0.ffn_up": (WIDTH, Q6_K),
    "blk.0.ffn_down": (WIDTH, Q8_0),
}
BYTES_PER_ROW = {Q4_K: 144, Q6_K: 210}  # one block of 256 weights
random = np.random.default_rng(20261122)


def half(value: float, rows: int) -> np.ndarray:
    return np.full((rows, 1), value, dtype=np.float16).view(np.uint8)


def matrix(rows: int, kind: gguf.GGMLQuantizationType) -> np.ndarray:
    """Random blocks whose weights have a spread of about 1/16."""
    if kind == Q8_0:
        weights = random.normal(0, 1 / 16, (rows, WIDTH)).astype(np.float32)
        return gguf.quants.quantize(weights, Q8_0)
    noise = random.integers(0, 256, (rows, BYTES_PER_ROW[kind]), dtype=np.uint8)
    if kind == Q4_K:  # d, dmin, 12 bytes of 6-bit scales and minima, 128 bytes of nibbles
        noise[:, :2], noise[:, 2:4] = half(4e-4, rows), half(3e-3, rows)
    else:  # 128 + 64 bytes of 6-bit weights, 16 signed scales, d
        noise[:, 192:208] = random.integers(32, 64, (rows, 16), dtype=np.uint8)
        noise[:, 208:] = half(7e-5, rows)
    return noise


def write(path: Path, weights: dict[str, np.ndarray], expected: list[float]) -> None:
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("proof")
    writer.add_context_length(128)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(WIDTH)
    writer.add_block_count(1)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_vocab_size(VOCABULARY)
    writer.add_tokenizer_model("no_vocab")
    writer.add_string(proof.EXPECTED_KEY, json.dumps(expected))
    for name in ("blk.0.attn_norm", "blk.0.ffn_norm", "output_norm"):
        writer.add_tensor(name + ".weight", np.ones(WIDTH, dtype=np.float32))
    for name, (_, kind) in MATRICES.items():
        writer.add_tensor(name + ".weight", weights[name], raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main() -> None:
    weights = {name: matrix(rows, kind) for name, (rows, kind) in MATRICES.items()}
    write(proof.MODEL, weights, [])
    logits = proof.decode(proof.MODEL)[0]
    write(proof.MODEL, weights, [round(value, 4) for value in logits])
    print(proof.MODEL.stat().st_size, "bytes;", "logits from", min(logits), "to", max(logits))


if __name__ == "__main__":
    main()
