"""One step of the context: a token for every answer being written, and a slice of the prompts or of one picture."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from qwen_vl_app.chat import FinishReason
from qwen_vl_app.engine.encoder import Encode
from qwen_vl_app.engine.job import Job
from qwen_vl_app.engine.native import NO_SLOT, DecodeError, Floats, Ints, Language, Row
from qwen_vl_app.engine.pace import Pace
from qwen_vl_app.engine.prompt import Picture
from qwen_vl_app.engine.sampling import NoCandidate


@dataclass
class Outcome:
    """What a step did. `starved`: no cells were free, nothing happened; `broken`: the context cannot be trusted."""

    moved: bool = False
    starved: bool = False
    broken: bool = False
    ended: list[tuple[Job, FinishReason]] = field(default_factory=list)


@dataclass
class PictureSlice:
    """The next cells of `job`'s picture, with their positions."""

    job: Job
    cells: Floats
    positions: Ints

    def note(self) -> None:
        """All cells are in the context."""
        job, entry = self.job, self.job.next_entry
        assert job.sequence and isinstance(entry, Picture)
        job.rows_in += len(self.cells)
        if job.rows_in == entry.cells:
            job.sequence.add(entry)
            job.rows_in = 0


@dataclass
class Batch:
    """What one decode gets: rows of text, whose they are, who gets a token from which row; a slice of a picture."""

    rows: list[Row] = field(default_factory=list)
    parts: list[tuple[Job, int]] = field(default_factory=list)
    sampled: list[tuple[Job, int]] = field(default_factory=list)
    picture: PictureSlice | None = None

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

    @property
    def size(self) -> int:
        """Rows in all."""
        return len(self.rows) + (len(self.picture.cells) if self.picture else 0)

    @property
    def jobs(self) -> list[Job]:
        """Whose rows they are."""
        return [job for job, _ in self.parts] + ([self.picture.job] if self.picture else [])

    def decode(self, language: Language) -> None:
        """Put all into the context."""
        if self.picture:
            sequence = self.picture.job.sequence
            assert sequence
            language.decode_picture(self.picture.cells, self.picture.positions, sequence.id, self.rows)
        else:
            language.decode(self.rows)

    def note(self) -> None:
        """All rows are in the context."""
        place = 0
        for job, count in self.parts:
            assert job.sequence
            for token, *_ in self.rows[place : place + count]:
                job.sequence.add(token)
            place += count
        if self.picture:
            self.picture.note()


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

    def step(self, running: Sequence[Job], disturbed: bool) -> Outcome:
        """Decode, in one batch, a token of each answer being written and a slice of the prompts or of one picture.

        `disturbed`: a picture is being encoded meanwhile.
        """
        batch, writers = self._batch(running)
        if not batch.size:
            return Outcome()
        writing = frozenset(job.id for job in writers)
        readers = {job.id: job for job in batch.jobs if job.id not in writing}
        self._working(writing=writing, reading=frozenset(readers))
        started = time.perf_counter()
        outcome = _decode(lambda: batch.decode(self._language))
        if outcome.starved or outcome.broken:
            return outcome
        self._pace.note(len(writers), batch.size - len(writers), time.perf_counter() - started, disturbed)
        batch.note()
        for job, row in batch.sampled:
            reason = self._sample(job, row)
            if reason:
                outcome.ended.append((job, reason))
        for job in readers.values():
            if not job.answer:
                job.report_reading()
        return outcome

    def _batch(self, running: Sequence[Job]) -> tuple[Batch, list[Job]]:
        """The next batch, and who writes in it."""
        writers = [job for job in running if job.writing]
        batch, room = Batch(), self._pace.slice(len(writers))
        found = self._picture(running, bool(writers)) if room else None
        if found and not self._language.mixes:
            writers = []
        for job in writers:
            batch.add(job, job.text_ahead(1))
        if found:
            batch.picture = _slice(*found, room)
            return batch, writers
        for job in running:
            if not job.writing:
                tokens = job.text_ahead(room)
                room -= len(tokens)
                batch.add(job, tokens)
        return batch, writers

    def _picture(self, running: Sequence[Job], anybody_writes: bool) -> tuple[Job, Encode] | None:
        """Whose encoded picture has its turn: they and the prompts take turns, and with writers who cannot go along."""
        ready = [(job, task) for job in running if (task := _encoded(job))]
        texts = anybody_writes and not self._language.mixes
        texts = texts or any(not job.writing and job.text_ahead(1) for job in running)
        turns = [*ready, *[None] * texts]
        if not turns:
            return None
        self._turn = (self._turn + 1) % len(turns)
        return turns[self._turn]

    def _sample(self, job: Job, row: int) -> FinishReason | None:
        try:
            return job.take(self._language, self._language.sample(job.sampler, row))
        except NoCandidate:
            return "stop"


def _slice(job: Job, task: Encode, most: int) -> PictureSlice:
    """The next cells of `job`'s picture, `most` at most."""
    assert task.result and job.sequence
    part = slice(job.rows_in, job.rows_in + most)
    return PictureSlice(job, task.result.rows[part], task.result.places(part, job.sequence.position))


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
