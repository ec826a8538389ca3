"""One conversation about one picture: what the page remembers, shows and sends."""

from dataclasses import dataclass, replace
from typing import Any

from qwen_vl_app.chat import Image, Message, Part, Text
from qwen_vl_app.ui.formula import shown


@dataclass(frozen=True)
class Exchange:
    """A question and what was answered, perhaps only in part; `cut`: it ended at the length limit."""

    question: str
    answer: str
    cut: bool = False


@dataclass(frozen=True)
class Talk:
    """The exchanges so far about the picture at `picture` (empty: none)."""

    picture: str = ""
    exchanges: tuple[Exchange, ...] = ()

    def about(self, picture: str | None) -> "Talk":
        """This conversation, or a new one if another picture was chosen."""
        return self if picture is None or picture == self.picture else Talk(picture)

    def until(self, number: int) -> "Talk":
        """This conversation as it was before the exchange of that number, from 0."""
        return replace(self, exchanges=self.exchanges[:number])

    def with_exchange(self, question: str, answer: str, cut: bool = False) -> "Talk":
        """This conversation with one exchange more."""
        return replace(self, exchanges=(*self.exchanges, Exchange(question, answer, cut)))


@dataclass(frozen=True)
class Turn:
    """A question about to be answered: `talk` goes before it, `begun` is the answer's beginning if there is one.

    `before` is what the page returns to if nothing is written; `typed`: the question comes from the box for it.
    """

    before: Talk
    talk: Talk
    asked: str
    begun: str = ""
    typed: bool = False


def again(talk: Talk) -> Turn | None:
    """The last question once more; None if there is none."""
    if not talk.exchanges:
        return None
    return Turn(talk, talk.until(len(talk.exchanges) - 1), talk.exchanges[-1].question)


def rest(talk: Talk) -> Turn | None:
    """The last answer, to be gone on with where the length limit ended it; None if it did not."""
    turn = again(talk)
    return replace(turn, begun=talk.exchanges[-1].answer) if turn and talk.exchanges[-1].cut else None


def messages(turn: Turn, image: Image | None) -> tuple[Message, ...]:
    """The whole conversation as the engine takes it; the picture is in the first turn only."""
    turns: list[Message] = []
    for exchange in turn.talk.exchanges:
        turns.append(Message("user", (Text(exchange.question),)))
        turns.append(Message("assistant", (Text(exchange.answer),)))
    turns.append(Message("user", (Text(turn.asked),)))
    if turn.begun:
        turns.append(Message("assistant", (Text(turn.begun),)))
    picture: tuple[Part, ...] = (image,) if image else ()
    turns[0] = Message("user", (*picture, *turns[0].parts))
    return tuple(turns)


def bubbles(talk: Talk, alt: str) -> list[dict[str, Any]]:
    """The conversation as the chat shows it; an answer without text yet has no bubble."""
    turns: list[dict[str, Any]] = []
    for exchange in talk.exchanges:
        turns.append({"role": "user", "content": [_words(exchange.question)]})
        if exchange.answer:
            turns.append({"role": "assistant", "content": [_words(exchange.answer)]})
    if talk.picture and turns:
        turns[0]["content"].insert(0, {"path": talk.picture, "alt_text": alt})
    return turns


def _words(text: str) -> dict[str, str]:
    return {"type": "text", "text": shown(text)}
