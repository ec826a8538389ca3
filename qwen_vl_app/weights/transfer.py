"""One file on its way: several connections fill one `.part`, piece by piece, hashed as it grows.

huggingface_hub (2.4) neither goes on after a restart nor checks the hash, hence this. The client is httpx2, which
huggingface_hub itself brings: the system's trust store and proxies, no second HTTP library.
"""

import asyncio
import hashlib
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any

import httpx2

from qwen_vl_app.catalogue import File
from qwen_vl_app.weights.answers import facts, network
from qwen_vl_app.weights.failures import Cut, OtherFile, Stalled, Trouble
from qwen_vl_app.weights.limits import Limits
from qwen_vl_app.weights.pieces import Identity, Journal, Pieces
from qwen_vl_app.weights.survey import Offer

BLOCK = 4 << 20  # bytes read at once for hashing


class Digest:
    """The sha256 of a file that grows, in the order of its bytes."""

    def __init__(self, handle: int) -> None:
        self._handle, self._sha256 = handle, hashlib.sha256()
        self._position, self._lock = 0, threading.Lock()
        self.stopped = False

    def advance(self, limit: int, wait: bool = False) -> None:
        """Hash what is new before byte `limit`, in a thread; if another one is at it, `wait` for it or do nothing."""
        if not self._lock.acquire(blocking=wait):
            return
        try:
            while self._position < limit and not self.stopped:
                block = os.pread(self._handle, min(BLOCK, limit - self._position), self._position)
                if not block:
                    return
                self._sha256.update(block)
                self._position += len(block)
        finally:
            self._lock.release()

    def hexdigest(self) -> str:
        """The hash of what was hashed so far."""
        return self._sha256.hexdigest()


class Transfer:
    """The `.part` of `file`, whose size is known, while it is being filled; use it in `async with`."""

    def __init__(self, journal: Journal, file: File, etag: str, limits: Limits, moved: Callable[[int], None]) -> None:
        identity = Identity.of(file.size, file.sha256, etag, limits.piece)
        self.pieces = Pieces(file.size, limits.piece, journal.begin(identity))
        self._journal, self._file, self._etag = journal, file, identity.etag
        self._limits, self._moved = limits, moved
        self._handle = os.open(journal.part, os.O_RDWR)
        self._digest = Digest(self._handle)
        self._threads = ThreadPoolExecutor(limits.connections + 1)

    async def __aenter__(self) -> "Transfer":
        return self

    async def __aexit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._digest.stopped = True
        self._threads.shutdown()  # what writes through the handle ends before it is closed
        os.close(self._handle)

    async def run(self, client: httpx2.AsyncClient, offer: Offer) -> Trouble | None:
        """Fetch from `offer` what is missing; None when the file is complete, else what stopped it.

        Raises:
            OSError: the disk is full or fails.
        """
        count = self._limits.connections if offer.facts.ranges else 1
        workers = [asyncio.ensure_future(self._work(client, offer)) for _ in range(count)]
        working: asyncio.Future[Any] = asyncio.gather(*workers)
        watch, hashing = asyncio.ensure_future(self._watch()), asyncio.ensure_future(self._hash_along())
        try:
            await asyncio.wait({working, watch, hashing}, return_when=asyncio.FIRST_COMPLETED)
            if hashing.done():
                await hashing  # the disk cannot be read: raises
            if not working.done():
                return Stalled(host=offer.hub.host, seconds=round(self._limits.stall_seconds))
            return self._worst(working.result())
        finally:
            for task in (*workers, watch, hashing):
                task.cancel()
            await asyncio.gather(*workers, working, watch, hashing, return_exceptions=True)

    def _worst(self, troubles: list[Trouble | None]) -> Trouble | None:
        found = [trouble for trouble in troubles if trouble]
        return None if self.pieces.complete else max(found, key=lambda trouble: trouble.lasting)

    async def digest(self) -> str:
        """The sha256 of the complete file, which is on the disk then."""
        await self._in_thread(self._digest.advance, self._file.size, True)
        await self._in_thread(os.fsync, self._handle)
        return self._digest.hexdigest()

    async def _in_thread(self, work: Callable[..., None], *arguments: int) -> None:
        await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

    async def _work(self, client: httpx2.AsyncClient, offer: Offer) -> Trouble | None:
        """One connection: fetch gap after gap; what stopped it, None when no gap is left."""
        while (index := self.pieces.claim()) is not None:
            await asyncio.sleep(0)  # let every connection claim before any asks for its bytes
            try:
                with network(offer.hub.host, self._limits.stall_seconds):
                    await self._stream(client, offer, index)
            except Trouble as trouble:
                return trouble
        return None

    async def _stream(self, client: httpx2.AsyncClient, offer: Offer, index: int) -> None:
        """Write one answer's bytes into piece `index` and those after it, until one is another connection's."""
        start, end = self.pieces.offset(index), self.pieces.gap_end(index)
        headers = offer.hub.headers() | {"Range": f"bytes={start}-{end - 1}"}
        try:
            if not await self._finish_if_whole(index):
                return
            async with client.stream("GET", offer.url, headers=headers) as answer:
                skip = start - self._check(answer, start)
                async for chunk in answer.aiter_raw():
                    data, skip = memoryview(chunk)[skip:], max(0, skip - len(chunk))
                    while data:
                        data = data[self._write(index, data) :]
                        if not await self._finish_if_whole(index):
                            if not self.pieces.claim_next(index):
                                return
                            index += 1
            if self.pieces.offset(index) == start:
                raise Cut(host=offer.hub.host, why="an empty answer")
        finally:
            self.pieces.release(index)

    def _check(self, answer: httpx2.Response, start: int) -> int:
        """Where in the file the body begins: `start`, or 0 from a server that does not know ranges."""
        found = facts(answer, self._file, start)
        if self._etag and found.etag != self._etag:
            raise OtherFile(host=answer.url.netloc.decode(), found="a changed file", expected="the one that was begun")
        return found.start

    def _write(self, index: int, data: memoryview) -> int:
        count = os.pwrite(self._handle, data[: self.pieces.missing(index)], self.pieces.offset(index))
        self.pieces.add(index, count)
        self._moved(self.pieces.here)
        return count

    async def _finish_if_whole(self, index: int) -> bool:
        """Whether piece `index` still misses bytes; one that does not is put on the disk and noted."""
        if self.pieces.missing(index):
            return True
        await self._in_thread(self._journal.note, self._handle, index)
        self.pieces.finish(index)
        self.pieces.release(index)
        return False

    async def _watch(self) -> None:
        """Return when all connections together have stalled."""
        before = -self._limits.stall_bytes
        while self.pieces.here - before >= self._limits.stall_bytes:
            before = self.pieces.here
            await asyncio.sleep(self._limits.stall_seconds)

    async def _hash_along(self) -> None:
        while True:
            await self._in_thread(self._digest.advance, self.pieces.frontier)
            await asyncio.sleep(0.1)
