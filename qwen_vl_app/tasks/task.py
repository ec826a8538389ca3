"""One thing to ask for: its prompts, how closely it looks, how it is sampled, what its answer is."""

import json
import re
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from qwen_vl_app.catalogue import Detail
from qwen_vl_app.chat import Sampling
from qwen_vl_app.errors import Language

Kind: TypeAlias = Literal["text", "places", "fields"]
Words: TypeAlias = tuple[str, str]  # English, Chinese

EXACT = Sampling()  # greedy: reading and places are right or wrong, not lively (qwen3-vl.md, section 3)
MARK = "{}"  # where a prompt takes what the person wrote
SEPARATORS = re.compile(r"[,，、;；\n]+")


@dataclass(frozen=True)
class Task:
    """One thing to ask for.

    `prompt` may hold a `MARK`; then the person's words go there (`hint` says which), or `everything` if there are
    none. `exact` answers are sampled greedily. `kind` says what the answer is: text, places in JSON, or an object.
    """

    name: str
    title: Words
    words: Words
    detail: Detail = "usual"
    exact: bool = False
    kind: Kind = "text"
    pictures: int = 1
    tiled: bool = False
    hint: Words | None = None
    everything: Words = ("", "")
    listed: bool = False  # the person's words are a list of fields

    def prompt(self, language: Language, given: str = "") -> str:
        """The question in `language`, about what the person has `given`."""
        words = self.words[language == "zh"]
        given = given.strip() or self.everything[language == "zh"]
        if self.listed:
            given = _template(given)
        return words.replace(MARK, given)

    def question(self, language: Language, given: str = "") -> str:
        """What is sent: the prompt with the person's words in their place, or their own question in place of it."""
        takes_words = MARK in self.words[0] and self.hint is not None
        return self.prompt(language, given) if takes_words else given.strip() or self.prompt(language)

    def reads(self, question: str) -> bool:
        """Whether `question` is this task's own and wants all that stands in a picture, however long that is."""
        return self.tiled and question in self.words

    def sampling(self, own: Sampling) -> Sampling:
        """How to sample the answer; `own` is the model's."""
        return replace(EXACT, seed=own.seed) if self.exact else own

    def schema(self, language: Language, given: str = "") -> str | None:
        """The JSON schema that the answer is held to, if it has named fields."""
        named = (given if self.hint else "") or self.everything[language == "zh"]
        if self.kind != "fields" or not (names := fields_of(named)):
            return None
        texts = {name: {"type": "string"} for name in names}
        return json.dumps({"type": "object", "properties": texts, "required": names}, ensure_ascii=False)


def fields_of(given: str) -> list[str]:
    """The names in a list that a person wrote, with commas of either language, each once."""
    return list(dict.fromkeys(name.strip() for name in SEPARATORS.split(given) if name.strip()))


def _template(given: str) -> str:
    names = dict.fromkeys(fields_of(given), "")
    return json.dumps(names, ensure_ascii=False) if names else "{…}"
