from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from qwen_vl_app.chat import Image, Message, Request, Text
from qwen_vl_app.engine.encoder import Encode
from qwen_vl_app.engine.job import Job
from qwen_vl_app.engine.native import Row
from qwen_vl_app.engine.prompt import Entry, Picture
from qwen_vl_app.engine.sequences import SequenceState
from qwen_vl_app.engine.stepper import Stepper
from qwen_vl_app.engine.vision import Embedding

CELLS = 40
WRITER = 0


@dataclass
class Call:
    """A decode: whose tokens were in it, and whose picture."""

    tokens: list[int]
    picture: int | None = None

    @property
    def reads(self) -> set[int]:
        """Whose prompts it reads a slice of."""
        return {*self.tokens, *([] if self.picture is None else [self.picture])} - {WRITER}


class Notes:
    """A language part that notes what it is given."""

    def __init__(self, mixes: bool = True) -> None:
        self.mixes = mixes
        self.calls: list[Call] = []
        self.positions: list[Any] = []

    def decode(self, rows: Sequence[Row]) -> None:
        self.calls.append(Call([sequence for _, _, sequence, _ in rows]))

    def decode_picture(self, cells: object, positions: Any, sequence: int, rows: Sequence[Row]) -> None:
        self.calls.append(Call([row[2] for row in rows], sequence))
        self.positions.extend(positions[2])

    def sample(self, sampler: object, row: int) -> int:
        return 7

    def is_end(self, token: int) -> bool:
        return False

    def piece(self, token: int) -> bytes:
        return b"x"


class NoSampler:
    def free(self) -> None:
        pass


def job(number: int, entries: list[Entry]) -> Job:
    """An answer that has its sequence; of a picture, its embedding is there already."""
    request = Request((Message("user", (Text("?"),)),), id=str(number))
    sampler: Any = NoSampler()
    made = Job(request, entries, {}, sampler, 1000, lambda _id, _delta: None)
    made.sequence = SequenceState(number)
    for entry in entries:
        if isinstance(entry, Picture):
            rows, places = np.zeros((CELLS, 4), np.float32), np.tile(np.arange(CELLS, dtype=np.int32), (4, 1))
            task = Encode(made.id, Image(b"abc", 1, 1, entry.key), ("", entry.key), lambda _: None)
            task.result = Embedding(rows, places)
            made.encodes[entry.key] = task
    return made


def picture(name: str) -> Picture:
    return Picture(name, cells=CELLS, positions=8)


def stepped(jobs: list[Job], steps: int, mixes: bool = True) -> Notes:
    """What the language part got in `steps` steps beside an answer that is being written."""
    notes: Any = Notes(mixes)
    stepper = Stepper(notes, 512, lambda **_: None)
    writer = job(WRITER, [1])
    stepper.step([writer], False)
    assert writer.writing
    notes.calls.clear()
    for _ in range(steps):
        stepper.step([writer, *jobs], False)
    found: Notes = notes
    return found


def test_who_writes_gets_a_token_from_every_step() -> None:
    notes = stepped([job(1, [picture("a"), 5]), job(2, list(range(200, 300)))], 60)
    assert len(notes.calls) == 60 and all(WRITER in call.tokens for call in notes.calls)


@pytest.mark.parametrize("mixes", [True, False])
def test_a_picture_goes_in_whole_and_in_order(mixes: bool) -> None:
    one = job(1, [3, picture("a"), 5])
    notes = stepped([one], 60, mixes)
    assert notes.positions == list(range(1, CELLS + 1)) and one.writing


@pytest.mark.parametrize("mixes", [True, False])
def test_a_step_reads_one_slice_at_most(mixes: bool) -> None:
    prompts = [job(1, [picture("a"), *range(100, 120)]), job(2, [picture("b"), 6]), job(3, list(range(200, 290)))]
    with_pictures = [call for call in stepped(prompts, 60, mixes).calls if call.picture]
    assert with_pictures and all(len(set(call.tokens)) == len(call.tokens) for call in with_pictures)
    assert all(call.picture not in call.tokens for call in with_pictures)


def test_the_words_after_a_picture_wait_for_the_next_step() -> None:
    calls = stepped([job(1, [picture("a"), *range(100, 120)])], 60).calls
    last = max(i for i, call in enumerate(calls) if call.picture)
    assert 1 not in calls[last].tokens and 1 in [number for call in calls[last + 1 :] for number in call.tokens]


def test_pictures_and_prompts_take_turns() -> None:
    calls = stepped([job(1, [picture("a"), 5]), job(2, [picture("b"), 6]), job(3, list(range(200, 900)))], 9).calls
    turns = [call.reads for call in calls if call.reads]
    assert turns[:3] != turns[1:4] and {1} in turns[:3] and {2} in turns[:3] and {3} in turns[:3]


def test_where_tokens_and_cells_do_not_mix_they_take_turns() -> None:
    calls = stepped([job(1, [picture("a"), 5])], 60, mixes=False).calls
    assert all(not call.tokens for call in calls if call.picture)
    assert all(WRITER in after.tokens for before, after in pairwise(calls) if before.picture)


def test_when_nobody_writes_pictures_and_prompts_take_turns_too() -> None:
    notes: Any = Notes()
    stepper = Stepper(notes, 512, lambda **_: None)
    jobs = [job(1, [picture("a"), 5]), job(2, list(range(200, 300)))]
    for _ in range(2):
        stepper.step(jobs, False)
    assert {call.picture for call in notes.calls} == {1, None}


def test_a_crash_is_told_who_read_and_who_wrote() -> None:
    told: list[dict[str, Any]] = []
    notes: Any = Notes()
    stepper = Stepper(notes, 512, lambda **changes: told.append(changes))
    writer, reader = job(WRITER, [1]), job(1, [picture("a"), 5])
    stepper.step([writer], False)
    stepper.step([writer, reader], False)
    assert told[-1] == {"writing": frozenset({"0"}), "reading": frozenset({"1"})}


def test_nothing_to_do_is_no_step() -> None:
    notes: Any = Notes()
    assert not Stepper(notes, 512, lambda **_: None).step([], False).moved
