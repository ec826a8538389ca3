"""From tokens to text: whole characters only, stop strings never shown, not even in part."""

import codecs
from collections.abc import Sequence


class TextStream:
    """Turns the bytes of one answer's tokens into text that may be shown at once."""

    def __init__(self, stop: Sequence[str] = ()) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._stop = tuple(text for text in stop if text)
        self._held = ""
        self.stopped = False

    def push(self, data: bytes) -> str:
        """The text that `data` completes; sets `stopped` when a stop string was met."""
        return self._release(self._held + self._decode(data))

    def finish(self) -> str:
        """What is still held when the answer ends without a stop string."""
        return self._release(self._held + self._decode(b"", True)) + self._take()

    def _take(self) -> str:
        rest, self._held = self._held, ""
        return "" if self.stopped else rest

    def _release(self, text: str) -> str:
        found = [place for place in (text.find(stop) for stop in self._stop) if place >= 0]
        if found:
            self.stopped, self._held = True, ""
            return text[: min(found)]
        keep = max((_overlap(text, stop) for stop in self._stop), default=0)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]


def _overlap(text: str, stop: str) -> int:
    """How many characters at the end of `text` could be the beginning of `stop`."""
    longest = min(len(text), len(stop) - 1)
    return next((n for n in range(longest, 0, -1) if text.endswith(stop[:n])), 0)
