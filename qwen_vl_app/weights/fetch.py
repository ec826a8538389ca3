"""A model's two files, verified, whatever the network does: found here, or fetched from the hubs."""

import asyncio
import errno
import os
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx2

from qwen_vl_app.catalogue import File, Model
from qwen_vl_app.weights import hubs, local
from qwen_vl_app.weights.failures import (
    Cancelled,
    Damaged,
    NoRoom,
    NoSuchFile,
    NotWritable,
    Offline,
    OtherHere,
    gb,
    place,
)
from qwen_vl_app.weights.limits import Clock, Limits
from qwen_vl_app.weights.lock import only_one
from qwen_vl_app.weights.pieces import Journal
from qwen_vl_app.weights.progress import Meter, Progress, Report
from qwen_vl_app.weights.rounds import Rounds
from qwen_vl_app.weights.survey import open_client

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
CANCEL_SECONDS = 0.1  # how soon a cancel is noticed


def silent(progress: Progress) -> None:
    """A report that nobody reads."""


def fetch(
    model: Model,
    models_dir: Path,
    hub: str = hubs.AUTO,
    report: Report = silent,
    cancelled: threading.Event | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
    limits: Limits = Limits(),  # noqa: B008 - frozen
    clock: Clock = Clock(),  # noqa: B008 - frozen
) -> tuple[Path, Path]:
    """The paths of the language model and the projector of `model`, both whole; blocks until they are here.

    Files below `models_dir` or in Hugging Face's cache are used where size and hash are right; the rest is
    downloaded from `hub` (a name, an address or `auto`). `report` is called from this thread a few times a second.

    Raises:
        WeightsError: they cannot be had; the message says why and what to do.
        SetupError: `hub` is not a hub.
    """
    job = _Fetch(model, models_dir, hubs.chosen(hub, environ), report, limits, clock, hubs.offline(environ))
    return asyncio.run(_cancellable(job, cancelled or threading.Event()))


async def _cancellable(job: "_Fetch", cancelled: threading.Event) -> tuple[Path, Path]:
    work = asyncio.ensure_future(job.run())
    try:
        while not (await asyncio.wait({work}, timeout=CANCEL_SECONDS))[0]:
            if cancelled.is_set() and not job.stopped:  # once: a second cancel would hit the cleaning up
                job.stopped = True
                work.cancel()
        return work.result()
    except (asyncio.CancelledError, InterruptedError):
        raise Cancelled from None
    finally:
        job.stopped = True


class _Fetch:
    def __init__(
        self,
        model: Model,
        models_dir: Path,
        chosen: tuple[hubs.Hub, ...],
        report: Report,
        limits: Limits,
        clock: Clock,
        offline: bool,
    ) -> None:
        self.model, self.models_dir, self.hubs = model, models_dir, chosen
        self.limits, self.clock, self.offline = limits, clock, offline
        self.folder = models_dir / model.folder
        self.meter = Meter(report, clock.now)
        self.stopped = False
        self._sizes: dict[str, int] = {}  # of both files; 0 where it is not known yet

    async def run(self) -> tuple[Path, Path]:
        """The paths of language model and projector, found or fetched, and verified; raises as `fetch`."""
        files = (self.model.model, self.model.mmproj)
        found = [await self._find(file) for file in files]
        if not all(found):
            missing = next(file for file, path in zip(files, found, strict=True) if not path)
            self._check_allowed(missing)
            with self._disk(sum(file.size for file in files)):
                self.folder.mkdir(parents=True, exist_ok=True)
                async with only_one(self.folder, self.clock, self._queued):
                    found = await self._complete(files)
        first, second = found
        assert first and second
        self.meter.total = self.meter.here = first.stat().st_size + second.stat().st_size
        self.meter.earlier = 0
        self.meter.say("ready")
        return first, second

    def _check_allowed(self, file: File) -> None:
        if not self.model.repo:
            raise NoSuchFile(path=self.folder / file.name)
        if self.offline:
            raise Offline(file=file.name, folder=place(self.folder))

    async def _find(self, file: File) -> Path | None:
        path, wrong = await asyncio.to_thread(local.find, self.model, file, self.models_dir, self._checking)
        if wrong and not path:
            self.meter.say("choosing", OtherHere(path=place(wrong[0]), file=file.name))
        return path

    def _checking(self, path: Path, done: int) -> bool:
        if self.meter.file != path.name:
            self.meter.file, self.meter.total = path.name, path.stat().st_size
            self.meter.say("verifying")
        self.meter.at(done)
        return not self.stopped

    def _queued(self) -> None:
        """Another process downloads: show how far it is."""
        journals = [Journal(self.folder / file.name) for file in (self.model.model, self.model.mmproj)]
        reads = [journal.read() for journal in journals]
        self.meter.total = self.model.size
        self.meter.here = sum(len(done) * identity.piece for identity, done in reads if identity)
        if self.meter.state != "queued":
            self.meter.say("queued")
        self.meter.at(self.meter.here)

    async def _complete(self, files: tuple[File, File]) -> list[Path | None]:
        """Fetch those `files` that are not there; the lock is held."""
        found = [await self._find(file) for file in files]
        missing = [file for file, path in zip(files, found, strict=True) if not path]
        if not missing:
            return found
        for file, path in zip(files, found, strict=True):
            self._sizes[file.name] = path.stat().st_size if path else file.size
        self.meter.earlier, self.meter.here = sum(path.stat().st_size for path in found if path), 0
        self._count()
        self._check_room(missing)
        async with open_client(self.limits) as client:
            return [path or await self._obtain(client, file) for file, path in zip(files, found, strict=True)]

    def _count(self) -> None:
        self.meter.total = sum(self._sizes.values()) if all(self._sizes.values()) else 0

    def _check_room(self, files: list[File]) -> None:
        """Raise unless what is missing of `files`, and the spare bytes, fit on the disk."""
        here = sum(_allocated(Journal(self.folder / file.name).part) for file in files)
        need = max(0, sum(file.size for file in files) - here) + self.limits.spare
        free = shutil.disk_usage(self.folder).free
        if free < need:
            raise NoRoom(folder=place(self.folder), free=gb(free), need=gb(need))

    async def _obtain(self, client: httpx2.AsyncClient, file: File) -> Path:
        """Fetch `file`, once more where the bytes are wrong, and put it in its place."""
        target = self.folder / file.name
        journal = Journal(target)
        rounds = Rounds(client, self.model, self.hubs, self.limits, self.clock, self.meter)
        self.meter.file = file.name
        for _ in range(2):
            settled, found = await rounds.fill(file, journal, self._settled)
            if settled.sha256 in ("", found):
                self._put(journal, target, found)
                self.meter.earlier, self.meter.here = self.meter.earlier + settled.size, 0
                return target
            journal.discard()
            rounds.doubt()
            self.meter.here = 0
        raise Damaged(file=file.name, found=found, expected=settled.sha256, host=self.meter.hub)

    def _settled(self, file: File, settled: File) -> None:
        """A hub has said how large `file` is."""
        if not file.size:
            self._sizes[file.name] = settled.size
            self._count()
            self._check_room([settled])

    def _put(self, journal: Journal, target: Path, sha256: str) -> None:
        if target.exists():  # placed by hand and not what it should be: nothing of a person's is deleted
            target.replace(target.with_name(target.name + ".wrong"))
        journal.part.replace(target)
        journal.discard()
        handle = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        local.Stamps(self.models_dir).put(target, sha256)

    @contextmanager
    def _disk(self, need: int) -> Iterator[None]:
        """Turn the disk's errors into messages."""
        try:
            yield
        except InterruptedError:
            raise
        except OSError as error:
            if error.errno in FULL:
                free = shutil.disk_usage(self.folder).free
                raise NoRoom(folder=place(self.folder), free=gb(free), need=gb(need + self.limits.spare)) from error
            raise NotWritable(folder=place(self.folder), why=error.strerror or error) from error


def _allocated(path: Path) -> int:
    """Bytes that a file with gaps takes on its disk."""
    return path.stat().st_blocks * 512 if path.exists() else 0
