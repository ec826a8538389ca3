"""How much of new prompts a step takes, so that answers being written keep flowing."""

from collections import defaultdict, deque
from dataclasses import dataclass, field
from statistics import median

STEPS = 4.0  # of the running answers: as long may a step take that reads a slice of a prompt beside them
EASILY, JUST = 0.8, 0.9  # of that: what takes less than the one could be larger; what a new size is taken to need
PLAIN = 6  # every so many steps one goes without a slice, and shows what a step takes
PATIENCE = 0.5  # seconds a slice may take when nobody is writing: a cancel waits as long
UNKNOWN = 64  # rows of the first slice, when nobody is writing
FOURS = 4  # ggml multiplies rows in fours: 10 take as long as 12 (benchmarks/2026-11-22-small.md)
LATELY = 15  # plain steps; their median, for single ones take thrice as long when something else begins
MEMORY = 0.7  # weight of what was measured before


@dataclass
class Beside:
    """What is known of steps of one number of answers: plain ones in seconds, and the batch when prompts are read.

    The batch grows and shrinks by four rows: what rows cost follows no line (4 rows take three times as long as one,
    16 five times).
    """

    plain: deque[float] = field(default_factory=lambda: deque(maxlen=LATELY))
    rows: int = FOURS
    taken: float = JUST

    @property
    def step(self) -> float:
        """Seconds that a plain step takes, as of late; 0 if there was none."""
        return median(self.plain) if self.plain else 0.0

    def adapt(self, seconds: float, most: int) -> None:
        """A full batch took `seconds`: grow, up to `most` rows, or shrink."""
        self.taken = _blend(self.taken, seconds / (STEPS * self.step) if self.step else 1.0)
        if not EASILY <= self.taken <= 1:
            grown = self.rows + (FOURS if self.taken < EASILY else -FOURS)
            self.rows, self.taken = min(max(FOURS, grown), most - most % FOURS), JUST


class Pace:
    """Measures steps, and says how large the next slice is."""

    def __init__(self, batch: int) -> None:
        self._batch = batch
        self._beside: defaultdict[int, Beside] = defaultdict(Beside)
        self._writers = 0
        self._slices = 0
        self._row = 0.0

    @property
    def step(self) -> float:
        """Seconds that a step of those who write takes, undisturbed and without a slice; 0 if that is not known."""
        return self._beside[self._writers].step

    def slice(self, writers: int) -> int:
        """How many prompt tokens or picture cells the next step may take beside the tokens of `writers` answers."""
        if not writers:
            rows = int(PATIENCE / self._row) if self._row else UNKNOWN
            return max(FOURS, min(self._batch, rows - rows % FOURS))
        if self._slices >= PLAIN:
            return 0
        return max(self._beside[writers].rows - writers, FOURS - writers % FOURS)

    def note(self, writers: int, rows: int, seconds: float, disturbed: bool = False) -> None:
        """A step of `writers` answers and a slice of `rows` took `seconds`; `disturbed`: beside an encode."""
        self._writers, beside = writers, self._beside[writers]
        self._slices = self._slices + 1 if rows else 0
        if not rows:
            if not disturbed or not beside.plain:
                beside.plain.append(seconds)
        elif not writers:
            self._row = _blend(self._row, seconds / rows)
        elif writers + rows >= beside.rows:
            beside.adapt(seconds, self._batch)


def _blend(old: float, new: float) -> float:
    return MEMORY * old + (1 - MEMORY) * new if old else new
