from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from qwen_vl_app.chat import Image, Message, Request, Text
from qwen_vl_app.engine.encoder import Encode
from qwen_vl_app.engine.job import Job
from qwen_vl_app.engine.prompt import Entry, Picture
from qwen_vl_app.engine.sequences import SequenceState
from qwen_vl_app.engine.stepper import Stepper
from qwen_vl_app.engine.vision import Embedding

CELLS = 40


class Notes:
    """A language part that notes what it is given: `picture`, or the most rows of text that one sequence had."""

    def __init__(self) -> None:
        self.calls: list[int | str] = []

    def decode(self, rows: Sequence[tuple[int, int, int, bool]]) -> None:
        self.calls.append(max(Counter(sequence for _, _, sequence, _ in rows).values()))

    def decode_picture(self, embedding: object, positions: object, sequence: int) -> None:
        self.calls.append("picture")

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
            rows, places = np.zeros((CELLS, 4), np.float32), np.zeros((4, CELLS), np.int32)
            task = Encode(made.id, Image(b"abc", 1, 1, entry.key), ("", entry.key), lambda _: None)
            task.result = Embedding(rows, places)
            made.encodes[entry.key] = task
    return made


def picture(name: str) -> Picture:
    return Picture(name, cells=CELLS, positions=8)


def stepped(jobs: list[Job], steps: int) -> list[int | str]:
    """What the language part got in `steps` steps beside an answer that is being written."""
    notes: Any = Notes()
    stepper = Stepper(notes, 512, lambda **_: None)
    writer = job(0, [1])
    stepper.write_and_read([writer], False, False)
    assert writer.writing
    notes.calls.clear()
    for _ in range(steps):
        sliced = stepper.take_in_picture([writer, *jobs]).moved
        stepper.write_and_read([writer, *jobs], sliced, False)
    return list(notes.calls)


def slices_between_tokens(calls: list[int | str]) -> list[int]:
    """How many slices, of pictures and of prompts, those who write waited for before each of their tokens."""
    waited, counts = 0, []
    for call in calls:
        if call == "picture":
            waited += 1
        else:
            counts.append(waited + (call != 1))
            waited = 0
    return counts


def test_the_words_after_a_picture_wait_for_the_next_token() -> None:
    calls = stepped([job(1, [picture("a"), *range(100, 120)])], 40)
    assert "picture" in calls and any(isinstance(rows, int) and rows > 1 for rows in calls)
    assert max(slices_between_tokens(calls)) == 1


def test_pictures_and_prompts_take_turns() -> None:
    calls = stepped([job(1, [picture("a"), 5]), job(2, [picture("b"), 6]), job(3, list(range(200, 900)))], 60)
    assert max(slices_between_tokens(calls)) == 1
    assert calls.count("picture") >= 2 and sum(rows not in (1, "picture") for rows in calls) >= 2


def test_when_nobody_writes_pictures_and_prompts_are_read_in_one_step() -> None:
    notes: Any = Notes()
    stepper = Stepper(notes, 512, lambda **_: None)
    jobs = [job(1, [picture("a"), 5]), job(2, list(range(200, 300)))]
    sliced = stepper.take_in_picture(jobs).moved
    outcome = stepper.write_and_read(jobs, sliced, False)
    assert notes.calls[0] == "picture" and len(notes.calls) == 2 and outcome.ended == []
