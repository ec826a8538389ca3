"""Which hub has the file, and how fast: each is asked for its first MiB, through every redirect, at once."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, replace

import httpx2

from qwen_vl_app.catalogue import File, Model
from qwen_vl_app.weights.answers import Facts, check_beginning, facts, network
from qwen_vl_app.weights.failures import BadProxy, Stalled, Trouble
from qwen_vl_app.weights.hubs import Hub
from qwen_vl_app.weights.limits import Limits


@dataclass(frozen=True)
class Offer:
    """A hub that has the file: where, what its headers say, and how fast its beginning came."""

    hub: Hub
    url: str
    facts: Facts
    bytes_per_second: float


def open_client(limits: Limits) -> httpx2.AsyncClient:
    """The client of every download; it takes proxies and trusted certificates from the system.

    Raises:
        BadProxy: the environment names a proxy that cannot be used.
    """
    try:
        timeout = httpx2.Timeout(limits.stall_seconds, connect=limits.connect_seconds, pool=None)
        return httpx2.AsyncClient(follow_redirects=True, timeout=timeout)
    except (ValueError, ImportError) as error:
        raise BadProxy(why=error) from error


def reach(hubs: Iterable[Hub], model: Model, limits: Limits) -> tuple[list[Offer], dict[str, Trouble]]:
    """Which of `hubs` have the language model of `model`, fastest first, and what is wrong with the others; blocks.

    Raises:
        BadProxy: see `open_client`.
    """

    async def ask() -> tuple[list[Offer], dict[str, Trouble]]:
        async with open_client(limits) as client:
            return await survey(client, hubs, model, model.model, limits)

    return asyncio.run(ask())


async def survey(
    client: httpx2.AsyncClient, hubs: Iterable[Hub], model: Model, file: File, limits: Limits
) -> tuple[list[Offer], dict[str, Trouble]]:
    """The offers of those `hubs` that have `file`, fastest first, and the trouble that the others have.

    Once one hub has answered, the others get as long again as it took, for it will do.
    """
    loop = asyncio.get_running_loop()
    began = loop.time()
    asked = {asyncio.create_task(_probe(client, hub, model, file, limits)): hub for hub in hubs}
    waiting, deadline = set(asked), began + limits.probe_seconds
    try:
        while waiting and loop.time() < deadline:
            done, waiting = await asyncio.wait(
                waiting, timeout=deadline - loop.time(), return_when=asyncio.FIRST_COMPLETED
            )
            if any(isinstance(task.result(), Offer) for task in done):
                deadline = min(deadline, began + 2 * (loop.time() - began) + limits.probe_patience)
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    return _sorted(asked, waiting, limits)


def _sorted(
    asked: dict[asyncio.Task[Offer | Trouble], Hub], waiting: set[asyncio.Task[Offer | Trouble]], limits: Limits
) -> tuple[list[Offer], dict[str, Trouble]]:
    offers: list[Offer] = []
    troubles: dict[str, Trouble] = {}
    for task, hub in asked.items():
        result: Offer | Trouble
        result = Stalled(host=hub.host, seconds=round(limits.probe_seconds)) if task in waiting else task.result()
        if isinstance(result, Offer):
            offers.append(result)
        else:
            troubles[hub.name] = result
    return sorted(offers, key=lambda offer: -offer.bytes_per_second), troubles


async def _probe(client: httpx2.AsyncClient, hub: Hub, model: Model, file: File, limits: Limits) -> Offer | Trouble:
    url = hub.address(model, file)
    loop = asyncio.get_running_loop()
    began = loop.time()
    data = b""
    try:
        with network(hub.host, limits.stall_seconds):
            headers = hub.headers() | {"Range": f"bytes=0-{limits.probe - 1}"}
            async with client.stream("GET", url, headers=headers) as answer:
                found = facts(answer, file, 0)
                async for chunk in answer.aiter_raw():
                    data += chunk
                    if len(data) >= limits.probe:
                        break
                check_beginning(data, answer)
    except Trouble as trouble:
        return trouble
    return Offer(hub, url, found, len(data) / max(loop.time() - began, 1e-6))


def settle(file: File, offers: list[Offer]) -> tuple[File, list[Offer]]:
    """`file` with its size, and its hash where any hub states one; and the offers that are of that file.

    Without any hash only one hub's bytes are used: two files of one size could be mixed otherwise.
    """
    stated = next((offer for offer in offers if offer.facts.sha256), offers[0])
    settled = replace(file, size=file.size or stated.facts.size, sha256=file.sha256 or stated.facts.sha256)
    if not settled.sha256:
        return settled, offers[:1]
    same = [offer for offer in offers if offer.facts.size == settled.size]
    return settled, [offer for offer in same if offer.facts.sha256 in ("", settled.sha256)]
