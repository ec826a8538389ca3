"""The scheduler thread: one step after the other, each moving every running answer forward.

A step decodes one token of every answer being written together with a slice of new prompts, then one slice of one
picture. Pictures are encoded by the encoder thread meanwhile.
"""

import time
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import TypeAlias

from qwen_vl_app.chat import Accepted, Delta, FinishReason, Progress, Request
from qwen_vl_app.engine.encoder import Encode, Encoder
from qwen_vl_app.engine.intake import Intake
from qwen_vl_app.engine.job import Job
from qwen_vl_app.engine.native import NO_SLOT, DecodeError, Language
from qwen_vl_app.engine.pace import Pace
from qwen_vl_app.engine.plan import Plan
from qwen_vl_app.engine.prompt import Picture
from qwen_vl_app.engine.sampling import NoCandidate
from qwen_vl_app.engine.sequences import Sequences
from qwen_vl_app.engine.vision import Vision
from qwen_vl_app.errors import AppError, EngineFailed, QueueFull

Answer: TypeAlias = tuple[str, Delta | AppError]
Row: TypeAlias = tuple[int, int, int, bool]


class Scheduler:
    """Owns the context. Other threads only put requests, cancels and finished encodes into its inbox."""

    def __init__(self, plan: Plan, language: Language, vision: Vision, send: Callable[[list[Answer]], None]) -> None:
        self._plan = plan
        self._language = language
        self._intake = Intake(plan, language, vision)
        self._encoder = Encoder(vision, plan.embedding_cache)
        self._sequences = Sequences(language, plan.sequences, plan.pool)
        self._pace = Pace(plan.batch)
        self._send = send
        self._inbox: SimpleQueue[Request | Encode | str | None] = SimpleQueue()
        self._outbox: list[Answer] = []
        self._waiting: list[Job] = []
        self._running: list[Job] = []
        self._open = True

    def submit(self, request: Request) -> None:
        """Answer `request`."""
        self._inbox.put(request)

    def cancel(self, request_id: str) -> None:
        """End the answer to a request early; unknown ids are ignored."""
        self._inbox.put(request_id)

    def close(self) -> None:
        """Let `run` return."""
        self._inbox.put(None)

    def run(self) -> None:
        """Serve until `close`."""
        while self._open:
            self._receive()
            self._admit()
            if not self._step() and self._open:
                self._flush()
                self._handle(self._inbox.get())
            self._flush()
        self._encoder.close()

    def _receive(self) -> None:
        while True:
            try:
                self._handle(self._inbox.get_nowait())
            except Empty:
                return

    def _handle(self, command: Request | Encode | str | None) -> None:
        if command is None:
            self._open = False
            for job in self._running + self._waiting:
                job.free()
        elif isinstance(command, Request):
            self._accept(command)
        elif isinstance(command, str):
            self._cancel(command)
        elif command.error:
            self._fail([job for job in self._running if command in job.encodes.values()])

    def _tell(self, request_id: str, answer: Delta | AppError) -> None:
        self._outbox.append((request_id, answer))

    def _flush(self) -> None:
        if self._outbox:
            self._send(self._outbox)
            self._outbox = []

    def _accept(self, request: Request) -> None:
        try:
            if len(self._waiting) >= self._plan.queue_size:
                raise QueueFull(waiting=len(self._waiting))
            job = self._intake.job(request, self._tell)
        except AppError as error:
            self._tell(request.id, error)
            return
        self._tell(request.id, Accepted(job.prompt_cells))
        self._waiting.append(job)

    def _cancel(self, request_id: str) -> None:
        for job in self._waiting + self._running:
            if job.id == request_id:
                self._end(job, "cancelled")

    def _end(self, job: Job, reason: FinishReason) -> None:
        self._leave(job)
        self._intake.remember(job)
        job.end(reason)

    def _leave(self, job: Job) -> None:
        if job in self._waiting:
            self._waiting.remove(job)
        else:
            self._running.remove(job)
        if job.sequence:
            self._sequences.release(job.sequence)
            job.sequence, job.rows_in = None, 0

    def _fail(self, jobs: list[Job]) -> None:
        for job in jobs:
            self._leave(job)
            job.free()
            self._tell(job.id, EngineFailed())

    def _admit(self) -> None:
        while self._waiting and len(self._running) < self._plan.parallel:
            job = min(self._waiting, key=self._turn)
            reserved = sum(other.holds for other in self._running)
            job.sequence = self._sequences.claim(job.request.owner, job.entries, job.need, reserved)
            if job.sequence is None:
                break
            self._waiting.remove(job)
            self._running.append(job)
            self._start(job)
        for place, job in enumerate(sorted(self._waiting, key=self._turn), start=1):
            job.report(Progress("queued", place))

    def _turn(self, job: Job) -> tuple[int, float]:
        """Whose turn it is: who has fewer answers running, then who came first."""
        return sum(other.request.owner == job.request.owner for other in self._running), job.arrived

    def _start(self, job: Job) -> None:
        assert job.sequence
        if not job.answer:
            job.cached = job.sequence.cells
        for entry in job.entries[job.next_index :]:
            if isinstance(entry, Picture) and entry.key not in job.encodes:
                task = Encode(job.pictures[entry.key], (job.request.owner, entry.key), self._inbox.put)
                job.encodes[entry.key] = task
                self._encoder.submit(task)
        job.report_reading()

    def _step(self) -> bool:
        """Move everybody forward; False if nobody could move."""
        moved = self._write_and_read()
        return self._take_in_picture() or moved

    def _write_and_read(self) -> bool:
        rows: list[Row] = []
        asked: list[tuple[Job, int]] = []
        writers = [job for job in self._running if job.writing]
        room = self._pace.text_slice(bool(writers))
        for job in writers + [job for job in self._running if not job.writing]:
            tokens = job.text_ahead(1 if job.writing else room)
            room -= 0 if job.writing else len(tokens)
            self._add_rows(job, tokens, rows, asked)
        if not rows:
            return False
        started = time.perf_counter()
        if not self._decode(lambda: self._language.decode(rows)):
            return True
        self._pace.note(len(writers), len(rows) - len(writers), time.perf_counter() - started)
        self._advance(rows, asked)
        return True

    def _add_rows(self, job: Job, tokens: Sequence[int], rows: list[Row], asked: list[tuple[Job, int]]) -> None:
        assert job.sequence
        last = len(job.entries) - 1 - job.next_index
        for i, token in enumerate(tokens):
            rows.append((token, job.sequence.position + i, job.sequence.id, i == last))
        if tokens and len(tokens) > last:
            asked.append((job, len(rows) - 1))

    def _advance(self, rows: list[Row], asked: list[tuple[Job, int]]) -> None:
        by_sequence = {job.sequence.id: job for job in self._running if job.sequence}
        for token, _, sequence, _ in rows:
            state = by_sequence[sequence].sequence
            assert state
            state.add(token)
        for job, row in asked:
            self._sample(job, row)
        for job in self._running:
            if not job.answer:
                job.report_reading()

    def _sample(self, job: Job, row: int) -> None:
        try:
            reason = job.take(self._language, self._language.sample(job.sampler, row))
        except NoCandidate:
            reason = "stop"
        if reason:
            self._end(job, reason)

    def _take_in_picture(self) -> bool:
        ready = [job for job in self._running if self._embedding(job)]
        if not ready:
            return False
        job = ready[0]
        self._running.remove(job)
        self._running.append(job)  # the next slice is somebody else's
        self._picture_slice(job)
        return True

    def _embedding(self, job: Job) -> Encode | None:
        if job.writing or not isinstance(job.next_entry, Picture):
            return None
        task = job.encodes.get(job.next_entry.key)
        return task if task and task.result else None

    def _picture_slice(self, job: Job) -> None:
        task, entry, sequence = self._embedding(job), job.next_entry, job.sequence
        assert task and task.result and sequence and isinstance(entry, Picture)
        most = self._pace.picture_slice(any(other.writing for other in self._running))
        part = slice(job.rows_in, job.rows_in + most)
        rows = task.result.rows[part]
        places = task.result.places(part, sequence.position)
        started = time.perf_counter()
        if not self._decode(lambda: self._language.decode_picture(rows, places, sequence.id)):
            return
        self._pace.note_picture(len(rows), time.perf_counter() - started)
        job.rows_in += len(rows)
        if job.rows_in == entry.cells:
            sequence.add(entry)
            job.rows_in = 0
        job.report_reading()

    def _decode(self, call: Callable[[], None]) -> bool:
        """Run `call`; when no cells are free make room, and return False so that the step is done anew."""
        try:
            call()
        except DecodeError as error:
            if error.code != NO_SLOT:
                self._fail(list(self._running))
            elif not self._sequences.evict():
                self._preempt()
            return False
        return True

    def _preempt(self) -> None:
        """The youngest answer goes back into the queue with what it has written, for the others to go on."""
        youngest = max(self._running, key=lambda job: job.arrived)
        if len(self._running) == 1:
            self._end(youngest, "length")
            return
        self._leave(youngest)
        self._sequences.evict()
        self._waiting.append(youngest)
