import random

import pytest

from qwen_vl_app.engine.loops import EVERY, is_loop


def found_after(tokens: list[int]) -> int | None:
    return next((n for n in range(len(tokens) + 1) if is_loop(tokens[:n])), None)


@pytest.mark.parametrize("period", [1, 2, 25, 150])
def test_an_endless_piece_is_found_soon_after_what_was_good(period: int) -> None:
    good = random.Random(period).sample(range(1000, 9000), 77)
    found = found_after(good + list(range(period)) * 1000)
    assert found is not None
    assert found <= 77 + max(160, 6 * period) + EVERY


def test_lists_and_tables_that_repeat_a_frame_are_no_loop() -> None:
    rows = [token for n in range(200) for token in (1, 2, 3, 100 + n, 4, 5)]
    assert found_after(rows) is None


def test_a_ruler_of_a_hundred_dashes_is_no_loop() -> None:
    assert found_after([*range(50), *[7] * 100, *range(50, 100)]) is None
