"""Many people, many requests, at random: everybody gets an own, right answer, and memory stays where it is."""

import asyncio
import random
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace
from itertools import count

import psutil
import pytest

from qwen_vl_app.chat import Finished, Image, Message, Request, Text, Token
from qwen_vl_app.engine.crashes import CrashBook
from qwen_vl_app.engine.local import LocalEngine
from qwen_vl_app.engine.plan import Plan
from qwen_vl_app.errors import ContextOverflow, EngineFailed
from tests.conftest import Loop
from tests.scenes import fitted

REQUESTS, CLIENTS, SCENES = 2000, 16, 12
TOO_LONG = "words " * 3000


@pytest.fixture(scope="module")
def scenes() -> list[tuple[Image, str]]:
    """Pictures with the answers that are theirs alone."""
    return [fitted(seed) for seed in range(9000, 9000 + SCENES)]


def question(image: Image, owner: str) -> Request:
    return Request((Message("user", (image, Text("Describe this picture."))),), max_tokens=80, owner=owner)


async def answer(engine: LocalEngine, request: Request, leave_at: int = -1) -> str | None:
    """The answer; None if this client leaves at its `leave_at`th delta."""
    seen, text = 0, ""
    async with aclosing(engine.stream(request)) as deltas:
        async for delta in deltas:
            seen += 1
            if seen == leave_at:
                return None
            text += delta.text if isinstance(delta, Token) else ""
            if isinstance(delta, Finished):
                assert delta.reason == "stop"
    return text


def memory() -> int:
    """Resident bytes of this process's engine."""
    return int(sum(child.memory_info().rss for child in psutil.Process().children(recursive=True)))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_thousand_mixed_requests(
    loop: Loop, demo_plan: Callable[..., Plan], scenes: list[tuple[Image, str]]
) -> None:
    engine = LocalEngine(demo_plan(parallel=4, sequences=16, pool=6000))
    loop.run(engine.start())
    try:
        alone = [loop.run(answer(engine, question(image, f"alone {i}"))) for i, (image, _) in enumerate(scenes)]
        assert len(set(alone)) == SCENES, "the answers must tell the pictures apart"
        sizes, wrong = loop.run(mixed(engine, scenes, alone), 800)
    finally:
        loop.run(engine.close())
    assert wrong == []
    assert sizes[-1] < sizes[0] * 1.05, sizes


async def mixed(
    engine: LocalEngine, scenes: list[tuple[Image, str]], alone: list[str | None]
) -> tuple[list[int], list[str]]:
    """Memory at request 500 and at the end; whatever came back wrong."""
    todo = iter(range(REQUESTS))
    sizes: list[int] = []
    wrong: list[str] = []

    async def client(number: int) -> None:
        chance = random.Random(number)
        for request in todo:
            if request == REQUESTS // 4:
                sizes.append(memory())
            await one(chance, f"client {number % 7}")

    async def one(chance: random.Random, owner: str) -> None:
        which = chance.randrange(SCENES)
        request = question(scenes[which][0], owner)
        kind = chance.random()
        if kind < 0.1:
            with pytest.raises(ContextOverflow):
                await answer(engine, replace(request, messages=(Message("user", (Text(TOO_LONG),)),)))
        elif kind < 0.3:
            await answer(engine, request, leave_at=chance.randrange(1, 20))
        else:
            got = await answer(engine, request)
            if got != alone[which]:
                wrong.append(f"{got!r} instead of {alone[which]!r}")

    await asyncio.gather(*(client(number) for number in range(CLIENTS)))
    sizes.append(memory())
    return sizes, wrong


KILLS = 50


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_fifty_times_under_load(
    loop: Loop, demo_plan: Callable[..., Plan], scenes: list[tuple[Image, str]]
) -> None:
    engine = LocalEngine(demo_plan(parallel=4, sequences=16, pool=6000))
    clock = count(step=1000)
    engine._crashes = CrashBook(lambda: float(next(clock)))  # as if they were far apart: pictures go on
    loop.run(engine.start())
    try:
        alone = [loop.run(answer(engine, question(image, f"alone {i}"))) for i, (image, _) in enumerate(scenes)]
        right, failed, wrong = loop.run(under_fire(engine, scenes, alone), 500)
    finally:
        loop.run(engine.close())
    assert wrong == []
    assert failed <= 2 * KILLS  # the one in hand, and who was in two crashes
    assert right >= KILLS - 1


async def under_fire(
    engine: LocalEngine, scenes: list[tuple[Image, str]], alone: list[str | None]
) -> tuple[int, int, list[str]]:
    """How many answers were right, how many failed, and what came back wrong, while the worker is killed."""
    over = asyncio.Event()
    right, failed, wrong = 0, 0, []

    async def client(number: int) -> None:
        nonlocal right, failed
        chance = random.Random(number)
        while not over.is_set():
            which = chance.randrange(SCENES)
            try:
                got = await answer(engine, question(scenes[which][0], f"client {number}"))
            except EngineFailed:
                failed += 1
                continue
            right += got == alone[which]
            if got != alone[which]:
                wrong.append(f"{got!r} instead of {alone[which]!r}")

    async def shoot() -> None:
        for number in range(KILLS):
            while engine.state != "ready" or right < number:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.02 + 0.2 * random.Random(number).random())
            assert engine._worker
            engine._worker.process.kill()
            while engine.state == "ready":
                await asyncio.sleep(0.005)
        while engine.state != "ready":
            await asyncio.sleep(0.01)
        over.set()

    await asyncio.gather(shoot(), *(client(number) for number in range(6)))
    return right, failed, wrong
