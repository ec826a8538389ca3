"""The operator's list of models: what each takes, where it is, and the buttons that use or delete it."""

from html import escape

from qwen_vl_app.choices import Choice
from qwen_vl_app.errors import Language
from qwen_vl_app.host import DEMO
from qwen_vl_app.keeper import Keeper
from qwen_vl_app.ui.texts import text
from qwen_vl_app.weights.failures import gb

GB = 10**9
COLUMNS = ("models_model", "models_download", "models_memory", "models_state", "models_do")


def panel(keeper: Keeper, language: Language) -> str:
    """The whole list; it changes only when a model's state does, so that no button vanishes under a finger."""
    choices = keeper.choices()
    free = keeper.open
    heads = "".join(f'<th scope="col">{escape(text(key, language))}</th>' for key in COLUMNS)
    rows = "".join(_row(choice, free, language) for choice in choices)
    room = text("models_room", language, room=round(keeper.room / GB))
    return (
        f'<div class="models"><p>{escape(room)}</p>'
        f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _row(choice: Choice, free: bool, language: Language) -> str:
    model = choice.model
    bits = f"<small>{escape(text('bits_' + model.model.quant, language))}</small>" if model.model.quant else ""
    title = text("demo_title", language) if model.name == DEMO else model.title
    cells = (
        f"<b>{escape(title)}</b>{bits}",
        escape(gb(choice.size) if choice.size else text("models_unknown", language)),
        _memory(choice, language),
        _state(choice, language),
        _buttons(choice, free, language),
    )
    labels = ("", *COLUMNS[1:4], "")
    columns = "".join(
        f'<td data-label="{escape(text(label, language) if label else "")}">{cell}</td>'
        for label, cell in zip(labels, cells, strict=True)
    )
    return f'<tr class="{"current" if choice.answers else ""}">{columns}</tr>'


def _memory(choice: Choice, language: Language) -> str:
    if not choice.need:
        return escape(text("models_unknown", language))
    kind, key = ("fits", "models_fits") if choice.fits else ("large", "models_large")
    return f'{gb(choice.need)} <span class="{kind}">{escape(text(key, language))}</span>'


def _state(choice: Choice, language: Language) -> str:
    """Where the model is; no numbers that change by the second."""
    if choice.answers:
        return escape(text("models_answers", language))
    if choice.coming:
        return escape(text("models_coming", language))
    if choice.whole:
        return escape(text("models_here", language))
    return escape(text("models_partly", language)) if choice.part else ""


def _buttons(choice: Choice, free: bool, language: Language) -> str:
    name = f'data-model="{escape(choice.model.name)}" data-quant="{escape(choice.model.model.quant)}"'
    used = choice.answers or choice.coming
    off = "" if free else " disabled"
    use = f'<button type="button" data-act="use" {name}{off}>{text("models_use", language)}</button>'
    parts = [] if used else [use]
    if (choice.whole or choice.part) and not used:
        sure = escape(text("models_sure", language, model=choice.model.title))
        yes = f'<button type="button" class="delete" data-act="delete" {name}>{text("models_yes", language)}</button>'
        summary = f"<summary>{text('models_delete', language)}</summary>"
        parts.append(f"<details>{summary}<span>{sure}</span>{yes}</details>")
    return f'<div class="do">{"".join(parts)}</div>' if parts else ""
