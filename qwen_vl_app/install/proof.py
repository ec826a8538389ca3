"""Does this build of llama.cpp compute? Decodes a tiny quantised model; `llama.prove` runs it as a program.

Beside engine/native.py the only file that imports llama_cpp: it runs in a child process, before the app's
other dependencies need be there, and a build that is wrong for the processor ends that child with a signal.
"""

import json
import math
import sys
from pathlib import Path
from typing import Any

MODEL = Path(__file__).resolve().parents[2] / "models" / "proof" / "proof.gguf"
EXPECTED_KEY = "proof.logits"
PROMPT = tuple(range(1, 49))  # long enough for the matrix-matrix kernels; the token after it takes matrix-vector
NEXT = (7,)
GPU_FLAG = "--gpu"
LEAST_AGREEMENT = 0.99  # cosine with a known-good build's logits; kernels of one build differ in the third digit


def decode(model: Path, gpu_layers: int = 0) -> tuple[list[float], str]:
    """The logits after PROMPT and NEXT, and the expected ones as the model file states them (JSON)."""
    import llama_cpp

    options = llama_cpp.llama_model_default_params()
    options.n_gpu_layers = gpu_layers
    loaded = llama_cpp.llama_model_load_from_file(str(model).encode(), options)
    context = _context(llama_cpp, loaded)
    for tokens in (PROMPT, NEXT):
        array = (llama_cpp.llama_token * len(tokens))(*tokens)
        code = llama_cpp.llama_decode(context, llama_cpp.llama_batch_get_one(array, len(tokens)))
        if code != 0:
            raise RuntimeError(f"llama_decode answered {code}")
    logits = llama_cpp.llama_get_logits_ith(context, -1)
    count = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(loaded))
    return [float(logits[i]) for i in range(count)], _expected(llama_cpp, loaded)


def _context(llama_cpp: Any, loaded: Any) -> Any:
    if not loaded:
        raise RuntimeError("the proof model could not be loaded")
    options = llama_cpp.llama_context_default_params()
    options.n_ctx, options.n_batch, options.n_threads, options.n_threads_batch = 128, 64, 2, 2
    context = llama_cpp.llama_init_from_model(loaded, options)
    if not context:
        raise RuntimeError("no context could be made")
    return context


def _expected(llama_cpp: Any, loaded: Any) -> str:
    buffer = bytes(4096)
    length = llama_cpp.llama_model_meta_val_str(loaded, EXPECTED_KEY.encode(), buffer, len(buffer))
    return buffer[: max(length, 0)].decode()


def agreement(found: list[float], expected: list[float]) -> float:
    """The cosine between two lists of logits; 0 where they cannot be compared."""
    if len(found) != len(expected) or not all(map(math.isfinite, found)):
        return 0.0
    size = math.sqrt(sum(x * x for x in found)) * math.sqrt(sum(y * y for y in expected))
    return sum(x * y for x, y in zip(found, expected, strict=True)) / size if size else 0.0


def main(model: Path = MODEL, needs_gpu: bool = False) -> int:
    """Decode on the processor and, where the build has one, on the GPU; 1 if an answer is wrong or a GPU missing."""
    import llama_cpp
    import llama_cpp.mtmd_cpp

    llama_cpp.llama_backend_init()
    if needs_gpu and not llama_cpp.llama_supports_gpu_offload():
        print("proof: this build finds no GPU", file=sys.stderr)
        return 1
    for gpu_layers in (0, -1) if llama_cpp.llama_supports_gpu_offload() else (0,):
        found, expected = decode(model, gpu_layers)
        if agreement(found, json.loads(expected)) < LEAST_AGREEMENT:
            print("proof: it computes wrong numbers", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    named = [Path(word) for word in sys.argv[1:] if word != GPU_FLAG]
    sys.exit(main(named[0] if named else MODEL, GPU_FLAG in sys.argv))
