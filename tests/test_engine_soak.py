"""Many people, many requests, at random: everybody gets an own, right answer, and memory stays where it is."""

import asyncio
import json
import random
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
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
TOO_LONG = Text("words " * 3000)


@dataclass(frozen=True)
class Known:
    """A picture, and what the model says to it when nobody else asks: no two pictures' descriptions are alike."""

    image: Image
    described: str
    counted: str


@pytest.fixture(scope="module")
def scenes() -> list[Image]:
    """Pictures that the model tells apart."""
    return [fitted(seed, shapes=1 + seed % 3)[0] for seed in range(9000, 9000 + SCENES)]


def question(image: Image, owner: str) -> Request:
    return Request((Message("user", (image, Text("Describe this picture."))),), max_tokens=80, owner=owner)


def follow_up(image: Image, described: str, owner: str) -> Request:
    first = question(image, owner)
    later = (Message("assistant", (Text(described),)), Message("user", (Text("How many shapes are there?"),)))
    return replace(first, messages=(*first.messages, *later))


def text_question(canary: str, owner: str) -> Request:
    """A question without a picture, whose only allowed answer is `canary`."""
    schema = json.dumps({"enum": [canary]})
    return Request((Message("user", (Text("What is the word?"),)),), max_tokens=80, json_schema=schema, owner=owner)


async def ask_alone(engine: LocalEngine, scenes: list[Image]) -> list[Known]:
    """What is said to each picture while nobody else asks."""
    known = []
    for number, image in enumerate(scenes):
        described = await answer(engine, question(image, f"alone {number}"))
        assert described
        counted = await answer(engine, follow_up(image, described, f"alone {number}"))
        assert counted
        known.append(Known(image, described, counted))
    assert len({each.described for each in known}) == SCENES, "the answers must tell the pictures apart"
    return known


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
def test_two_thousand_mixed_requests(loop: Loop, demo_plan: Callable[..., Plan], scenes: list[Image]) -> None:
    engine = LocalEngine(demo_plan(parallel=4, sequences=16, pool=6000))
    loop.run(engine.start())
    try:
        known = loop.run(ask_alone(engine, scenes), 120)
        sizes, wrong = loop.run(mixed(engine, known), 800)
    finally:
        loop.run(engine.close())
    assert wrong == []
    assert sizes[-1] < sizes[0] * 1.05, sizes


def any_request(chance: random.Random, known: list[Known], owner: str) -> tuple[Request, str]:
    """A first question, a follow-up or a text, with the answer that is its own."""
    about = chance.choice(known)
    kind = chance.random()
    if kind < 0.25:
        canary = f"canary {chance.randrange(10**9)}"
        return text_question(canary, owner), json.dumps(canary)
    if kind < 0.5:
        return follow_up(about.image, about.described, owner), about.counted
    return question(about.image, owner), about.described


async def mixed(engine: LocalEngine, known: list[Known]) -> tuple[list[int], list[str]]:
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
        request, right = any_request(chance, known, owner)
        kind = chance.random()
        if kind < 0.1:
            with pytest.raises(ContextOverflow):
                await answer(engine, replace(request, messages=(*request.messages, Message("user", (TOO_LONG,)))))
        elif kind < 0.3:
            await answer(engine, request, leave_at=chance.randrange(1, 20))
        else:
            got = await answer(engine, request)
            if got != right:
                wrong.append(f"{got!r} instead of {right!r}")

    await asyncio.gather(*(client(number) for number in range(CLIENTS)))
    sizes.append(memory())
    return sizes, wrong


KILLS = 50


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_fifty_times_under_load(loop: Loop, demo_plan: Callable[..., Plan], scenes: list[Image]) -> None:
    engine = LocalEngine(demo_plan(parallel=4, sequences=16, pool=6000))
    clock = count(step=1000)
    engine._crashes = CrashBook(lambda: float(next(clock)))  # as if they were far apart: pictures go on
    loop.run(engine.start())
    try:
        known = loop.run(ask_alone(engine, scenes), 120)
        right, failed, wrong = loop.run(under_fire(engine, known), 500)
    finally:
        loop.run(engine.close())
    assert wrong == []
    assert failed <= 2 * KILLS  # the one in hand, and who was in two crashes
    assert right >= KILLS - 1


async def under_fire(engine: LocalEngine, known: list[Known]) -> tuple[int, int, list[str]]:
    """How many answers were right, how many failed, and what came back wrong, while the worker is killed."""
    over = asyncio.Event()
    right, failed, wrong = 0, 0, []

    async def client(number: int) -> None:
        nonlocal right, failed
        chance = random.Random(number)
        while not over.is_set():
            about = chance.choice(known)
            try:
                got = await answer(engine, question(about.image, f"client {number}"))
            except EngineFailed:
                failed += 1
                continue
            right += got == about.described
            if got != about.described:
                wrong.append(f"{got!r} instead of {about.described!r}")

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
