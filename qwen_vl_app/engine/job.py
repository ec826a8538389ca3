"""One answer on its way: its prompt, what was written so far, and what the person is told."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from qwen_vl_app.chat import Delta, Finished, FinishReason, FramePair, Image, Progress, Request, Token, Usage
from qwen_vl_app.engine.encoder import Encode
from qwen_vl_app.engine.loops import is_loop
from qwen_vl_app.engine.native import Language
from qwen_vl_app.engine.prompt import Entry, Picture
from qwen_vl_app.engine.sampling import Sampler
from qwen_vl_app.engine.sequences import SequenceState, cells
from qwen_vl_app.engine.text import TextStream

REPETITION = "repetition"  # the detail of an answer that began to repeat itself without end
RESERVE = 1024  # cells kept free for an answer at its admission (DESIGN.md, Context)


@dataclass
class Job:
    """A request between its acceptance and its end."""

    request: Request
    entries: list[Entry]
    pictures: dict[str, Image | FramePair]
    sampler: Sampler
    limit: int
    tell: Callable[[str, Delta], None]
    arrived: float = field(default_factory=time.monotonic)
    sequence: SequenceState | None = None
    encodes: dict[str, Encode] = field(default_factory=dict)
    rows_in: int = 0  # cells of the picture at hand that are in the context already
    cached: int = 0  # prompt cells that were there before
    answer: list[int] = field(default_factory=list)
    shown: str = ""
    detail: str = ""

    def __post_init__(self) -> None:
        self.prompt_cells = cells(self.entries)
        self.stream = TextStream(self.request.stop)
        self._last: Progress | None = None

    @property
    def id(self) -> str:
        """The request's id."""
        return self.request.id

    @property
    def writing(self) -> bool:
        """Whether all is in the context but the token to come next."""
        return self.sequence is not None and bool(self.answer) and self.next_index == len(self.entries) - 1

    @property
    def next_index(self) -> int:
        """Index of the entry that goes into the context next."""
        assert self.sequence
        return len(self.sequence.entries)

    @property
    def next_entry(self) -> Entry:
        """The entry that goes into the context next."""
        return self.entries[self.next_index]

    @property
    def need(self) -> int:
        """Cells to reserve for it."""
        return cells(self.entries) + min(self.limit - len(self.answer), RESERVE)

    @property
    def holds(self) -> int:
        """Cells that it holds or that are reserved for it."""
        in_use = self.sequence.cells + self.rows_in if self.sequence else 0
        return max(in_use, self.prompt_cells + min(self.limit, RESERVE))

    def text_ahead(self, most: int) -> Sequence[int]:
        """The tokens that come next, up to `most` and up to the next picture."""
        ahead: list[int] = []
        for entry in self.entries[self.next_index : self.next_index + most]:
            if isinstance(entry, Picture):
                break
            ahead.append(entry)
        return ahead

    def take(self, language: Language, token: int) -> FinishReason | None:
        """Add a sampled token to the answer and tell it; the reason if the answer ends here."""
        if language.is_end(token):
            self._say_rest()
            return "stop"
        self.answer.append(token)
        self.entries.append(token)
        self._say(self.stream.push(language.piece(token)), token)
        if self.stream.stopped:
            return "stop"
        if is_loop(self.answer):
            self.detail = REPETITION
        elif len(self.answer) < self.limit:
            return None
        self._say_rest()
        return "length"

    def resume(self, language: Language, answer: Sequence[int]) -> None:
        """Come to the state after `answer` was written and read; nothing of it is told again."""
        self.sampler.replay(answer)
        self.answer, self.entries = list(answer), [*self.entries, *answer]
        self.shown = "".join(self.stream.push(language.piece(token)) for token in answer)

    def _say(self, text: str, token: int = -1) -> None:
        self.shown += text
        self.tell(self.id, Token(text, token))

    def _say_rest(self) -> None:
        rest = self.stream.finish()
        if rest:
            self._say(rest)

    def report(self, progress: Progress) -> None:
        """Tell how far it is, if that is new."""
        if progress != self._last:
            self._last = progress
            self.tell(self.id, progress)

    def report_reading(self) -> None:
        """Tell how much of the prompt is in, or that a picture is being looked at."""
        assert self.sequence
        pending = [encode for encode in self.encodes.values() if encode.result is None]
        begins = self.sequence.cells == self.cached  # a small picture may be encoded before the text ahead of it is in
        if pending and (begins or isinstance(self.next_entry, Picture)) and self.rows_in == 0:
            total = len(self.encodes)
            self.report(Progress("looking", total - len(pending), total))
        else:
            self.report(Progress("reading", self.sequence.cells + self.rows_in, self.prompt_cells))

    def end(self, reason: FinishReason) -> None:
        """Tell the end and free what it holds outside the context."""
        usage = Usage(self.prompt_cells, len(self.answer), self.cached)
        self.tell(self.id, Finished(reason, usage, self.detail))
        self.free()

    def free(self) -> None:
        """Stop its encodes and free its sampler."""
        for encode in self.encodes.values():
            encode.cancelled.set()
        self.encodes.clear()
        self.sampler.free()
