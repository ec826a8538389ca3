"""How much of new prompts a step takes, so that answers being written keep flowing."""

STEPS_PER_SLICE = 2.2  # the rows of a slice may take as long as this many steps of the running answers
PATIENCE = 0.5  # seconds a slice may take when nobody is writing: a cancel waits as long
UNKNOWN = 64  # rows of the first slice, when nobody is writing
FOURS = 4  # ggml multiplies rows in fours: 10 take as long as 12 (benchmarks/2026-11-22-small.md)
MEMORY = 0.8  # weight of what was measured before


class Pace:
    """Measures decode steps and slices, in seconds; `step` is what one of the running answers takes undisturbed.

    A slice is taken to cost as much as a step, in which all weights are read, and its rows beside that.
    """

    def __init__(self, batch: int) -> None:
        self._batch = batch
        self.step = 0.0
        self._text_row = 0.0
        self._picture_row = 0.0

    def text_slice(self, writers: int) -> int:
        """How many prompt tokens the next step may take beside the tokens of `writers` answers."""
        room = self._slice(self._text_row, writers > 0)
        return room + -(room + writers) % FOURS

    def picture_slice(self, others_write: bool) -> int:
        """How many picture cells the next step may take."""
        room = self._slice(self._picture_row, others_write)
        return room - room % FOURS

    def _slice(self, row: float, others_write: bool) -> int:
        allowed = STEPS_PER_SLICE * self.step if others_write and self.step else PATIENCE
        room = int(allowed / row) if row else FOURS if others_write else UNKNOWN
        return max(FOURS, min(self._batch - 64, room))

    def note(self, writers: int, tokens: int, seconds: float, disturbed: bool = False) -> None:
        """A text step of `writers` answers and `tokens` prompt tokens took `seconds`; `disturbed`: beside an encode."""
        if tokens:
            self._text_row = self._row(self._text_row, tokens + writers, seconds)
        elif not disturbed or not self.step:
            self.step = _blend(self.step, seconds)

    def note_picture(self, cells: int, seconds: float) -> None:
        """A slice of `cells` picture cells took `seconds`."""
        self._picture_row = self._row(self._picture_row, cells, seconds)

    def _row(self, old: float, rows: int, seconds: float) -> float:
        """What a row is taken to cost after a slice of `rows`, unless that is too small to tell."""
        return _blend(old, max(seconds - self.step, seconds / 4) / rows) if rows >= FOURS else old


def _blend(old: float, new: float) -> float:
    return MEMORY * old + (1 - MEMORY) * new if old else new
