"""The HTML that says how the model is: on its way, in trouble, failed, about to be exchanged."""

from html import escape
from pathlib import Path

from qwen_vl_app import weights
from qwen_vl_app.errors import Language, SetupError
from qwen_vl_app.host import Host
from qwen_vl_app.install.meanwhile import NotInstalled
from qwen_vl_app.keeper import Keeper
from qwen_vl_app.stopping import Stopped
from qwen_vl_app.ui.stages import ON_ITS_WAY, stages
from qwen_vl_app.ui.texts import text
from qwen_vl_app.weights import Cancelled, WeightsError
from qwen_vl_app.weights.failures import place


def card(host: Host, language: Language, operator: bool) -> str:
    """What is to be said about the model, above the desk; empty when it just answers."""
    if host.state == "failed":
        return _failed(host, language, operator)
    if host.state in ON_ITS_WAY:
        return _on_its_way(host, language, operator)
    names = {"now": host.model.title, "model": host.coming.title if host.coming else ""}
    if host.coming:
        return _box("calm", text("taking_over", language, **names), _moving(host, language))
    if isinstance(host.failure, Stopped) and operator:
        return _box("calm", text("stays", language, **names), "")
    if host.failure and operator and not isinstance(host.failure, Cancelled):
        return _box("bad", text("not_taken_over", language, **names), _paragraph(host.failure.text(language)))
    return ""


def _on_its_way(host: Host, language: Language, operator: bool) -> str:
    trouble = host.progress.trouble if host.downloading and host.progress else None
    name = host.model.title
    if trouble:
        said = [_reason(trouble, language, operator), text("tries_again", language)]
        said += [_advice("mend_network", "retry_now", language)] if operator else []
        hand = _by_hand(host, language, "retry_now") if operator else ""
        return _box("bad", text("troubled", language, model=name), "".join(map(_paragraph, said)) + hand)
    waits = _paragraph(text("ask_already", language))
    return _box("calm", text("on_its_way", language, model=name), _moving(host, language) + waits)


def _failed(host: Host, language: Language, operator: bool) -> str:
    failure, name = host.failure or SetupError(), host.model.title
    if isinstance(failure, Cancelled):
        return _box("calm", text("download_stopped", language, model=name), _paragraph(text("download_kept", language)))
    if isinstance(failure, Stopped):
        return _box("calm", text("loading_stopped", language, model=name), _paragraph(text("files_kept", language)))
    words = [_reason(failure, language, operator)]
    words.append(_advice(_mended(failure), "retry", language) if operator else text("visitors_wait", language))
    inside = "".join(map(_paragraph, words))
    inside += _by_hand(host, language, "retry") if operator and isinstance(failure, WeightsError) else ""
    inside += _moving(host, language) if host.downloading else ""  # what is not installed does not hold that up
    return _box("bad", text("no_model", language, model=name), inside)


def _mended(failure: SetupError) -> str:
    """Which advice helps against it."""
    if isinstance(failure, NotInstalled):
        return "mend_install"
    return "mend_network" if isinstance(failure, weights.NoHub) else "then_retry"


def _reason(failure: SetupError, language: Language, operator: bool) -> str:
    """The whole reason for the operator where there is no shorter one; for everybody what names no folder."""
    if operator and not isinstance(failure, weights.NoHub):
        return failure.text(language)
    return failure.brief(language)


def _advice(key: str, button: str, language: Language) -> str:
    return text(key, language, retry=text(button, language))


def _by_hand(host: Host, language: Language, button: str) -> str:
    """Which files to put where, with their addresses."""
    model, folder = host.model, Path(host.settings.models_dir) / host.model.folder
    files = weights.addresses(model, host.settings.hub)
    if not files:
        return ""
    lead = text("by_hand", language, folder=place(folder), retry=text(button, language))
    rows = (f"<li><code>{escape(name)}</code> {_links(found)}</li>" for name, found in files.items())
    return f"{_paragraph(lead)}<ul>{''.join(rows)}</ul>"


def _links(found: dict[str, str]) -> str:
    link = '<a href="{}" target="_blank" rel="noopener noreferrer">{}</a>'
    return " · ".join(link.format(escape(address), escape(host)) for host, address in found.items())


def _moving(host: Host, language: Language) -> str:
    return "".join(_stage(words, share) for words, share in stages(host, language))


def _stage(words: str, share: float | None) -> str:
    bar = "" if share is None else f'<progress value="{share:.3f}" max="1"></progress>'
    return f'{bar}<p class="numbers"><i class="dot"></i>{escape(words)}</p>'


def _paragraph(words: str) -> str:
    return f"<p>{escape(words)}</p>"


def _box(kind: str, title: str, inside: str) -> str:
    role = "alert" if kind == "bad" else "status"
    return f'<section class="card {kind}" role="{role}"><h2>{escape(title)}</h2>{inside}</section>'


def steps(keeper: Keeper, language: Language) -> str:
    """The operator's buttons under the card: only those that do something now."""
    host, buttons = keeper.host, []
    if host.state == "failed" and (host.downloading or not keeper.busy):
        key = {Cancelled: "continue", Stopped: "load"}.get(type(host.failure), "retry")
        buttons.append(_button("retry", key, language))
    elif host.downloading and host.progress and host.progress.trouble:
        buttons.append(_button("retry", "retry_now", language))
    if host.downloading:
        buttons.append(_button("stop", "stop_download", language))
    elif keeper.busy and not host.installing:
        buttons.append(_button("stop", "stop_loading", language))
    return f'<div class="steps">{"".join(buttons)}</div>'


def _button(act: str, key: str, language: Language) -> str:
    return f'<button type="button" data-act="{act}" class="{act}">{text(key, language)}</button>'
