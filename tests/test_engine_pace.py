import pytest

from qwen_vl_app.engine.pace import FOURS, PATIENCE, STEPS_PER_SLICE, Pace


def paced(step: float, row: float) -> Pace:
    """A pace that knows steps of `step` seconds and rows of `row` seconds beside them."""
    pace = Pace(512)
    for _ in range(50):
        pace.note(writers=1, tokens=0, seconds=step)
        pace.note(writers=1, tokens=99, seconds=step + 100 * row)
        pace.note_picture(cells=100, seconds=step + 100 * row)
    return pace


def test_a_slice_lasts_no_longer_than_a_few_steps_of_those_who_write() -> None:
    row = STEPS_PER_SLICE * 0.04 / 16.5
    pace = paced(0.04, row)
    assert pace.picture_slice(True) == pace.text_slice(4) == 16
    assert pace.picture_slice(False) * row <= PATIENCE


def test_a_slow_machine_still_moves_on() -> None:
    pace = paced(0.01, 1)
    assert pace.picture_slice(True) == FOURS and pace.text_slice(1) == 2 * FOURS - 1


def test_slices_shrink_when_the_machine_slows_down_and_grow_again() -> None:
    pace = paced(0.02, 0.004)
    usual = pace.picture_slice(True)
    for _ in range(5):
        pace.note_picture(cells=usual, seconds=0.02 + usual * 0.01)
    smaller = pace.picture_slice(True)
    assert smaller < usual
    for _ in range(20):
        pace.note_picture(cells=smaller, seconds=0.02 + smaller * 0.004)
    assert pace.picture_slice(True) == usual


def test_the_first_picture_is_taken_in_carefully_beside_somebody_who_writes() -> None:
    pace = Pace(512)
    assert pace.picture_slice(False) > pace.picture_slice(True) == FOURS


def test_steps_beside_an_encode_do_not_make_slices_longer() -> None:
    pace = Pace(512)
    pace.note_picture(cells=100, seconds=0.1)
    pace.note(writers=1, tokens=0, seconds=0.02, disturbed=True)  # better than to know nothing
    for _ in range(50):
        pace.note(writers=1, tokens=0, seconds=0.1, disturbed=True)
    assert pace.picture_slice(True) * 0.001 <= STEPS_PER_SLICE * 0.02


@pytest.mark.parametrize("writers", [1, 2, 3, 4, 9])
def test_the_rows_of_a_batch_come_in_fours(writers: int) -> None:
    room = paced(0.02, STEPS_PER_SLICE * 0.02 / 10.5).text_slice(writers)
    assert (room + writers) % 4 == 0 and 10 <= room < 14


def test_a_slice_fits_the_batch_beside_the_writers() -> None:
    assert paced(0.04, 1e-6).picture_slice(False) == 512 - 64
