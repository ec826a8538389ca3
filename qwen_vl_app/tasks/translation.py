"""Having an answer said in the other of the two languages, as a later turn of its conversation."""

import re

from qwen_vl_app.errors import Language
from qwen_vl_app.tasks.task import Words

LETTERS_A_HANZI = 3  # about as many Latin letters say what one Chinese character says
_HANZI, _LATIN = re.compile(r"[\u4e00-\u9fff]"), re.compile(r"[A-Za-z]")
INTO: dict[Language, Words] = {
    "en": ("Translate the answer above into English.", "把上面的回答翻译成英文。"),
    "zh": ("Translate the answer above into Chinese.", "把上面的回答翻译成中文。"),
}


def other_language(answer: str) -> Language:
    """The one of the two languages that an answer is not written in."""
    chinese = LETTERS_A_HANZI * len(_HANZI.findall(answer)) >= len(_LATIN.findall(answer))
    return "en" if chinese else "zh"


def translate(answer: str, language: Language) -> str:
    """The question, asked in `language`, for the last answer in the language that it is not in."""
    return INTO[other_language(answer)][language == "zh"]
