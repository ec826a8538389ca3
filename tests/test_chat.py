import asyncio
from collections.abc import AsyncIterator

import pytest

from qwen_vl_app.chat import Accepted, Answer, Delta, Finished, Progress, Token, Usage, join


async def stream(*deltas: Delta) -> AsyncIterator[Delta]:
    for delta in deltas:
        yield delta


def test_join_gives_the_whole_answer() -> None:
    usage = Usage(10, 2)
    deltas = stream(Accepted(10), Progress("reading", 5, 10), Token("two "), Token("words"), Finished("stop", usage))
    assert asyncio.run(join(deltas)) == Answer("two words", "stop", usage)


def test_join_refuses_a_stream_that_breaks_off() -> None:
    with pytest.raises(RuntimeError, match="without Finished"):
        asyncio.run(join(stream(Accepted(1), Token("half"))))
