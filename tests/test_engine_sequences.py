import pytest

from qwen_vl_app.engine.prompt import Entry, Picture
from qwen_vl_app.engine.sequences import Sequences, SequenceState, cells, common_prefix, positions

PICTURE = Picture("a", cells=300, positions=20)


class Ledger:
    """Notes what is asked of the context."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []

    def forget(self, sequence: int, position: int = 0) -> None:
        self.calls.append(("forget", sequence, position))

    def copy(self, source: int, target: int, position: int) -> None:
        self.calls.append(("copy", source, target, position))


def sequences(number: int = 4, pool: int = 2000) -> tuple[Sequences, Ledger]:
    ledger = Ledger()
    return Sequences(ledger, number, pool), ledger  # type: ignore[arg-type]


def answered(all_: Sequences, owner: str, entries: list[Entry], needed: int = 500) -> SequenceState:
    sequence = all_.claim(owner, entries, needed, 0)
    assert sequence
    for entry in entries[len(sequence.entries) :]:
        sequence.add(entry)
    all_.release(sequence)
    return sequence


def test_cells_and_positions_are_two_counters() -> None:
    assert (cells([1, PICTURE, 2]), positions([1, PICTURE, 2])) == (302, 22)


def test_a_picture_is_shared_whole_or_not_at_all() -> None:
    other = Picture("b", cells=300, positions=20)
    assert common_prefix([1, PICTURE, 2], [1, PICTURE, 3]) == 2
    assert common_prefix([1, PICTURE, 2], [1, other, 2]) == 1


def test_a_follow_up_takes_its_own_sequence_over() -> None:
    all_, _ = sequences()
    first = answered(all_, "me", [1, PICTURE, 2, 3])
    again = all_.claim("me", [1, PICTURE, 2, 3, 4, 5], 500, 0)
    assert again is first
    assert again.entries == [1, PICTURE, 2, 3]


def test_the_last_entry_is_always_computed_again() -> None:
    all_, ledger = sequences(number=1)
    answered(all_, "me", [1, PICTURE, 2, 3])
    again = all_.claim("me", [1, PICTURE, 2, 3], 500, 0)
    assert again and again.entries == [1, PICTURE, 2]
    assert ledger.calls[-1] == ("forget", 0, 22)


def test_another_question_about_the_picture_leaves_the_first_conversation_alone() -> None:
    all_, ledger = sequences()
    first = answered(all_, "me", [1, PICTURE, 2, 3])
    second = all_.claim("me", [1, PICTURE, 9, 9], 400, 0)
    assert second is not first
    assert second and second.entries == [1, PICTURE] and second.position == 21
    assert ("copy", first.id, second.id, 21) in ledger.calls
    assert first.entries == [1, PICTURE, 2, 3]


def test_two_questions_at_once_share_the_picture() -> None:
    all_, _ = sequences()
    first = all_.claim("me", [1, PICTURE, 2], 400, 0)
    assert first
    first.add(1)
    first.add(PICTURE)
    second = all_.claim("me", [1, PICTURE, 7], 400, 400)
    assert second and second is not first and second.entries == [1, PICTURE]


def test_nothing_crosses_owners() -> None:
    all_, _ = sequences()
    answered(all_, "me", [1, PICTURE, 2, 3])
    theirs = all_.claim("you", [1, PICTURE, 2, 3, 4], 500, 0)
    assert theirs and theirs.entries == []


def test_the_oldest_conversation_goes_first_when_room_is_short() -> None:
    all_, _ = sequences(pool=1000)
    old, young = answered(all_, "a", [1, PICTURE]), answered(all_, "b", [2, PICTURE])
    assert all_.claim("c", [3, PICTURE], 600, 0)
    assert (old.entries, young.entries) == ([], [2, PICTURE])


def test_short_of_room_a_conversation_keeps_its_own_prefix() -> None:
    all_, _ = sequences(pool=700)
    mine = answered(all_, "me", [1, PICTURE, 2, 3])
    answered(all_, "you", [1, 2, 3], needed=100)
    again = all_.claim("me", [1, PICTURE, 8], 600, 0)
    assert again is mine
    assert again.entries == [1, PICTURE]


def test_running_answers_are_never_cut_for_a_new_one() -> None:
    all_, _ = sequences(pool=1000)
    assert all_.claim("me", [1, 2], 600, 0)
    assert all_.claim("you", [1, 2], 600, 600) is None


@pytest.mark.parametrize("keep", [0, 1, 2])
def test_a_cut_forgets_from_its_position_on(keep: int) -> None:
    all_, ledger = sequences()
    sequence = answered(all_, "me", [1, PICTURE, 2])
    all_.cut(sequence, keep)
    assert ledger.calls[-1] == ("forget", sequence.id, [0, 1, 21][keep])
    assert sequence.cells == [0, 1, 301][keep]
