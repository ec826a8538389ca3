"""The scheduler thread: who waits, who runs, who ends. What happens in a step is in `stepper.py`."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TypeAlias

from qwen_vl_app.chat import Accepted, Delta, FinishReason, Progress, Request
from qwen_vl_app.engine.encoder import Encode, Encoder
from qwen_vl_app.engine.intake import Intake
from qwen_vl_app.engine.job import Job
from qwen_vl_app.engine.native import Language
from qwen_vl_app.engine.plan import Plan
from qwen_vl_app.engine.prompt import Picture
from qwen_vl_app.engine.sequences import Sequences
from qwen_vl_app.engine.stepper import Outcome, Stepper
from qwen_vl_app.engine.vision import Vision
from qwen_vl_app.engine.wire import Resume
from qwen_vl_app.errors import AppError, EngineFailed, QueueFull

BESIDE_ENCODE = 3.0  # times its usual time that a step is given while a picture is encoded: the rest is the picture's

Answer: TypeAlias = tuple[str, Delta | AppError]


@dataclass(frozen=True)
class Accept:
    """A job to run; a resumed one was accepted before."""

    job: Job
    resumed: bool


@dataclass(frozen=True)
class Refuse:
    """A request that cannot be answered."""

    request_id: str
    error: AppError


Command: TypeAlias = Accept | Refuse | Encode | str | None  # a str is the id of a request to cancel


class Scheduler:
    """Owns the context. Other threads only put requests, cancels and finished encodes into its inbox."""

    def __init__(
        self,
        plan: Plan,
        language: Language,
        vision: Vision,
        send: Callable[[list[Answer]], None],
        working: Callable[..., None],
    ) -> None:
        """`send` carries answers away; `working` is told which requests the next native call is about."""
        self._plan = plan
        self._language = language
        self._intake = Intake(plan, language, vision)
        self._encoder = Encoder(vision, plan.embedding_cache, working)
        self._sequences = Sequences(language, plan.sequences, plan.pool, plan.aside)
        self._stepper = Stepper(language, plan.batch, working)
        self._send = send
        self._inbox: SimpleQueue[Command] = SimpleQueue()
        self._outbox: list[Answer] = []
        self._waiting: list[Job] = []
        self._running: list[Job] = []
        self._open = True

    def submit(self, request: Request | Resume) -> None:
        """Answer `request`, or go on with its answer. It is tokenised here, in the caller's thread: nobody waits."""
        resumed = isinstance(request, Resume)
        asked = request.request if isinstance(request, Resume) else request
        try:
            job = self._intake.job(asked, self._tell)
        except AppError as error:
            self._inbox.put(Refuse(asked.id, error))
            return
        if isinstance(request, Resume):
            job.resume(self._language, request.answer)
        self._inbox.put(Accept(job, resumed))

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

    def _handle(self, command: Command) -> None:
        if command is None:
            self._open = False
            for job in self._running + self._waiting:
                job.free()
        elif isinstance(command, Accept):
            self._accept(command.job, command.resumed)
        elif isinstance(command, Refuse):
            self._tell(command.request_id, command.error)
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

    def _accept(self, job: Job, resumed: bool) -> None:
        if not resumed and len(self._waiting) >= self._plan.queue_size:
            job.free()
            self._tell(job.id, QueueFull(waiting=len(self._waiting)))
            return
        if not resumed:
            self._tell(job.id, Accepted(job.prompt_cells))
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
        for place, job in enumerate(sorted(self._waiting, key=self._turn)):
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
                task = Encode(job.id, job.pictures[entry.key], (job.request.owner, entry.key), self._inbox.put)
                job.encodes[entry.key] = task
                self._encoder.submit(task)
        job.report_reading()

    def _step(self) -> bool:
        """Move everybody forward; False if nobody could be."""
        started = time.perf_counter()
        moved = self._settle(self._stepper.step(self._running, self._encoder.busy))
        if moved:
            self._flush()
            self._encoder.give_way(BESIDE_ENCODE * self._stepper.seconds - (time.perf_counter() - started))
        return moved

    def _settle(self, outcome: Outcome) -> bool:
        for job, reason in outcome.ended:
            self._end(job, reason)
        if outcome.broken:
            self._fail(list(self._running))
        elif outcome.starved and not self._sequences.make_room():
            self._preempt()
        return outcome.moved

    def _preempt(self) -> None:
        """The youngest answer goes back into the queue with what it has written, for the others to go on."""
        youngest = max(self._running, key=lambda job: job.arrived)
        if len(self._running) == 1:
            self._end(youngest, "length")
            return
        self._leave(youngest)
        self._sequences.make_room()
        self._waiting.append(youngest)
