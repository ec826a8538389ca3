"""Conversations that take turns: what one is not using is set aside in memory and comes back as it was."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from qwen_vl_app.chat import Image, Message, Progress, Request, Sampling, Text
from qwen_vl_app.engine.local import LocalEngine
from qwen_vl_app.engine.native import Language
from qwen_vl_app.engine.plan import Plan
from tests.conftest import Loop
from tests.scenes import fitted
from tests.test_engine_local import ask, collect, last, text

QUESTIONS = ("Describe this picture.", "请用中文描述这张图片", "How many shapes are there?")


def follow_up(loop: Loop, engine: LocalEngine, first: Request, question: str) -> Request:
    """The turn after `first`, which is answered here."""
    answer = text(loop.run(collect(engine, first)))
    turns = (*first.messages, Message("assistant", (Text(answer),)), Message("user", (Text(question),)))
    return replace(first, messages=turns, id=f"{first.id}+")


def test_conversations_that_take_turns_go_on_where_they_were(loop: Loop, engine: LocalEngine) -> None:
    scenes = [fitted(9200 + i)[0] for i in range(3)]
    firsts = [ask(scene, QUESTIONS[0], max_tokens=120, owner=f"turn {i}") for i, scene in enumerate(scenes)]
    later = [follow_up(loop, engine, first, QUESTIONS[1]) for first in firsts]
    for request in later:
        deltas = loop.run(collect(engine, request))
        assert last(deltas).usage.cached_tokens > 60
        assert not [d for d in deltas if isinstance(d, Progress) and d.stage == "looking"]
        fresh = replace(request, owner=f"fresh {request.owner}", id=f"fresh {request.id}")
        assert text(deltas) == text(loop.run(collect(engine, fresh)))


def test_two_questions_about_a_picture_that_was_set_aside(loop: Loop, engine: LocalEngine) -> None:
    scene: Image = fitted(9210)[0]
    loop.run(collect(engine, ask(scene, QUESTIONS[0], owner="two")))
    loop.run(collect(engine, ask("hello", max_tokens=2, owner="somebody")))
    for question in QUESTIONS[1:]:
        known = loop.run(collect(engine, ask(scene, question, owner="two")))
        assert last(known).usage.cached_tokens > 60
        assert text(known) == text(loop.run(collect(engine, ask(scene, question, owner="nobody"))))


def test_an_answer_with_broken_characters_is_known_again(loop: Loop, engine: LocalEngine) -> None:
    """Random bytes are shown as replacement characters; the next turn still finds the ids that were written."""
    wild = Sampling(temperature=50.0, seed=3, top_k=0, top_p=1.0)
    first = ask("hello", max_tokens=60, owner="wild", sampling=wild)
    later = follow_up(loop, engine, first, "And?")
    answer = later.messages[1].parts[0]
    assert isinstance(answer, Text) and "\ufffd" in answer.text
    usage = last(loop.run(collect(engine, replace(later, max_tokens=2)))).usage
    assert usage.cached_tokens > 60


@pytest.fixture
def language(demo_plan: Callable[..., Plan]) -> Iterator[Language]:
    language = Language(demo_plan(), lambda _: None)
    yield language
    language.close()


def test_saved_cells_are_the_same_cells_again(language: Language) -> None:
    picture = np.random.default_rng(1).normal(size=(6, language.width)).astype(np.float32)
    places = np.array([[3] * 6, [3, 3, 3, 4, 4, 4], [3, 4, 5] * 2, [0] * 6], np.int32)
    language.decode([(token, token - 5, 2, False) for token in (5, 6, 7)])
    language.decode_picture(picture, places, 2)
    saved = language.save(2)
    language.forget(2)
    assert language.restore(2, saved)
    assert np.array_equal(language.save(2), saved)


def test_a_sequence_without_cells_is_saved_and_restored_too(language: Language) -> None:
    saved = language.save(1)
    assert language.restore(1, saved)


def test_what_does_not_fit_is_not_restored(language: Language, demo_plan: Callable[..., Plan]) -> None:
    language.decode([(5, i, 0, False) for i in range(400)])
    saved = language.save(0)
    small = Language(demo_plan(ctx_size=256, pool=256), lambda _: None)
    try:
        assert not small.restore(0, saved)
    finally:
        small.close()
