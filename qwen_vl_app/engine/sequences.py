"""What is computed already: every conversation's entries, its owner, and who goes when room is needed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count, takewhile

from qwen_vl_app.engine.native import Language, Saved
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
    """One conversation. `entries` are wholly computed; `busy` while an answer uses it.

    Its cells are in the context, or `saved` in ordinary memory while nobody needs them.
    """

    id: int
    entries: list[Entry] = field(default_factory=list)
    cells: int = 0
    position: int = 0
    owner: str = ""
    busy: bool = False
    used: int = 0
    saved: Saved | None = None

    @property
    def idle(self) -> bool:
        """Whether it has cells in the context that no answer uses."""
        return bool(self.entries) and not self.busy and self.saved is None

    def add(self, entry: Entry) -> None:
        """Note that `entry` is in the context now."""
        self.entries.append(entry)
        self.cells += cells((entry,))
        self.position += positions((entry,))

    def keep(self, entries: Sequence[Entry]) -> None:
        """Note that these are its entries now, all in the context."""
        self.entries, self.cells, self.position = list(entries), cells(entries), positions(entries)
        self.saved = None


class Sequences:
    """All conversations that are remembered.

    Every cell in the context slows every step down, whoever it belongs to: what nobody is using is set aside in
    ordinary memory, up to `aside` bytes, when an answer in another conversation begins (llama-server does the same).
    What does not fit there stays in the context; only when that is full too, the least recently used goes.
    Cells shared between two sequences are counted twice, so room is never overestimated.
    """

    def __init__(self, language: Language, number: int, pool: int, aside: int) -> None:
        self._language = language
        self._pool = pool
        self._aside = aside
        self._all = [SequenceState(i) for i in range(number)]
        self._clock = count(1)

    def claim(self, owner: str, entries: Sequence[Entry], needed: int, reserved: int) -> SequenceState | None:
        """A sequence for an answer to `entries`, beginning with whatever of them is computed already.

        It may grow to `needed` cells while other running answers hold `reserved`; None if that is too much now.
        At least the last entry is left to be computed, for its logits.
        """
        if needed + reserved > self._pool:
            return None
        source, shared = self._best(owner, entries[:-1])
        target = self._target(source, shared)
        for other in self._all:
            if other is not source and other is not target:
                self._rest(other)
        self._share(source, target, shared)
        target.owner, target.busy, target.used = owner, True, next(self._clock)
        if source:
            self._rest(source)
        return target

    def _best(self, owner: str, entries: Sequence[Entry]) -> tuple[SequenceState | None, int]:
        mine = [(common_prefix(s.entries, entries), s) for s in self._all if s.owner == owner and s.entries]
        shared, source = max(mine, key=lambda pair: (pair[0], pair[1].used), default=(0, None))
        return (source, shared) if shared else (None, 0)

    def _target(self, source: SequenceState | None, shared: int) -> SequenceState:
        """The source itself if nothing of it is lost, or little and all are taken; else an empty or least used one."""
        spare = min((s for s in self._all if not s.busy), key=lambda s: (s is source, bool(s.entries), s.used))
        if source is None or source.busy:
            return spare
        lost = cells(source.entries[shared:])
        return source if lost == 0 or (spare.entries and lost <= source.cells / 2) else spare

    def _share(self, source: SequenceState | None, target: SequenceState, shared: int) -> None:
        kept = source.entries[:shared] if source else []
        saved = source.saved if source else None
        if source is not target:
            self.drop(target)
        if source and saved is None and source is not target:
            self._language.copy(source.id, target.id, positions(kept))
        if saved is not None and not self._restored(target, saved):
            kept = []
        target.keep(kept)
        self._language.forget(target.id, target.position)

    def _restored(self, target: SequenceState, saved: Saved) -> bool:
        while not self._language.restore(target.id, saved):
            if not self.make_room():
                return False
        return True

    def release(self, sequence: SequenceState) -> None:
        """The answer is over: what is in the context stays for the next question."""
        self._language.forget(sequence.id, sequence.position)  # a picture that came in only in part
        sequence.busy, sequence.used = False, next(self._clock)

    def drop(self, sequence: SequenceState) -> None:
        """Empty a sequence."""
        sequence.keep(())
        self._language.forget(sequence.id)

    def make_room(self) -> bool:
        """Set the least recently used idle sequence aside, or drop it if it is too large; False if there is none."""
        least = min((s for s in self._all if s.idle), key=lambda s: s.used, default=None)
        if least is None:
            return False
        if self._language.size(least.id) > self._aside:  # others would go for it, and then itself
            self.drop(least)
        else:
            self._set_aside(least)
        return True

    def _rest(self, sequence: SequenceState) -> None:
        if sequence.idle and self._saved_bytes + self._language.size(sequence.id) <= self._aside:
            self._set_aside(sequence)

    @property
    def _saved_bytes(self) -> int:
        return sum(len(s.saved) for s in self._all if s.saved is not None)

    def _set_aside(self, sequence: SequenceState) -> None:
        sequence.saved = self._language.save(sequence.id)
        self._language.forget(sequence.id)
        for old in sorted((s for s in self._all if s.saved is not None), key=lambda s: s.used):
            if self._saved_bytes > self._aside:
                self.drop(old)
