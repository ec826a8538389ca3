"""Which bytes of a file are here: pieces, who fetches which, and the journal that a restart reads.

The journal lies beside the `.part` file: a line that says which file this is, then the number of each piece,
written after the piece's bytes are on the disk. What a kill or a power cut costs is what was in the air: at most
one piece per connection.
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

fdatasync = getattr(os, "fdatasync", os.fsync)  # macOS has fsync only


@dataclass(frozen=True)
class Identity:
    """What must be equal for bytes of two answers to be of one file."""

    size: int
    sha256: str
    etag: str
    piece: int

    @staticmethod
    def of(size: int, sha256: str, etag: str, piece: int) -> "Identity":
        """The identity of a file: its hash where there is one, for every hub has its own validators."""
        return Identity(size, sha256, "" if sha256 else etag, piece)


class Pieces:
    """A file of `size` bytes in pieces of `piece` bytes, the last one shorter."""

    def __init__(self, size: int, piece: int, done: set[int] | None = None) -> None:
        self.size, self.piece = size, piece
        self.count = -(-size // piece)
        self.done = {index for index in done or () if 0 <= index < self.count}
        self.partial: dict[int, int] = {}  # bytes of pieces that are not whole yet
        self.here = sum(map(self.length, self.done))  # bytes, whole pieces and parts of others
        self._claimed: set[int] = set()
        self._whole = 0  # pieces from the beginning without a gap

    @property
    def frontier(self) -> int:
        """Bytes from the beginning of the file without a gap, in whole pieces."""
        while self._whole in self.done:
            self._whole += 1
        return min(self._whole * self.piece, self.size)

    @property
    def complete(self) -> bool:
        """Whether every piece is here."""
        return len(self.done) == self.count

    def length(self, index: int) -> int:
        """Bytes of piece `index`."""
        return min(self.piece, self.size - index * self.piece)

    def offset(self, index: int) -> int:
        """Where the missing bytes of piece `index` begin in the file."""
        return index * self.piece + self.partial.get(index, 0)

    def claim(self) -> int | None:
        """A piece to go on from, now the caller's: the longest gap's first, or its middle where another comes along."""
        gaps = self._gaps()
        if not gaps:
            return None
        start, end = max(gaps, key=lambda gap: gap[1] - gap[0])
        index = (start + end) // 2 if start - 1 in self._claimed else start
        self._claimed.add(index)
        return index

    def claim_next(self, index: int) -> bool:
        """Whether the piece after `index` was free, and is the caller's now."""
        free = index + 1 < self.count and index + 1 not in self.done and index + 1 not in self._claimed
        if free:
            self._claimed.add(index + 1)
        return free

    def gap_end(self, index: int) -> int:
        """Where in the file the free bytes after the claimed piece `index` end."""
        end = index + 1
        while end < self.count and end not in self.done and end not in self._claimed:
            end += 1
        return min(end * self.piece, self.size)

    def release(self, index: int) -> None:
        """The caller leaves piece `index`, whole or not."""
        self._claimed.discard(index)

    def missing(self, index: int) -> int:
        """Bytes of piece `index` that are not written yet."""
        return self.length(index) - self.partial.get(index, 0)

    def add(self, index: int, count: int) -> None:
        """`count` more bytes of piece `index` are written."""
        self.partial[index] = self.partial.get(index, 0) + count
        self.here += count

    def finish(self, index: int) -> None:
        """Piece `index` is on the disk and in the journal."""
        self.partial.pop(index, None)
        self.done.add(index)

    def _gaps(self) -> list[tuple[int, int]]:
        gaps: list[tuple[int, int]] = []
        taken = self.done | self._claimed
        for index in range(self.count):
            if index not in taken:
                if gaps and gaps[-1][1] == index:
                    gaps[-1] = (gaps[-1][0], index + 1)
                else:
                    gaps.append((index, index + 1))
        return gaps


class Journal:
    """The record beside a `.part` file of what is in it."""

    def __init__(self, target: Path) -> None:
        self.part = target.with_name(target.name + ".part")
        self.path = target.with_name(target.name + ".part.log")

    def read(self) -> tuple[Identity | None, set[int]]:
        """Which file the part is of, and its whole pieces; None where there is no usable part."""
        try:
            first, *rest = self.path.read_text(encoding="utf-8").split("\n")
            identity = Identity(**json.loads(first))
            usable = self.part.stat().st_size == identity.size
        except (OSError, ValueError, TypeError):
            return None, set()
        whole = rest[:-1]  # a line that lost its end to a kill does not count
        return (identity, {int(line) for line in whole if line.isdigit()}) if usable else (None, set())

    def begin(self, identity: Identity) -> set[int]:
        """Open the part of `identity`: its whole pieces; a part of another file is thrown away.

        Raises:
            OSError: the folder cannot be written.
        """
        found, done = self.read()
        if found != identity:
            self.discard()
            with self.part.open("wb") as part:
                part.truncate(identity.size)
            self.path.write_text(json.dumps(asdict(identity)) + "\n", encoding="utf-8")
            return set()
        if not self.path.read_bytes().endswith(b"\n"):
            self._append("\n")
        return done

    def note(self, handle: int, index: int) -> None:
        """Piece `index`, written through `handle`, is put on the disk and noted.

        Raises:
            OSError: the disk is full or fails.
        """
        fdatasync(handle)
        self._append(f"{index}\n")

    def _append(self, text: str) -> None:
        handle = os.open(self.path, os.O_WRONLY | os.O_APPEND)
        try:
            os.write(handle, text.encode())
            fdatasync(handle)
        finally:
            os.close(handle)

    def discard(self) -> None:
        """Remove the part and its record."""
        self.part.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)
