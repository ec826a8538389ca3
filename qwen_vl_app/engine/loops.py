"""Endless repetition: a known failure of reading and of finding many things (QwenLM/Qwen3-VL#1611, #28, #241)."""

from collections.abc import Sequence

EVERY = 16  # tokens between two looks
LONGEST = 200  # tokens of a repeated piece: about six boxes with labels
ROUNDS = 6  # times that a piece must stand there in a row
LEAST = 160  # tokens that the repetition must cover: long dotted lines and rulers are no failure


def is_loop(answer: Sequence[int]) -> bool:
    """Whether `answer` ends in one piece of at most LONGEST tokens, over and over again."""
    if len(answer) % EVERY or len(answer) < LEAST:
        return False
    return any(_covered(answer, period) >= max(LEAST, ROUNDS * period) for period in range(1, LONGEST + 1))


def _covered(answer: Sequence[int], period: int) -> int:
    """How many tokens at the end equal those `period` before them, that first piece included."""
    length = len(answer)
    same = 0
    while same + period < length and answer[length - 1 - same] == answer[length - 1 - same - period]:
        same += 1
    return same + period
