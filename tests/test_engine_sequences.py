import numpy as np

from qwen_vl_app.engine.native import Saved
from qwen_vl_app.engine.prompt import Entry, Picture
from qwen_vl_app.engine.sequences import Sequences, SequenceState, cells, common_prefix, positions

PICTURE = Picture("a", cells=300, positions=20)


class Ledger:
    """Notes what is asked of the context; what it saves is `bytes` long. It restores after `room_after` saves."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []
        self.room_after = 0
        self.bytes = 100

    def forget(self, sequence: int, position: int = 0) -> None:
        self.calls.append(("forget", sequence, position))

    def copy(self, source: int, target: int, position: int) -> None:
        self.calls.append(("copy", source, target, position))

    def size(self, sequence: int) -> int:
        return self.bytes

    def save(self, sequence: int) -> Saved:
        self.calls.append(("save", sequence))
        self.room_after -= 1
        return np.full(self.bytes, sequence, np.uint8)

    def restore(self, sequence: int, saved: Saved) -> bool:
        self.calls.append(("restore", sequence, int(saved[0])))
        return self.room_after <= 0


def sequences(number: int = 4, pool: int = 2000, aside: int = 1000) -> tuple[Sequences, Ledger]:
    ledger = Ledger()
    return Sequences(ledger, number, pool, aside), ledger  # type: ignore[arg-type]


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


def test_what_nobody_uses_is_set_aside_when_another_answer_begins() -> None:
    all_, ledger = sequences()
    mine = answered(all_, "me", [1, PICTURE, 2, 3])
    assert mine.saved is None and ("save", mine.id) not in ledger.calls
    answered(all_, "you", [7, 8])
    saved = ledger.calls.index(("save", mine.id))
    assert ledger.calls[saved + 1] == ("forget", mine.id, 0)
    assert mine.saved is not None and mine.entries == [1, PICTURE, 2, 3]


def test_a_conversation_that_was_set_aside_goes_on_where_it_was() -> None:
    all_, ledger = sequences()
    mine = answered(all_, "me", [1, PICTURE, 2, 3])
    answered(all_, "you", [7, 8])
    again = all_.claim("me", [1, PICTURE, 2, 3, 4], 500, 0)
    assert again is mine and again.entries == [1, PICTURE, 2, 3] and again.saved is None
    assert ("restore", mine.id, mine.id) in ledger.calls


def test_another_question_begins_with_what_was_set_aside() -> None:
    all_, ledger = sequences()
    mine = answered(all_, "me", [1, PICTURE, 2, 3])
    answered(all_, "you", [7, 8])
    other = all_.claim("me", [1, PICTURE, 9, 9], 500, 0)
    assert other and other is not mine and other.entries == [1, PICTURE]
    assert ledger.calls[-2:] == [("restore", other.id, mine.id), ("forget", other.id, 21)]
    assert mine.saved is not None and mine.entries == [1, PICTURE, 2, 3]


def test_what_finds_no_room_is_computed_again() -> None:
    all_, ledger = sequences()
    answered(all_, "me", [1, PICTURE, 2, 3])
    answered(all_, "you", [7, 8])
    ledger.room_after = 99
    again = all_.claim("me", [1, PICTURE, 2, 3, 4], 500, 0)
    assert again and (again.entries, again.cells, again.position) == ([], 0, 0)


def test_room_is_made_for_what_was_set_aside() -> None:
    all_, ledger = sequences(aside=150)
    mine, _, yours = (answered(all_, owner, [n, PICTURE]) for n, owner in enumerate(("me", "she", "you")))
    assert mine.saved is not None and not yours.busy
    ledger.room_after = 1
    again = all_.claim("me", [0, PICTURE, 4], 500, 0)
    assert again and again.entries == [0, PICTURE]


def test_what_does_not_fit_aside_stays_in_the_context() -> None:
    all_, ledger = sequences(aside=150)
    old, young = answered(all_, "a", [1, PICTURE]), answered(all_, "b", [2, PICTURE])
    assert all_.claim("c", [3, PICTURE], 600, 0)
    assert old.saved is not None and young.saved is None and ("save", young.id) not in ledger.calls
    assert (old.entries, young.entries) == ([1, PICTURE], [2, PICTURE])


def test_the_oldest_conversation_goes_first_when_all_memory_is_taken() -> None:
    all_, _ = sequences(aside=150)
    old, young = answered(all_, "a", [1, PICTURE]), answered(all_, "b", [2, PICTURE])
    assert all_.claim("c", [3, PICTURE], 600, 0)
    assert all_.make_room()
    assert (old.entries, young.entries) == ([], [2, PICTURE]) and young.saved is not None


def test_what_is_larger_than_all_memory_aside_goes_alone() -> None:
    all_, ledger = sequences(aside=150)
    small, large = answered(all_, "a", [1, PICTURE]), answered(all_, "b", [2, PICTURE])
    assert all_.claim("c", [3, PICTURE], 600, 0) and small.saved is not None
    ledger.bytes = 200
    assert all_.make_room()
    assert (small.entries, large.entries) == ([1, PICTURE], [])


def test_the_least_used_of_others_goes_rather_than_most_of_ones_own() -> None:
    all_, _ = sequences(number=2)
    mine = answered(all_, "me", [1, PICTURE, 2, 3])
    yours = answered(all_, "you", [7, 8])
    assert all_.claim("me", [1, 9, 9], 500, 0) is yours
    assert mine.entries == [1, PICTURE, 2, 3]


def test_where_all_are_taken_an_answer_given_anew_replaces_the_old_one() -> None:
    all_, _ = sequences(number=2)
    mine = answered(all_, "me", [1, PICTURE, 2, 3])
    yours = answered(all_, "you", [7, 8])
    assert all_.claim("me", [1, PICTURE, 2, 9], 500, 0) is mine
    assert yours.entries == [7, 8]


def test_running_answers_are_never_cut_for_a_new_one() -> None:
    all_, _ = sequences(pool=1000)
    assert all_.claim("me", [1, 2], 600, 0)
    assert all_.claim("you", [1, 2], 600, 600) is None


def test_making_room_sets_the_oldest_aside() -> None:
    all_, ledger = sequences()
    assert not all_.make_room()
    mine = answered(all_, "me", [1, PICTURE])
    assert all_.make_room() and mine.saved is not None
    assert ledger.calls[-2:] == [("save", mine.id), ("forget", mine.id, 0)]
    assert not all_.make_room()
