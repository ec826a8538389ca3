"""What can be done next with the last answer by one press: go on where the limit ended it, have it translated."""

from html import escape

from qwen_vl_app.errors import Language
from qwen_vl_app.tasks import TASKS, other_language, translate
from qwen_vl_app.ui.talk import Asked, Talk, Turn
from qwen_vl_app.ui.texts import text


def follow_ups(talk: Talk, language: Language) -> str:
    """The buttons under the last answer, as HTML; each presses the hidden button of Gradio's that it names."""
    if not talk.exchanges:
        return ""
    last = talk.exchanges[-1]
    into = {"en": "into_english", "zh": "into_chinese"}[other_language(last.answer)]
    offers = {"go-on": "go_on"} if last.cut else {}
    if TASKS[last.task].kind == "text" and not last.by_demo:
        offers["translate"] = into
    return "".join(
        f'<button type="button" data-press="{name}">{escape(text(label, language))}</button>'
        for name, label in offers.items()
    )


def translation(talk: Talk, language: Language) -> Turn | None:
    """The question for the last answer in the other language; None if there is no answer."""
    if not talk.exchanges:
        return None
    last = talk.exchanges[-1]
    return Turn(talk, talk, Asked(translate(last.answer, language), region=last.region))
