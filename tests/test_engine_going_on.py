"""An answer that the length limit ended is gone on with as if nothing had ended it, on the demo model."""

from dataclasses import replace

from qwen_vl_app.chat import Message, Request, Text, join
from qwen_vl_app.engine.local import LocalEngine
from tests.conftest import Loop
from tests.scenes import fitted


def asked(*turns: Message, **options: object) -> Request:
    first = Message("user", (fitted(3)[0], Text("Describe this picture.")))
    return Request((first, *turns), owner="going on", **options)  # type: ignore[arg-type]


def test_the_rest_is_what_would_have_come_and_only_it_is_computed(loop: Loop, engine: LocalEngine) -> None:
    whole = loop.run(join(engine.stream(replace(asked(), owner="whole"))))
    assert whole.reason == "stop" and whole.usage.completion_tokens > 4
    begun = loop.run(join(engine.stream(asked(max_tokens=4))))
    assert begun.reason == "length"
    rest = loop.run(join(engine.stream(asked(Message("assistant", (Text(begun.text),))))))
    assert rest.reason == "stop" and begun.text + rest.text == whole.text
    assert rest.usage.cached_tokens >= begun.usage.prompt_tokens
    turns = (Message("assistant", (Text(whole.text),)), Message("user", (Text("How many shapes are there?"),)))
    after = loop.run(join(engine.stream(asked(*turns))))
    assert after.usage.cached_tokens >= rest.usage.prompt_tokens
