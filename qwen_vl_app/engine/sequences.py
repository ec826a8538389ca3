"""What lies in the context: every sequence's entries, its owner, and who goes when room is needed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count, takewhile

from qwen_vl_app.engine.native import Language
from qwen_vl_app.engine.prompt import Entry, Picture


def cells(entries: Iterable[Entry]) -> int:
    """KV cells of `entries`: one per token, all of a picture's."""
    return sum(entry.cells if isinstance(entry, Picture) else 1 for entry in entries)


def positions(entries: Iterable[Entry]) -> int:
    """Positions that `entries` advance by (M-RoPE: a picture takes the longer of its sides)."""
    return sum(entry.positions if isinstance(entry, Picture) else 1 for entry in entries)


def common_prefix(a: Sequence[Entry], b: Sequence[Entry]) -> int:
    """How many entries `a` and `b` begin with alike."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False)))


@dataclass
class SequenceState:
    """One sequence of the context. `entries` are wholly in; `busy` while an answer uses it."""

    id: int
    entries: list[Entry] = field(default_factory=list)
    cells: int = 0
    position: int = 0
    owner: str = ""
    busy: bool = False
    used: int = 0

    def add(self, entry: Entry) -> None:
        """Note that `entry` is in the context now."""
        self.entries.append(entry)
        self.cells += cells((entry,))
        self.position += positions((entry,))


class Sequences:
    """All sequences; cells shared between two of them are counted twice, so room is never overestimated."""

    def __init__(self, language: Language, number: int, pool: int) -> None:
        self._language = language
        self._pool = pool
        self._all = [SequenceState(i) for i in range(number)]
        self._clock = count(1)

    def claim(self, owner: str, entries: Sequence[Entry], needed: int, reserved: int) -> SequenceState | None:
        """A sequence for an answer to `entries`, beginning with whatever of them is in the context already.

        It may grow to `needed` cells while other running answers hold `reserved`; None if that is too much now.
        At least the last entry is left to be computed, for its logits. Idle sequences go, oldest first, for room.
        """
        if needed + reserved > self._pool:
            return None
        source, shared = self._best(owner, entries[:-1])
        target = self._target(source, shared, needed + reserved)
        self._share(source, target, shared)
        target.owner, target.busy, target.used = owner, True, next(self._clock)
        while needed + reserved + self._idle_cells() > self._pool:
            self.evict()
        return target

    def _best(self, owner: str, entries: Sequence[Entry]) -> tuple[SequenceState | None, int]:
        mine = [(common_prefix(s.entries, entries), s) for s in self._all if s.owner == owner and s.entries]
        shared, source = max(mine, key=lambda pair: pair[0], default=(0, None))
        return (source, shared) if shared else (None, 0)

    def _target(self, source: SequenceState | None, shared: int, wanted: int) -> SequenceState:
        """The source itself if nothing of it is lost or room is short; else one that is empty or least used."""
        spare = min((s for s in self._all if not s.busy), key=lambda s: (s is source, bool(s.entries), s.used))
        if source is None or source.busy:
            return spare
        roomy = not spare.entries and wanted + self._idle_cells() <= self._pool
        return spare if roomy and shared < len(source.entries) else source

    def _share(self, source: SequenceState | None, target: SequenceState, shared: int) -> None:
        if source is target:
            self.cut(target, shared)
            return
        self.drop(target)
        if source:
            kept = source.entries[:shared]
            self._language.copy(source.id, target.id, positions(kept))
            target.entries, target.cells, target.position = list(kept), cells(kept), positions(kept)

    def release(self, sequence: SequenceState) -> None:
        """The answer is over: what is in the context stays for the next question."""
        self._language.forget(sequence.id, sequence.position)  # a picture that came in only in part
        sequence.busy, sequence.used = False, next(self._clock)

    def cut(self, sequence: SequenceState, keep: int) -> None:
        """Drop all but the first `keep` entries."""
        del sequence.entries[keep:]
        sequence.cells, sequence.position = cells(sequence.entries), positions(sequence.entries)
        self._language.forget(sequence.id, sequence.position)

    def drop(self, sequence: SequenceState) -> None:
        """Empty a sequence."""
        self.cut(sequence, 0)

    def _idle_cells(self) -> int:
        return sum(s.cells for s in self._all if not s.busy)

    def evict(self) -> bool:
        """Drop the least recently used idle sequence; False if there is none."""
        idle = [s for s in self._all if s.entries and not s.busy]
        if not idle:
            return False
        self.drop(min(idle, key=lambda s: s.used))
        return True
