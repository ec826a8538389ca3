"""One conversation about one picture: what the page remembers, shows and sends."""

from dataclasses import dataclass, replace
from typing import Any

from qwen_vl_app.chat import Image, Message, Part, Text


@dataclass(frozen=True)
class Exchange:
    """A question and what was answered, perhaps only in part."""

    question: str
    answer: str


@dataclass(frozen=True)
class Talk:
    """The exchanges so far about the picture at `picture` (empty: none)."""

    picture: str = ""
    exchanges: tuple[Exchange, ...] = ()

    def about(self, picture: str | None) -> "Talk":
        """This conversation, or a new one if another picture was chosen."""
        return self if picture is None or picture == self.picture else Talk(picture)

    def with_exchange(self, question: str, answer: str) -> "Talk":
        """This conversation with one exchange more."""
        return replace(self, exchanges=(*self.exchanges, Exchange(question, answer)))


def messages(talk: Talk, image: Image | None, question: str) -> tuple[Message, ...]:
    """The whole conversation as the engine takes it; the picture is in the first turn only."""
    turns: list[Message] = []
    for exchange in talk.exchanges:
        turns.append(Message("user", (Text(exchange.question),)))
        turns.append(Message("assistant", (Text(exchange.answer),)))
    turns.append(Message("user", (Text(question),)))
    picture: tuple[Part, ...] = (image,) if image else ()
    turns[0] = Message("user", (*picture, *turns[0].parts))
    return tuple(turns)


def bubbles(talk: Talk, alt: str) -> list[dict[str, Any]]:
    """The conversation as the chat shows it; an answer without text yet has no bubble."""
    shown: list[dict[str, Any]] = []
    for exchange in talk.exchanges:
        shown.append({"role": "user", "content": [_words(exchange.question)]})
        if exchange.answer:
            shown.append({"role": "assistant", "content": [_words(exchange.answer)]})
    if talk.picture and shown:
        shown[0]["content"].insert(0, {"path": talk.picture, "alt_text": alt})
    return shown


def _words(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}
