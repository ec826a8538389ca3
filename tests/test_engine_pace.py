import pytest

from qwen_vl_app.engine.pace import FOURS, PATIENCE, PLAIN, STEPS, UNKNOWN, Pace

STEP = 0.02


def paced() -> Pace:
    """A pace that knows how long plain steps take."""
    pace = Pace(512)
    for _ in range(20):
        pace.note(writers=1, rows=0, seconds=STEP)
    return pace


def read_beside(pace: Pace, writers: int, first: float, row: float, steps: int = 60) -> list[int]:
    """The batches of `steps` steps beside `writers`: the first row takes `first` seconds, each other one `row`."""
    sizes = []
    for _ in range(steps):
        rows = pace.slice(writers)
        pace.note(writers, rows, first + (writers + rows - 1) * row if rows else STEP)
        if rows:
            sizes.append(writers + rows)
    return sizes


def test_slices_grow_until_they_take_as_long_as_they_may() -> None:
    sizes = read_beside(paced(), 1, 0.02, 0.004)
    assert sizes[0] == FOURS
    assert 0.02 + max(sizes[-20:]) * 0.004 <= STEPS * STEP + FOURS * 0.004
    assert 0.02 + min(sizes[-20:]) * 0.004 >= STEPS * STEP / 2


def test_a_slow_machine_still_moves_on() -> None:
    assert set(read_beside(paced(), 1, 1.0, 1.0)) == {FOURS}


def test_slices_shrink_when_the_machine_slows_down_and_grow_again() -> None:
    pace = paced()
    usual = read_beside(pace, 1, 0.02, 0.004)[-1]
    assert read_beside(pace, 1, 0.06, 0.012)[-1] < usual
    assert read_beside(pace, 1, 0.02, 0.004)[-1] == usual


def test_one_slow_slice_changes_nothing() -> None:
    pace = paced()
    usual = read_beside(pace, 1, 0.04, 0.004)[-1]
    if not pace.slice(1):
        pace.note(1, 0, STEP)
    pace.note(1, pace.slice(1), 1.2 * STEPS * STEP)
    assert pace.slice(1) == usual - 1


def test_now_and_then_a_step_goes_without_a_slice() -> None:
    pace = paced()
    slices = []
    for _ in range(4 * (PLAIN + 1)):
        slices.append(pace.slice(1))
        pace.note(1, slices[-1], 0.06 if slices[-1] else STEP)
    assert [not rows for rows in slices] == [*[False] * PLAIN, True] * 4


def test_single_slow_steps_are_not_what_a_step_takes() -> None:
    pace = paced()
    for seconds in (0.09, 0.06, 0.07):
        pace.note(writers=1, rows=0, seconds=seconds)
    assert pace.step == STEP


def test_steps_beside_an_encode_do_not_count() -> None:
    pace = Pace(512)
    pace.note(writers=1, rows=0, seconds=0.05, disturbed=True)  # better than to know nothing
    assert pace.step == 0.05
    for _ in range(50):
        pace.note(writers=1, rows=0, seconds=0.1, disturbed=True)
    assert pace.step == 0.05


def test_when_nobody_writes_a_slice_takes_as_long_as_a_cancel_may_wait() -> None:
    pace = Pace(512)
    assert pace.slice(0) == UNKNOWN
    for _ in range(20):
        pace.note(writers=0, rows=pace.slice(0), seconds=pace.slice(0) * 0.01)
    assert PATIENCE - FOURS * 0.01 < pace.slice(0) * 0.01 <= PATIENCE


@pytest.mark.parametrize("writers", [1, 2, 3, 4, 9])
def test_the_rows_of_a_batch_come_in_fours(writers: int) -> None:
    sizes = read_beside(paced(), writers, 0.02, 0.002)
    assert all(size % FOURS == 0 and size > writers for size in sizes)


@pytest.mark.parametrize("writers", [0, 1, 9])
def test_a_slice_fits_the_batch(writers: int) -> None:
    pace = paced()
    for _ in range(400):
        pace.note(writers, pace.slice(writers), 1e-9)
    pace.note(writers, 0, STEP)
    assert writers + pace.slice(writers) == 512


def test_what_many_writers_allow_is_not_allowed_beside_one() -> None:
    pace = paced()
    usual = read_beside(pace, 1, 0.02, 0.004)[-1]
    for _ in range(20):
        pace.note(writers=8, rows=0, seconds=0.2)
    assert read_beside(pace, 8, 0.02, 0.004)[-1] > 2 * usual
    assert read_beside(pace, 1, 0.02, 0.004)[0] == usual
