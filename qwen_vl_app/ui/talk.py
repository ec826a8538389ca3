"""One conversation about one picture (or two): what the page remembers, shows and sends."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from qwen_vl_app.catalogue import Detail
from qwen_vl_app.chat import Image, Message, Text
from qwen_vl_app.errors import Language
from qwen_vl_app.tasks import TASKS
from qwen_vl_app.ui.formula import shown
from qwen_vl_app.ui.message import parts
from qwen_vl_app.ui.portion import Portion, described
from qwen_vl_app.ui.texts import text

CLOSER: tuple[Detail, ...] = ("coarse", "usual", "fine")


@dataclass(frozen=True)
class Asked:
    """One question: what the model is asked and by which task, what was typed, what the chat shows of it.

    `pictures` are the paths of those that were added to it; `region`: it is about this part of the first one only.
    """

    question: str
    task: str = "ask"
    typed: str = ""
    title: str = ""
    schema: str | None = None
    pictures: tuple[str, ...] = ()
    region: Portion | None = None


@dataclass(frozen=True)
class Exchange:
    """A question and what was answered, perhaps only in part; the rest as in `Asked`.

    `cut`: it ended at the length limit; `by_demo`: the demo answered in the place of the model; `pieces`: it was read
    from so many of a long picture, and its places are on the sides of the whole.
    """

    question: str
    answer: str
    cut: bool = False
    by_demo: bool = False
    task: str = "ask"
    typed: str = ""
    title: str = ""
    schema: str | None = None
    pictures: tuple[str, ...] = ()
    region: Portion | None = None
    pieces: int = 0

    @property
    def asked(self) -> Asked:
        """The question, to be asked again."""
        how = self.typed or self.question, self.title, self.schema, self.pictures, self.region
        return Asked(self.question, self.task, *how)


@dataclass(frozen=True)
class Talk:
    """The exchanges so far about the picture at `picture` (empty: none) and perhaps a second one."""

    picture: str = ""
    exchanges: tuple[Exchange, ...] = ()
    second: str = ""

    @property
    def first(self) -> tuple[str, ...]:
        """The paths of the pictures that it is about from the beginning."""
        return tuple(path for path in (self.picture, self.second) if path)

    @property
    def pictures(self) -> tuple[str, ...]:
        """The paths of all its pictures, in their order."""
        return *self.first, *(path for exchange in self.exchanges for path in exchange.pictures)

    @property
    def subject(self) -> str:
        """The picture that places are in: the last one, which may be held against the others.

        Those of questions about another part were not seen with the last one.
        """
        region = self.exchanges[-1].region if self.exchanges else None
        seen = [path for exchange in self.exchanges if exchange.region == region for path in exchange.pictures]
        return [*self.first, *seen][-1] if self.first or seen else ""

    def detail(self, task: str = "ask") -> Detail:
        """How closely its pictures are looked at: as its closest task needs, `task` being the next one."""
        asked = [TASKS[name].detail for name in (*(exchange.task for exchange in self.exchanges), task)]
        return max(asked, key=CLOSER.index)

    def about(self, picture: str | None, second: str | None = None) -> "Talk":
        """This conversation, or a new one if another picture was chosen."""
        if picture in (None, self.picture) and (not second or second == self.second):
            return self
        return Talk(picture or self.picture, second=second or "")

    def until(self, number: int) -> "Talk":
        """This conversation as it was before the exchange of that number, from 0."""
        return replace(self, exchanges=self.exchanges[:number])

    def with_exchange(
        self, asked: Asked, answer: str, cut: bool = False, by_demo: bool = False, pieces: int = 0
    ) -> "Talk":
        """This conversation with one exchange more."""
        typed = asked.typed if asked.typed != asked.question else ""
        how = asked.task, typed, asked.title, asked.schema, asked.pictures, asked.region, pieces
        return replace(self, exchanges=(*self.exchanges, Exchange(asked.question, answer, cut, by_demo, *how)))


@dataclass(frozen=True)
class Turn:
    """A question about to be answered: `talk` goes before it, `begun` is the answer's beginning if there is one.

    `before` is what the page returns to if nothing is written; `typed`: the question comes from the box for it;
    `by_demo`: the demo answers in the place of the model; `pieces`: the picture is long and read in so many.
    """

    before: Talk
    talk: Talk
    asked: Asked
    begun: str = ""
    typed: bool = False
    by_demo: bool = False
    pieces: int = 0

    @property
    def pictures(self) -> tuple[str, ...]:
        """The paths of the pictures that the model sees, in their order."""
        return *self.talk.pictures, *self.asked.pictures


def again(talk: Talk) -> Turn | None:
    """The last question once more; None if there is none."""
    if not talk.exchanges:
        return None
    return Turn(talk, talk.until(len(talk.exchanges) - 1), talk.exchanges[-1].asked)


def rest(talk: Talk) -> Turn | None:
    """The last answer, to be gone on with where the length limit ended it; None if it did not."""
    turn = again(talk)
    return replace(turn, begun=talk.exchanges[-1].answer) if turn and talk.exchanges[-1].cut else None


def messages(turn: Turn, images: Sequence[Image]) -> tuple[Message, ...]:
    """The whole conversation as the engine takes it, with the `images` of the turn's pictures.

    What the demo answered is left out where the model answers, and the other way round; so is what was said of
    another part of the picture, which the model does not see now.
    """
    left = iter(images)
    first = list(islice(left, len(turn.talk.first)))
    turns: list[Message] = []
    same = turn.by_demo, turn.asked.region
    for exchange in turn.talk.exchanges:
        question = parts(exchange.question, list(islice(left, len(exchange.pictures))))
        if (exchange.by_demo, exchange.region) == same:
            turns += [Message("user", question), Message("assistant", (Text(exchange.answer),))]
    turns.append(Message("user", parts(turn.asked.question, list(left))))
    if turn.begun:
        turns.append(Message("assistant", (Text(turn.begun),)))
    turns[0] = Message("user", (*first, *turns[0].parts))
    return tuple(turns)


def bubbles(talk: Talk, language: Language) -> list[dict[str, Any]]:
    """The conversation as the chat shows it; an answer without text yet has no bubble, one of the demo says so."""
    turns: list[dict[str, Any]] = []
    for number, exchange in enumerate(talk.exchanges):
        paths = *(() if number else talk.first), *exchange.pictures
        pictures = [{"path": path, "alt_text": text("picture", language)} for path in paths]
        mark = [_remark(described(exchange.region, language))] if exchange.region else []
        turns.append({"role": "user", "content": [*pictures, *mark, _words(exchange.title or exchange.question)]})
        if exchange.answer:
            mark = [_remark(text("by_demo", language))] if exchange.by_demo else []
            turns.append({"role": "assistant", "content": [*mark, _words(exchange.answer)]})
    return turns


def _remark(words: str) -> dict[str, str]:
    return {"type": "text", "text": f"*{words}*"}


def _words(words: str) -> dict[str, str]:
    return {"type": "text", "text": shown(words)}
