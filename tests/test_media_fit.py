"""Which size a picture gets."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qwen_vl_app.catalogue import CELL, MODELS, PictureBudget
from qwen_vl_app.media.fit import BEND, LONGEST, Fit, fit

QWEN = PictureBudget(64, 1280)
DEMO = PictureBudget(49, 64)
side = st.integers(1, 20_000)
budgets = st.tuples(st.integers(1, 300), st.integers(0, 2000)).map(lambda b: PictureBudget(b[0], b[0] + b[1]))
short = st.integers(CELL, 2048)


@pytest.mark.parametrize(
    ("size", "budget", "canvas"),
    [
        ((640, 480), QWEN, (640, 480)),  # whole cells within the budget stay
        ((650, 470), QWEN, (640, 480)),  # the nearest cells
        ((4000, 3000), QWEN, (1024, 768)),  # the short side
        ((3000, 4000), QWEN, (768, 1024)),
        ((1920, 1080), QWEN, (1376, 768)),
        ((5000, 1000), QWEN, (2560, 512)),  # the most tokens
        ((100, 100), QWEN, (256, 256)),  # the fewest tokens
        ((1, 1), QWEN, (256, 256)),
        ((640, 480), DEMO, (288, 224)),
        ((224, 224), DEMO, (224, 224)),
    ],
)
def test_canvas(size: tuple[int, int], budget: PictureBudget, canvas: tuple[int, int]) -> None:
    placed = fit(*size, budget, 768)
    assert placed == Fit(*canvas, 0, 0, *canvas)


@pytest.mark.parametrize("size", [(1, 10_000), (10_000, 1), (30, 20_000), (20_000, 150)])
def test_extreme_shapes_lie_between_bars(size: tuple[int, int]) -> None:
    placed = fit(*size, QWEN, 768)
    assert max(placed.width, placed.height) <= LONGEST * min(placed.width, placed.height)
    assert (placed.inner_width, placed.inner_height) != (placed.width, placed.height)


def test_a_strip_keeps_its_aspect_where_no_whole_cells_have_it() -> None:
    placed = fit(1000, 50, DEMO, 768)
    assert placed.tokens >= 49
    assert placed.inner_width / placed.inner_height == pytest.approx(20, rel=0.02)


@settings(max_examples=800, deadline=None)
@given(side, side, budgets, short)
def test_whole_cells_within_the_budget(width: int, height: int, budget: PictureBudget, most: int) -> None:
    placed = fit(width, height, budget, most)
    assert placed.width % CELL == 0 and placed.height % CELL == 0
    assert 1 <= placed.tokens <= budget.max_tokens
    assert min(placed.width, placed.height) <= most
    assert fit(height, width, budget, most).tokens == placed.tokens


@settings(max_examples=800, deadline=None)
@given(side, side, st.sampled_from([model.budget for model in MODELS.values()]))
def test_not_below_the_fewest_tokens_of_any_model(width: int, height: int, budget: PictureBudget) -> None:
    assert fit(width, height, budget, 768).tokens >= budget.min_tokens


@settings(max_examples=800, deadline=None)
@given(side, side, budgets, short)
def test_aspect_is_kept_to_a_rounding(width: int, height: int, budget: PictureBudget, most: int) -> None:
    placed = fit(width, height, budget, most)
    bent = abs(math.log(placed.inner_width / placed.inner_height / (width / height)))
    half_a_pixel = 0.5 / min(placed.inner_width, placed.inner_height)
    filled = (placed.inner_width, placed.inner_height) == (placed.width, placed.height)
    assert (
        bent <= BEND + 1e-9
        if filled
        else bent <= 2.1 * half_a_pixel or min(placed.inner_width, placed.inner_height) == 1
    )


@settings(max_examples=800, deadline=None)
@given(side, side, budgets, short)
def test_the_picture_lies_in_the_middle_of_its_canvas(
    width: int, height: int, budget: PictureBudget, most: int
) -> None:
    placed = fit(width, height, budget, most)
    right, bottom = placed.left + placed.inner_width, placed.top + placed.inner_height
    assert 0 <= placed.left < right <= placed.width and 0 <= placed.top < bottom <= placed.height
    assert abs(placed.left - (placed.width - right)) <= 1 and abs(placed.top - (placed.height - bottom)) <= 1
    assert placed.left == 0 or placed.top == 0


@settings(max_examples=800, deadline=None)
@given(side, side, budgets, short)
def test_a_fitted_picture_fits(width: int, height: int, budget: PictureBudget, most: int) -> None:
    placed = fit(width, height, budget, most)
    if budget.min_tokens <= placed.tokens:
        again = fit(placed.width, placed.height, budget, most)
        assert (again.width, again.height) == (placed.width, placed.height)
