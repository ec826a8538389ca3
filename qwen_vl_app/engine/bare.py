"""`python -m qwen_vl_app.engine.bare MODEL THREADS TOKENS`: llama.cpp's decode rate with nothing of ours around it."""

import sys
import time

from qwen_vl_app.chat import Sampling
from qwen_vl_app.engine.loading import quiet
from qwen_vl_app.engine.native import Language
from qwen_vl_app.engine.plan import Plan


def main(model: str, threads: int, tokens: int) -> float:
    """Tokens per second of one greedy answer of `tokens` tokens."""
    quiet()
    language = Language(Plan(model, "", ctx_size=2048, pool=2048, threads=threads), lambda _: None)
    sampler = language.sampler(Sampling())
    token = language.tokenize("a", special=False)[0]
    started = 0.0
    for position in range(tokens + 8):
        if position == 8:  # the first ones warm up
            started = time.perf_counter()
        language.decode([(token, position, 0, True)])
        token = language.sample(sampler, 0)
    return tokens / (time.perf_counter() - started)


if __name__ == "__main__":
    print(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
