"""The operator's list of models: what each takes, where it is, and the buttons that use or delete it."""

from html import escape

from qwen_vl_app.catalogue import Model
from qwen_vl_app.choices import Choice, Projector
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
        f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>{_projectors(keeper, language)}</div>"
    )


def _projectors(keeper: Keeper, language: Language) -> str:
    """The projectors of the present model, where there is a choice."""
    model, found = keeper.host.model, keeper.projectors()
    answers = keeper.host.state in ("ready", "restarting")
    rows = "".join(_projector_row(each, model, keeper.open, answers, language) for each in found)
    lead = escape(text("projector", language, model=model.title))
    return f"<p>{lead}</p><table><tbody>{rows}</tbody></table>" if found else ""


def _projector_row(choice: Projector, model: Model, free: bool, answers: bool, language: Language) -> str:
    name = f'data-model="{escape(model.name)}" data-quant="{escape(model.model.quant)}"'
    name += f' data-projector="{escape(choice.file.quant)}"'
    state = "models_answers" if choice.used and answers else "models_here" if choice.here else ""
    cells = (
        f"<b>{escape(text('bits_' + choice.file.quant, language))}</b>",
        escape(gb(choice.file.size)),
        _memory(choice, language),
        escape(text(state, language)) if state else "",
        "" if choice.used else f'<div class="do">{_use(name, free, language)}</div>',
    )
    return _columns(cells, choice.used, language)


def _use(name: str, free: bool, language: Language) -> str:
    off = "" if free else " disabled"
    return f'<button type="button" data-act="use" {name}{off}>{text("models_use", language)}</button>'


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
    return _columns(cells, choice.answers, language)


def _columns(cells: tuple[str, ...], current: bool, language: Language) -> str:
    labels = ("", *COLUMNS[1:4], "")
    columns = "".join(
        f'<td data-label="{escape(text(label, language) if label else "")}">{cell}</td>'
        for label, cell in zip(labels, cells, strict=True)
    )
    return f'<tr class="{"current" if current else ""}">{columns}</tr>'


def _memory(choice: Choice | Projector, language: Language) -> str:
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
    parts = [] if used else [_use(name, free, language)]
    if (choice.whole or choice.part) and not used:
        sure = escape(text("models_sure", language, model=choice.model.title))
        yes = f'<button type="button" class="delete" data-act="delete" {name}>{text("models_yes", language)}</button>'
        summary = f"<summary>{text('models_delete', language)}</summary>"
        parts.append(f"<details>{summary}<span>{sure}</span>{yes}</details>")
    return f'<div class="do">{"".join(parts)}</div>' if parts else ""
