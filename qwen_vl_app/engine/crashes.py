"""Who was in llama.cpp's hands when the worker died, and what becomes of them (DESIGN.md, After a crash)."""

import time
from collections import deque
from collections.abc import Callable, Collection

from qwen_vl_app.engine.wire import Working

TWICE = 2  # crashes that one request may be part of
MANY, WINDOW = 3, 300.0  # so many crashes within so many seconds: no more pictures for now


class CrashBook:
    """Counts crashes, by request and by time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counts: dict[str, int] = {}
        self._times: deque[float] = deque(maxlen=MANY)

    @property
    def too_many(self) -> bool:
        """Whether pictures should be refused for now."""
        return len(self._times) == MANY and self._clock() - self._times[0] < WINDOW

    def failed(self, working: Working, open_requests: Collection[str]) -> set[str]:
        """Note a crash while `working`; which of the `open_requests` fail. The others go on where they were.

        A picture being encoded is blamed before prompts being read, those before answers being written. A single
        suspect fails; of several each fails that was a suspect before.
        """
        self._times.append(self._clock())
        self._counts = {name: n for name, n in self._counts.items() if name in open_requests}
        groups = ({working.encoding}, working.reading, working.writing)
        suspects: set[str] = next((found for group in groups if (found := set(group) & set(open_requests))), set())
        for name in suspects:
            self._counts[name] = self._counts.get(name, 0) + 1
        if len(suspects) == 1 and suspects.isdisjoint(working.writing):
            return suspects
        return {name for name in suspects if self._counts[name] >= TWICE}
