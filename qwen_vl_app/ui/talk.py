"""One conversation about one picture: what the page remembers, shows and sends."""

from dataclasses import dataclass, replace
from typing import Any

from qwen_vl_app.chat import Image, Message, Part, Text
from qwen_vl_app.errors import Language
from qwen_vl_app.ui.formula import shown
from qwen_vl_app.ui.texts import text


@dataclass(frozen=True)
class Exchange:
    """A question and what was answered, perhaps only in part.

    `cut`: it ended at the length limit; `by_demo`: the demo answered in the place of the model.
    """

    question: str
    answer: str
    cut: bool = False
    by_demo: bool = False


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

    def with_exchange(self, question: str, answer: str, cut: bool = False, by_demo: bool = False) -> "Talk":
        """This conversation with one exchange more."""
        return replace(self, exchanges=(*self.exchanges, Exchange(question, answer, cut, by_demo)))


@dataclass(frozen=True)
class Turn:
    """A question about to be answered: `talk` goes before it, `begun` is the answer's beginning if there is one.

    `before` is what the page returns to if nothing is written; `typed`: the question comes from the box for it;
    `by_demo`: the demo answers in the place of the model.
    """

    before: Talk
    talk: Talk
    asked: str
    begun: str = ""
    typed: bool = False
    by_demo: bool = False


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
    """The whole conversation as the engine takes it; the picture is in the first turn only.

    What the demo answered is left out where the model answers, and the other way round.
    """
    turns: list[Message] = []
    for exchange in (each for each in turn.talk.exchanges if each.by_demo == turn.by_demo):
        turns.append(Message("user", (Text(exchange.question),)))
        turns.append(Message("assistant", (Text(exchange.answer),)))
    turns.append(Message("user", (Text(turn.asked),)))
    if turn.begun:
        turns.append(Message("assistant", (Text(turn.begun),)))
    picture: tuple[Part, ...] = (image,) if image else ()
    turns[0] = Message("user", (*picture, *turns[0].parts))
    return tuple(turns)


def bubbles(talk: Talk, language: Language) -> list[dict[str, Any]]:
    """The conversation as the chat shows it; an answer without text yet has no bubble, one of the demo says so."""
    turns: list[dict[str, Any]] = []
    for exchange in talk.exchanges:
        turns.append({"role": "user", "content": [_words(exchange.question)]})
        if exchange.answer:
            mark = [{"type": "text", "text": f"*{text('by_demo', language)}*"}] if exchange.by_demo else []
            turns.append({"role": "assistant", "content": [*mark, _words(exchange.answer)]})
    if talk.picture and turns:
        turns[0]["content"].insert(0, {"path": talk.picture, "alt_text": text("picture", language)})
    return turns


def _words(words: str) -> dict[str, str]:
    return {"type": "text", "text": shown(words)}
