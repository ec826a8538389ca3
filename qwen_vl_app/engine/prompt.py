"""From messages to what goes into the context: the model's own template, people's words kept apart from it."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn, TypeAlias

from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from qwen_vl_app.chat import FramePair, Image, Message, Part, Role


@dataclass(frozen=True)
class Picture:
    """A picture in the context: equal if they show the same pixels."""

    key: str
    cells: int
    positions: int


Entry: TypeAlias = int | Picture  # a token id, or a whole picture


@dataclass(frozen=True)
class Filled:
    """A place of the template where a part of a message stands."""

    role: Role
    part: Part


class PromptTemplate:
    """A chat template (Jinja) that is rendered around sentinels, so that no user string is ever parsed."""

    def __init__(self, source: str) -> None:
        """Compile `source`.

        Raises:
            ValueError: it is empty, broken, or loses what people write.
        """
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
        )
        environment.globals["raise_exception"] = _refuse
        environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
        try:
            self._template = environment.from_string(source)
            self.render([Message("user", ())])
        except TemplateError as error:
            raise ValueError("the model's chat template cannot be used") from error

    def render(self, messages: Sequence[Message]) -> list[str | Filled]:
        """Template text and the parts of `messages`, in the order in which the model reads them.

        If the last turn is the assistant's, it is left open: the answer goes on where it ends.

        Raises:
            ValueError: the template dropped, doubled or reordered a part.
        """
        if messages[-1].role == "assistant":
            begun = [Filled("assistant", part) for part in messages[-1].parts]
            return [*self.render(messages[:-1]), *begun]
        mark = f"x{secrets.token_hex(12)}x"
        filled = [Filled(message.role, part) for message in messages for part in message.parts]
        rendered = self._template.render(
            messages=_sentinels(messages, mark), add_generation_prompt=True, tools=None, bos_token="", eos_token=""
        )
        texts = rendered.split(mark)
        order = [text.partition("y")[0] for text in texts[1:]]
        if order != [str(i) for i in range(len(filled))]:
            raise ValueError("the model's chat template loses parts of the conversation")
        pieces: list[str | Filled] = [texts[0]]
        for part, text in zip(filled, texts[1:], strict=True):
            pieces += [part, text.partition("y")[2]]
        return [piece for piece in pieces if piece != ""]


def _sentinels(messages: Sequence[Message], mark: str) -> list[dict[str, str]]:
    numbered = iter(range(sum(len(message.parts) for message in messages)))
    return [
        {"role": message.role, "content": "".join(f"{mark}{next(numbered)}y" for _ in message.parts)}
        for message in messages
    ]


def _refuse(reason: str) -> NoReturn:
    raise TemplateError(reason)


def picture_key(picture: Image | FramePair) -> str:
    """What tells pictures apart: the hash of the pixels, of both frames for a pair."""
    if isinstance(picture, FramePair):
        return f"{picture.first.key}+{picture.second.key}"
    return picture.key
