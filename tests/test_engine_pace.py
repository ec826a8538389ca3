from qwen_vl_app.engine.pace import SMALLEST, STEPS_PER_SLICE, Pace


def test_a_slice_lasts_no_longer_than_a_few_steps_of_those_who_write() -> None:
    pace = Pace(512)
    for _ in range(50):
        pace.note(writers=1, tokens=0, seconds=0.04)
        pace.note_picture(cells=100, seconds=0.5)
    assert pace.picture_slice(True) * 0.005 <= STEPS_PER_SLICE * 0.04
    assert pace.picture_slice(False) > pace.picture_slice(True)


def test_a_slow_machine_still_moves_on() -> None:
    pace = Pace(512)
    pace.note(writers=1, tokens=0, seconds=0.01)
    pace.note_picture(cells=10, seconds=10)
    assert pace.picture_slice(True) == SMALLEST


def test_steps_beside_an_encode_do_not_make_slices_longer() -> None:
    pace = Pace(512)
    pace.note_picture(cells=100, seconds=0.1)
    pace.note(writers=1, tokens=0, seconds=0.02, disturbed=True)  # better than to know nothing
    for _ in range(50):
        pace.note(writers=1, tokens=0, seconds=0.1, disturbed=True)
    assert pace.picture_slice(True) * 0.001 <= STEPS_PER_SLICE * 0.02


def test_a_slice_fits_the_batch_beside_the_writers() -> None:
    pace = Pace(512)
    pace.note_picture(cells=100, seconds=1e-6)
    assert pace.picture_slice(False) == 512 - 64
