"""The engine that stands for others: who answers when one takes over from another."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from qwen_vl_app.chat import Accepted, Delta, Message, Request, Text
from qwen_vl_app.engine.switch import Switch
from qwen_vl_app.errors import NotReady, Unavailable
from tests.fake_engine import FakeEngine

ASKED = Request((Message("user", (Text("hello"),)),))


class Endless(FakeEngine):
    """Accepts, and then works until it is closed."""

    async def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        yield Accepted(1)
        while self.state == "ready":
            await asyncio.sleep(0.01)
        raise NotReady(state=self.state)


def test_before_there_is_an_engine_nobody_answers() -> None:
    switch = Switch()

    async def ask() -> None:
        await anext(switch.stream(ASKED))

    assert switch.state == "waiting"
    with pytest.raises(NotReady):
        asyncio.run(ask())


def test_an_open_answer_ends_before_its_engine_is_stopped() -> None:
    async def exchange() -> None:
        switch, old, new = Switch(), FakeEngine(["one two three"], pause=0.02), FakeEngine()
        switch.engine = old
        answer = switch.stream(ASKED)
        await anext(answer)
        taking_over = asyncio.create_task(switch.replace(new, 30))
        await asyncio.sleep(0)
        assert switch.engine is new and not old.closed
        async for _ in answer:
            assert not old.closed
        await taking_over
        assert old.closed and not new.closed

    asyncio.run(exchange())


def test_an_answer_that_does_not_end_in_time_is_told_to_ask_again() -> None:
    async def exchange() -> None:
        switch = Switch()
        switch.engine = Endless()
        answer = switch.stream(ASKED)
        await anext(answer)
        await switch.replace(FakeEngine(), 0.05)
        with pytest.raises(Unavailable) as refusal:
            await anext(answer)
        assert not isinstance(refusal.value, NotReady)

    asyncio.run(exchange())


def test_an_answer_of_an_engine_on_its_way_out_can_be_stopped() -> None:
    async def exchange() -> None:
        switch, old = Switch(), FakeEngine(["word " * 500], pause=0.01)
        switch.engine = old
        answer = switch.stream(ASKED)
        await anext(answer)
        taking_over = asyncio.create_task(switch.replace(None, 30))
        await asyncio.sleep(0)
        assert switch.state == "waiting"
        await switch.cancel(ASKED.id)
        assert len([delta async for delta in answer]) < 400
        await taking_over

    asyncio.run(exchange())


def test_closing_ends_every_engine() -> None:
    async def close() -> None:
        switch, old, new = Switch(), Endless(), FakeEngine()
        switch.engine = old
        answer = switch.stream(ASKED)
        await anext(answer)
        taking_over = asyncio.create_task(switch.replace(new, 30))
        await asyncio.sleep(0)
        await switch.close()
        with pytest.raises(NotReady):
            await anext(answer)
        await taking_over
        assert old.closed and new.closed and switch.state == "closed"

    asyncio.run(close())
