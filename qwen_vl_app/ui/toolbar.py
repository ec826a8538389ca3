"""The buttons at the top: history, the address for a phone, language, light or dark. `tools.js` makes them work."""

import re
from html import escape

import segno

from qwen_vl_app.errors import Language
from qwen_vl_app.ui.texts import text

_LOCAL = re.compile(r"https?://(localhost|127\.|\[::1\])")
_ICONS = {
    "history": '<path d="M4 12a8 8 0 1 0 2.6-5.9L4 8.5M4 4v4.5h4.5M12 8v4l3 2"/>',
    "phone": '<rect x="7" y="3" width="10" height="18" rx="2"/><path d="M11 18h2"/>',
    "language": '<circle cx="12" cy="12" r="8.5"/><path d="M3.5 12h17M12 3.5c5 5 5 12 0 17c-5-5-5-12 0-17"/>',
    "look": '<circle cx="12" cy="12" r="8"/><path d="M12 4a8 8 0 0 1 0 16z" fill="currentColor"/>',
}


def toolbar(language: Language, address: str = "") -> str:
    """The buttons; with a code of `address` for a phone's camera if there is one."""
    other = "en" if language == "zh" else "zh"
    name, tag = ("English", "en") if language == "zh" else ("中文", "zh-CN")
    return (
        '<div class="tools">'
        + _button("history", text("history", language))
        + (_phone(address, language) if address else "")
        + f'<button type="button" data-language="{other}" lang="{tag}">{_icon("language")}<span>{name}</span></button>'
        + _button("look", text("look", language))
        + "</div>"
    )


def address_for_phones(own: str, origin: str) -> str:
    """What a phone opens: the address in this browser, or `own` where that means this very machine; "" if none."""
    return own if not own or not origin or _LOCAL.match(origin) else origin


def _button(name: str, words: str) -> str:
    return f'<button type="button" data-do="{name}">{_icon(name)}<span>{escape(words)}</span></button>'


def _icon(name: str) -> str:
    return f'<svg viewBox="0 0 24 24" aria-hidden="true">{_ICONS[name]}</svg>'


def _phone(address: str, language: Language) -> str:
    code = segno.make(address, error="m", micro=False).svg_inline(scale=5, border=3, light="#fff", dark="#0f172a")
    words = escape(text("phone", language))
    return (
        f"<details><summary>{_icon('phone')}<span>{words}</span></summary>"
        f'<div class="code"><p>{escape(text("phone_hint", language))}</p>'
        f'<div role="img" aria-label="{escape(text("phone_code", language))}">{code}</div>'
        f"<p><b>{escape(address)}</b></p></div></details>"
    )
