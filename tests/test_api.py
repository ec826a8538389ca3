"""The API with OpenAI's own client, against a running server and the real engine on the demo model."""

import io
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import openai
import pytest
from openai import OpenAI
from pydantic import BaseModel

from qwen_vl_app.engine.local import LocalEngine
from qwen_vl_app.tasks import DESCRIBE
from tests.conftest import Loop
from tests.serving import api_app, data_url, demo_host, image_part, png, served, user
from training import world

QUESTION = user(image_part(data_url(png())), "What is this?")


@pytest.fixture(scope="module")
def url(loop: Loop, engine: LocalEngine) -> Iterator[str]:
    with served(loop, api_app(demo_host(engine))) as url:
        yield url


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
        yield client


def ask(client: OpenAI, *messages: dict[str, Any], **options: Any) -> Any:
    options = {"model": "demo", "max_tokens": 12} | options
    return client.chat.completions.create(messages=messages, **options)  # type: ignore[call-overload]


def text(answer: Any) -> str:
    return str(answer.choices[0].message.content)


def test_a_question_about_a_picture_is_answered(client: OpenAI) -> None:
    answer = ask(client, QUESTION)
    assert answer.object == "chat.completion"
    assert answer.model == "demo"
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].finish_reason in ("stop", "length")
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert 0 < answer.usage.completion_tokens <= 12


def test_the_answer_is_what_the_picture_shows(client: OpenAI) -> None:
    scenes = [world.scene(seed, n=1) for seed in range(8)]
    answers = [
        text(ask(client, user(image_part(data_url(drawn(scene))), DESCRIBE.prompt("en")), max_tokens=40))
        for scene in scenes
    ]
    right = [answer == scene.answer("describe", "en") for scene, answer in zip(scenes, answers, strict=True)]
    assert sum(right) >= 5, answers


def drawn(scene: world.Scene) -> bytes:
    file = io.BytesIO()
    scene.image().save(file, "PNG")
    return file.getvalue()


def test_a_task_gives_places_in_pixels(client: OpenAI) -> None:
    scene = world.scene(31, n=1)
    options = {"max_tokens": 80, "extra_body": {"task": "find"}}
    message = ask(client, user(image_part(data_url(drawn(scene)))), **options).choices[0].message.model_dump()
    left, top, right, bottom = message["places"][0]["bbox"]
    assert (message["width"], message["height"]) == scene.image().size
    x, y = scene.shapes[0].x * message["width"], scene.shapes[0].y * message["height"]
    assert left < x < right and top < y < bottom


def test_every_picture_counts_with_its_tokens(client: OpenAI) -> None:
    pictures = [image_part(data_url(png(colour))) for colour in ("red", "blue", "green")]
    prompts = [ask(client, user(*pictures[:n], "Hi"), max_tokens=1).usage.prompt_tokens for n in range(4)]
    steps = {after - before for before, after in pairwise(prompts)}
    assert steps == {8 * 8 + 2}  # small pictures are enlarged


def test_the_length_asked_for_ends_the_answer(client: OpenAI) -> None:
    long: Any = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "string", "minLength": 50}}}
    for field in ("max_tokens", "max_completion_tokens"):
        answer = ask(client, user("hi"), **{"max_tokens": 30, field: 3}, response_format=long)
        assert answer.choices[0].finish_reason == "length"
        assert answer.usage.completion_tokens == 3


def test_a_conversation_goes_on_and_its_picture_is_not_read_again(client: OpenAI) -> None:
    first = ask(client, QUESTION)
    turns = ({"role": "system", "content": "Be brief."}, QUESTION)
    second = ask(client, QUESTION, {"role": "assistant", "content": text(first)}, user("And?"))
    assert second.usage.prompt_tokens_details.cached_tokens >= first.usage.prompt_tokens
    assert ask(client, *turns).usage.prompt_tokens > first.usage.prompt_tokens


def test_a_stream_says_what_the_whole_answer_says(client: OpenAI) -> None:
    whole = ask(client, QUESTION)
    chunks = list(ask(client, QUESTION, stream=True))
    deltas = [chunk.choices[0].delta for chunk in chunks]
    assert (deltas[0].role, deltas[0].content) == ("assistant", "")
    assert "".join(delta.content or "" for delta in deltas) == text(whole)
    assert [chunk.choices[0].finish_reason for chunk in chunks[-2:]] == [None, whole.choices[0].finish_reason]
    assert len({chunk.id for chunk in chunks}) == 1
    assert all(chunk.usage is None for chunk in chunks)


def test_a_stream_ends_with_the_counts_if_asked(client: OpenAI) -> None:
    chunks = list(ask(client, QUESTION, stream=True, stream_options={"include_usage": True}))
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens == ask(client, QUESTION).usage.completion_tokens
    assert all(chunk.usage is None for chunk in chunks[:-1])


def test_clients_at_once_get_their_own_answers(client: OpenAI) -> None:
    questions = [
        user(image_part(data_url(drawn(world.scene(seed, n=2)))), DESCRIBE.prompt("en")) for seed in range(20, 26)
    ]
    alone = [text(ask(client, question, max_tokens=40)) for question in questions]

    def streamed(question: dict[str, Any]) -> str:
        chunks = ask(client, question, max_tokens=40, stream=True)
        return "".join(chunk.choices[0].delta.content or "" for chunk in chunks)

    with ThreadPoolExecutor(len(questions)) as threads:
        assert list(threads.map(streamed, questions)) == alone


def test_the_same_seed_gives_the_same_answer(client: OpenAI) -> None:
    words = {"type": "json_schema", "json_schema": {"name": "w", "schema": {"type": "string", "minLength": 12}}}
    hot = {"temperature": 2, "top_p": 0.95, "extra_body": {"top_k": 40, "min_p": 0.01, "repeat_penalty": 1.1}}
    seeds = (1, 7, 7, 8, 9, 10)  # the first one brings the prompt in, so that all others compute the same
    answers = [text(ask(client, user("hi"), seed=n, max_tokens=20, response_format=words, **hot)) for n in seeds]
    assert answers[1] == answers[2]
    assert len(set(answers)) > 2


def test_a_stop_string_is_not_shown(client: OpenAI) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"const": "one two three"}}}
    answer = ask(client, user("hi"), max_tokens=60, response_format=form, stop=["two", "never"])
    assert text(answer) == '"one '
    assert answer.choices[0].finish_reason == "stop"
    assert text(ask(client, user("hi"), max_tokens=60, response_format=form, stop=" three")) == '"one two'


class Shape(BaseModel):
    name: str
    sides: int


def test_an_answer_can_be_held_to_a_schema(client: OpenAI) -> None:
    schema: Any = Shape.model_json_schema()
    schema["properties"]["name"]["maxLength"] = 9
    schema["properties"]["sides"]["maximum"] = 12
    form = {"type": "json_schema", "json_schema": {"name": "shape", "schema": schema, "strict": True}}
    answer = text(ask(client, QUESTION, max_tokens=400, response_format=form))
    assert Shape.model_validate_json(answer)


def test_json_without_a_schema_is_an_object(client: OpenAI) -> None:
    answer = ask(client, QUESTION, max_tokens=400, response_format={"type": "json_object"})
    assert text(answer).startswith("{")
    if answer.choices[0].finish_reason == "stop":
        assert isinstance(json.loads(text(answer)), dict)


@pytest.mark.parametrize("name", ["demo", "DEMO", "Demo (drawn shapes only)", "default", ""])
def test_the_model_goes_by_its_names(client: OpenAI, name: str) -> None:
    assert ask(client, user("hi"), model=name, max_tokens=1).model == "demo"


def test_another_model_is_not_found(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="no model 'gpt-4o' here; known: demo") as refusal:
        ask(client, user("hi"), model="gpt-4o")
    assert refusal.value.code == "model_not_found"
    assert refusal.value.param == "model"


def test_the_models_are_listed(client: OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["demo"]
    assert client.models.retrieve("demo").max_model_len == 2048  # type: ignore[attr-defined]
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("other")


@pytest.mark.parametrize("stream", [False, True])
def test_what_does_not_fit_is_refused_with_both_numbers(client: OpenAI, stream: bool) -> None:
    with pytest.raises(openai.BadRequestError, match="the context holds 2048") as refusal:
        ask(client, user("words " * 3000), stream=stream)
    assert refusal.value.code == "context_length_exceeded"
    details: Any = refusal.value.body
    assert details["details"]["limit"] == 2048
    assert details["details"]["needed"] > 2048


def test_more_pictures_than_can_fit_are_refused_unopened(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refusal:
        ask(client, user(*[image_part("bm90IGEgcGljdHVyZQ==")] * 50, "Hi"))
    assert refusal.value.code == "context_length_exceeded"


def test_words_that_cannot_fit_are_refused_unread(client: OpenAI) -> None:
    started = time.monotonic()
    with pytest.raises(openai.BadRequestError) as refusal:
        ask(client, user("word " * 4_000_000))
    assert refusal.value.code == "context_length_exceeded"
    assert time.monotonic() - started < 5  # tokenising them takes half a minute
