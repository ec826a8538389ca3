"""One step of the context: a token for every answer being written, a slice of new prompts, a slice of one picture."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from qwen_vl_app.chat import FinishReason
from qwen_vl_app.engine.encoder import Encode
from qwen_vl_app.engine.job import Job
from qwen_vl_app.engine.native import NO_SLOT, DecodeError, Language
from qwen_vl_app.engine.pace import Pace
from qwen_vl_app.engine.prompt import Picture
from qwen_vl_app.engine.sampling import NoCandidate

Row: TypeAlias = tuple[int, int, int, bool]  # token, position, sequence, wants logits


@dataclass
class Outcome:
    """What a step did. `starved`: no cells were free, nothing happened; `broken`: the context cannot be trusted."""

    moved: bool = False
    starved: bool = False
    broken: bool = False
    ended: list[tuple[Job, FinishReason]] = field(default_factory=list)


@dataclass
class Batch:
    """Rows for one decode, whose they are, and who gets a token from which row."""

    rows: list[Row] = field(default_factory=list)
    parts: list[tuple[Job, int]] = field(default_factory=list)
    sampled: list[tuple[Job, int]] = field(default_factory=list)

    def add(self, job: Job, tokens: Sequence[int]) -> None:
        """Add the next `tokens` of `job`."""
        assert job.sequence
        last = len(job.entries) - 1 - job.next_index
        for i, token in enumerate(tokens):
            self.rows.append((token, job.sequence.position + i, job.sequence.id, i == last))
        if tokens:
            self.parts.append((job, len(tokens)))
        if tokens and len(tokens) > last:
            self.sampled.append((job, len(self.rows) - 1))

    def note(self) -> None:
        """All rows are in the context."""
        place = 0
        for job, count in self.parts:
            assert job.sequence
            for token, *_ in self.rows[place : place + count]:
                job.sequence.add(token)
            place += count


class Stepper:
    """Moves running answers forward. `working` is told who is in the next native call."""

    def __init__(self, language: Language, batch: int, working: Callable[..., None]) -> None:
        self._language = language
        self._pace = Pace(batch)
        self._working = working
        self._turn = 0

    @property
    def seconds(self) -> float:
        """How long a step of those who write takes, as of late, while no picture is being encoded."""
        return self._pace.step

    def write_and_read(self, running: Sequence[Job], sliced: bool, disturbed: bool) -> Outcome:
        """Decode one token of each answer being written and, in the same batch, a slice of the prompts.

        `sliced`: those who write have waited for a slice of a picture already; prompts wait for the next step then.
        `disturbed`: a picture is being encoded meanwhile.
        """
        writers = [job for job in running if job.writing]
        batch = self._batch(writers, [] if sliced and writers else [job for job in running if not job.writing])
        if not batch.rows:
            return Outcome()
        readers = {job.id for job, _ in batch.parts} - {job.id for job in writers}
        self._working(writing=frozenset(job.id for job in writers), reading=frozenset(readers))
        started = time.perf_counter()
        outcome = _decode(lambda: self._language.decode(batch.rows))
        if outcome.starved or outcome.broken:
            return outcome
        self._pace.note(len(writers), len(batch.rows) - len(writers), time.perf_counter() - started, disturbed)
        batch.note()
        for job, row in batch.sampled:
            reason = self._sample(job, row)
            if reason:
                outcome.ended.append((job, reason))
        for job in running:
            if job.id in readers and not job.answer:
                job.report_reading()
        return outcome

    def _batch(self, writers: Sequence[Job], readers: Sequence[Job]) -> Batch:
        batch = Batch()
        for job in writers:
            batch.add(job, job.text_ahead(1))
        room = self._pace.text_slice(len(writers))
        for job in readers:
            tokens = job.text_ahead(room)
            room -= len(tokens)
            batch.add(job, tokens)
        return batch

    def _sample(self, job: Job, row: int) -> FinishReason | None:
        try:
            return job.take(self._language, self._language.sample(job.sampler, row))
        except NoCandidate:
            return "stop"

    def take_in_picture(self, running: Sequence[Job]) -> Outcome:
        """Put a slice of one encoded picture into the context; the next slice is somebody else's.

        While somebody writes, prompts being read have their turn among the pictures: nothing happens then.
        """
        ready = [(job, task) for job in running if (task := _encoded(job))]
        if not ready:
            return Outcome()
        others_write = any(job.writing for job in running)
        prompts = others_write and any(not job.writing and job.text_ahead(1) for job in running)
        self._turn = (self._turn + 1) % (len(ready) + prompts)
        if self._turn == len(ready):
            return Outcome()
        return self._picture_slice(*ready[self._turn], others_write)

    def _picture_slice(self, job: Job, task: Encode, others_write: bool) -> Outcome:
        sequence, entry = job.sequence, job.next_entry
        assert task.result and sequence and isinstance(entry, Picture)
        part = slice(job.rows_in, job.rows_in + self._pace.picture_slice(others_write))
        rows, places = task.result.rows[part], task.result.places(part, sequence.position)
        self._working(writing=frozenset(), reading=frozenset((job.id,)))
        started = time.perf_counter()
        outcome = _decode(lambda: self._language.decode_picture(rows, places, sequence.id))
        if outcome.starved or outcome.broken:
            return outcome
        self._pace.note_picture(len(rows), time.perf_counter() - started)
        job.rows_in += len(rows)
        if job.rows_in == entry.cells:
            sequence.add(entry)
            job.rows_in = 0
        job.report_reading()
        return outcome


def _encoded(job: Job) -> Encode | None:
    """The encoded picture that `job` needs next, if it needs one and it is ready."""
    if job.writing or not isinstance(job.next_entry, Picture):
        return None
    task = job.encodes.get(job.next_entry.key)
    return task if task and task.result else None


def _decode(call: Callable[[], None]) -> Outcome:
    try:
        call()
    except DecodeError as error:
        return Outcome(moved=True, starved=error.code == NO_SLOT, broken=error.code != NO_SLOT)
    return Outcome(moved=True)
