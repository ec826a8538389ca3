"""Hub after hub until a file is whole: the fastest first, the next when one stalls, patience when all are away."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from math import inf

import httpx2

from qwen_vl_app.catalogue import File, Model
from qwen_vl_app.weights.failures import NoHub, Stalled, Trouble, place
from qwen_vl_app.weights.hubs import Hub
from qwen_vl_app.weights.limits import Clock, Limits
from qwen_vl_app.weights.pieces import Journal
from qwen_vl_app.weights.progress import Meter
from qwen_vl_app.weights.survey import Offer, settle, survey
from qwen_vl_app.weights.transfer import Transfer


class Rounds:
    """Fills one file after another of `model` from `hubs`."""

    def __init__(
        self,
        client: httpx2.AsyncClient,
        model: Model,
        hubs: tuple[Hub, ...],
        limits: Limits,
        clock: Clock,
        meter: Meter,
    ) -> None:
        self._client, self._model, self._hubs = client, model, hubs
        self._limits, self._clock, self._meter = limits, clock, meter
        self._troubles: dict[str, Trouble] = {}
        self._asleep: dict[str, float] = {}  # hub's name → when it may be asked again
        self._last_gain = 0.0
        self._failures = 0
        self._used = ""  # the name of the hub that was used last
        self._doubted: set[str] = set()

    def doubt(self) -> None:
        """The hub that was used last gave wrong bytes: it is taken only where no other has the file."""
        self._doubted.add(self._used)

    async def fill(self, file: File, journal: Journal, settled: Callable[[File, File], None]) -> tuple[File, str]:
        """Fill the part of `file`: the file with what the hubs said of it, and the sha256 of what came.

        `settled(file, the same with its size)` is called once, before the first byte is written.

        Raises:
            NoHub: no hub has it, or none gave a byte for the patience of `limits`.
            OSError: the disk is full or fails.
        """
        self._troubles, self._asleep = {}, {}
        self._last_gain, self._failures = self._clock.now(), 0
        transfer: Transfer | None = None
        async with AsyncExitStack() as stack:
            while True:
                offers = await self._survey(file)
                if offers and transfer is None:
                    known, offers = settle(file, offers)
                    settled(file, known)
                    file, etag = known, offers[0].facts.etag
                    if not file.sha256 and not etag:
                        journal.discard()  # nothing tells whether the bytes of an earlier start are of this file
                    transfer = Transfer(journal, file, etag, self._limits, self._meter.at)
                    await stack.enter_async_context(transfer)
                    self._meter.at(transfer.pieces.here)
                if transfer and await self._any(transfer, offers):
                    self._meter.say("verifying")
                    return file, await transfer.digest()
                await self._pause(file, journal)

    async def _survey(self, file: File) -> list[Offer]:
        now = self._clock.now()
        awake = [hub for hub in self._hubs if self._asleep.get(hub.name, 0.0) <= now]
        if not self._failures:
            self._meter.say("choosing")
        for doubted in (False, True):
            asked = [hub for hub in awake if (hub.name in self._doubted) == doubted]
            offers, troubles = await survey(self._client, asked, self._model, file, self._limits)
            for name, trouble in troubles.items():
                self._note(name, trouble)
            if offers:
                return offers
        return []

    def _note(self, name: str, trouble: Trouble) -> None:
        self._troubles[name] = trouble
        pause = trouble.pause
        if isinstance(trouble, Stalled) and len(self._hubs) > 1:
            pause = self._limits.longest_pause  # its beginning comes fast: another survey would choose it again
        self._asleep[name] = inf if trouble.lasting else self._clock.now() + pause

    async def _any(self, transfer: Transfer, offers: list[Offer]) -> bool:
        """Whether one of `offers`, in their order, completed the file."""
        for offer in offers:
            while True:
                before = transfer.pieces.here
                self._used, self._meter.hub = offer.hub.name, offer.hub.host
                self._meter.say("downloading")
                trouble = await transfer.run(self._client, offer)
                if trouble is None:
                    return True
                self._note(offer.hub.name, trouble)
                if transfer.pieces.here > before:
                    self._last_gain, self._failures = self._clock.now(), 0
                if transfer.pieces.here == before or trouble.lasting or isinstance(trouble, Stalled):
                    break
                await self._clock.sleep(self._limits.first_pause)
        return False

    async def _pause(self, file: File, journal: Journal) -> None:
        """Wait for the hubs, longer each time; in the meantime people are told why."""
        hub = self._hubs[0]
        failure = NoHub(
            file=file.name,
            troubles=dict(self._troubles),
            folder=place(journal.part.parent),
            address=hub.address(self._model, file),
        )
        now = self._clock.now()
        earliest = min(self._asleep.get(hub.name, 0.0) for hub in self._hubs)
        if earliest == inf or now - self._last_gain > self._limits.give_up_seconds:
            raise failure
        pause = max(self._limits.pause(self._failures), earliest - now)
        self._failures += 1
        self._meter.say("retrying", failure)
        await self._clock.sleep(pause)
