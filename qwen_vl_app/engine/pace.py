"""How much of new prompts a step takes, so that answers being written keep flowing."""

STEPS_PER_SLICE = 2.0  # a slice may take as long as this many steps of the running answers
PATIENCE = 0.5  # seconds a slice may take when nobody is writing: a cancel waits as long
SMALLEST = 8  # cells: smaller ones cost more per cell (8.9 ms in fours, 6.6 in eights, benchmarks/2026-11-22-small.md)
MEMORY = 0.8  # weight of what was measured before


class Pace:
    """Measures decode steps and slices, in seconds; `step` is what one of the running answers takes undisturbed."""

    def __init__(self, batch: int) -> None:
        self._batch = batch
        self.step = 0.0
        self._text_cell = 0.0
        self._picture_cell = 0.0

    def text_slice(self, others_write: bool) -> int:
        """How many prompt tokens the next step may take."""
        return self._slice(self._text_cell, others_write)

    def picture_slice(self, others_write: bool) -> int:
        """How many picture cells the next step may take."""
        return self._slice(self._picture_cell, others_write)

    def _slice(self, cell: float, others_write: bool) -> int:
        if not cell:
            return 64
        allowed = STEPS_PER_SLICE * self.step if others_write and self.step else PATIENCE
        return max(SMALLEST, min(self._batch - 64, int(allowed / cell)))

    def note(self, writers: int, tokens: int, seconds: float, disturbed: bool = False) -> None:
        """A text step of `writers` answers and `tokens` prompt tokens took `seconds`; `disturbed`: beside an encode."""
        if tokens == 0 and disturbed and self.step:
            return
        if tokens == 0:
            self.step = _blend(self.step, seconds)
        elif tokens >= SMALLEST:
            own = max(seconds - (self.step if writers else 0.0), seconds / 4)
            self._text_cell = _blend(self._text_cell, own / tokens)

    def note_picture(self, cells: int, seconds: float) -> None:
        """A slice of `cells` picture cells took `seconds`."""
        self._picture_cell = _blend(self._picture_cell, seconds / cells)


def _blend(old: float, new: float) -> float:
    return MEMORY * old + (1 - MEMORY) * new if old else new
