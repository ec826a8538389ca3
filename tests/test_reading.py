"""Long pictures read piece by piece: one answer, in order, without what two pieces share."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace

import pytest
from PIL import Image as PillowImage

from qwen_vl_app import media, reading
from qwen_vl_app.catalogue import find
from qwen_vl_app.chat import Accepted, Delta, Finished, Image, Message, Progress, Request, Text, Token, Usage, join
from qwen_vl_app.engine.local import LocalEngine
from qwen_vl_app.errors import AppError, EngineFailed
from qwen_vl_app.media import Picture
from qwen_vl_app.media.fit import Fit
from qwen_vl_app.reading import Answered, Joined
from qwen_vl_app.tasks import DESCRIBE, TASKS, Whole, found, in_pixels
from tests.conftest import Loop
from tests.fake_engine import PROMPT_TOKENS, FakeEngine
from tests.pictures import encoded
from training import world

READ, SPOT = TASKS["read"], TASKS["spot"]
TALL = 1000  # px of each piece, of which 100 are the next one's too


def piece(number: int) -> Picture:
    image = Image(bytes([number]) * 3072, 32, 32, f"piece {number}")
    return Picture(image, 400, 2800, Fit(32, 32, 0, 0, 32, 32), (0, 900 * number, 400, 900 * number + TALL))


PIECES = [piece(number) for number in range(3)]
ASKED = Request((Message("user", (PIECES[0].image, Text("Read."))),), id="one")


async def collected(stream: AsyncGenerator[Answered, None]) -> list[Answered]:
    async with aclosing(stream):
        return [delta async for delta in stream]


def read(*answers: str | AppError, request: Request = ASKED, task: str = "read") -> tuple[list[Answered], FakeEngine]:
    engine = FakeEngine(answers)
    return asyncio.run(collected(reading.read(engine, request, PIECES, TASKS[task]))), engine


def text(deltas: Sequence[Answered]) -> str:
    last = [delta for delta in deltas if isinstance(delta, Joined)][-1]
    return last.settled + last.rest


def plain(*answers: str) -> list[Delta]:
    stream = reading.answer(FakeEngine(answers), ASKED, PIECES, READ)

    async def all_of() -> list[Delta]:
        async with aclosing(stream):
            return [delta async for delta in stream]

    return asyncio.run(all_of())


def test_the_pieces_are_asked_in_order_and_joined() -> None:
    deltas, engine = read("one\ntwo\nthree wor", "two\nthree words\nfour", "four\nfive")
    assert text(deltas) == "one\ntwo\nthree words\nfour\nfive"
    seen = [[part.key for part in asked.messages[0].parts if isinstance(part, Image)] for asked in engine.requests]
    assert seen == [["piece 0"], ["piece 1"], ["piece 2"]]
    stages = [delta for delta in deltas if isinstance(delta, Progress)]
    assert [stage.part for stage in stages] == sorted(stage.part for stage in stages)
    assert {(stage.part, stage.parts) for stage in stages} == {(1, 3), (2, 3), (3, 3)}
    assert sum(isinstance(delta, Accepted) for delta in deltas) == 1
    assert deltas[-1] == Finished("stop", Usage(3 * PROMPT_TOKENS, 5))


def test_what_is_settled_never_changes_and_comes_as_plain_text() -> None:
    answers = "one\ntwo\nthree wor", "two\nthree words\nfour", "four\nfive"
    joined = [delta for delta in read(*answers)[0] if isinstance(delta, Joined)]
    assert [delta.settled for delta in joined] == ["", "one\ntwo", "one\ntwo\nthree words\nfour"]
    deltas = plain(*answers)
    assert asyncio.run(join(_stream(deltas))).text == "one\ntwo\nthree words\nfour\nfive"
    assert next(delta.text for delta in deltas if isinstance(delta, Token)) == "one\ntwo"
    assert Progress("writing", 32, PROMPT_TOKENS, 2, 3) in deltas  # a sign of life while words are held back


async def _stream(deltas: Sequence[Delta]) -> AsyncGenerator[Delta, None]:
    for delta in deltas:
        yield delta


def test_one_piece_is_an_ordinary_answer() -> None:
    engine = FakeEngine(["hello"])

    async def whole() -> str:
        async with aclosing(reading.answer(engine, ASKED, PIECES[:1], READ)) as deltas:
            return (await join(deltas)).text

    assert asyncio.run(whole()) == "hello" and engine.requests == [ASKED]


def test_places_are_those_of_the_whole_picture() -> None:
    first = '[{"bbox_2d":[0,100,500,120],"text_content":"a"},{"bbox_2d":[0,980,500,1000],"text_content":"b cut"}]'
    second = '[{"bbox_2d":[0,80,500,110],"text_content":"b"},{"bbox_2d":[0,500,500,520]'
    deltas, _ = read(first, second, "No text.", task="spot")
    answer = found(text(deltas))
    whole = in_pixels(answer.places, Whole(400, 2800))
    assert [(place.label, [round(edge) for edge in place.at]) for place in whole] == [
        ("a", [0, 100, 200, 120]),
        ("b", [0, 980, 200, 1010]),
    ]
    assert answer.cut


def test_stop_ends_the_piece_that_is_read_and_asks_no_other() -> None:
    engine = FakeEngine(["one two", "three four", "five"])

    async def stopped() -> list[Answered]:
        deltas: list[Answered] = []
        async with aclosing(reading.read(engine, ASKED, PIECES, READ)) as stream:
            async for delta in stream:
                deltas.append(delta)
                if isinstance(delta, Token) and "three" in delta.text:
                    await engine.cancel("one")
        return deltas

    deltas = asyncio.run(stopped())
    assert text(deltas) == "one two\nthree" and len(engine.requests) == 2
    assert isinstance(deltas[-1], Finished) and deltas[-1].reason == "cancelled"


def test_the_limit_holds_for_all_pieces_together() -> None:
    deltas, engine = read("a b c", "d e f", "g", request=replace(ASKED, max_tokens=4))
    assert text(deltas) == "a b c\nd" and [asked.max_tokens for asked in engine.requests] == [4, 1]
    assert deltas[-1] == Finished("length", Usage(2 * PROMPT_TOKENS, 4))


def test_a_failure_in_the_middle_leaves_what_was_read() -> None:
    seen: list[Answered] = []

    async def fails() -> None:
        async with aclosing(reading.read(FakeEngine(["one", EngineFailed()]), ASKED, PIECES, READ)) as stream:
            async for delta in stream:
                seen.append(delta)

    with pytest.raises(EngineFailed):
        asyncio.run(fails())
    assert text(seen) == "one"


@pytest.mark.parametrize(
    ("task", "question", "long"),
    [(READ, READ.words[0], True), (SPOT, SPOT.words[1], True), (READ, "What date?", False), (DESCRIBE, "Read", False)],
)
def test_only_the_reading_of_a_tall_picture_goes_piece_by_piece(task: object, question: str, long: bool) -> None:
    assert isinstance(task, type(READ))
    assert reading.may_be_long(PIECES[:1], task, question) is long
    assert not reading.may_be_long(PIECES[:2], task, question)
    assert not reading.may_be_long([replace(PIECES[0], original_width=3000)], task, question)


def test_the_demo_sees_each_piece(loop: Loop, engine: LocalEngine) -> None:
    scenes = [world.scene(seed, n=1) for seed in (3, 9, 3)]
    paper = PillowImage.new("RGB", (224, 880), "white")
    for number, scene in enumerate(scenes):
        paper.paste(world.draw(scene, (224, 224)), (0, 48 + 280 * number))
    tiles = asyncio.run(media.open_tiles(encoded(paper, "PNG"), "tall.png", find("demo").budget, 768))
    asked = Message("user", (tiles[0].image, Text(DESCRIBE.words[0])))
    deltas = loop.run(collected(reading.read(engine, Request((asked,)), tiles, READ)))
    assert len(tiles) == 3
    lines = text(deltas).splitlines()
    assert [scene.shapes[0].colour in line for scene, line in zip(scenes, lines, strict=True)] == [True] * 3
