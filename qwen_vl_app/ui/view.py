"""What an event of the page changes on it, in the order of the page's parts."""

import logging
from typing import Any

import gradio as gr

from qwen_vl_app.errors import AppError, Language, SetupError
from qwen_vl_app.ui.texts import text

log = logging.getLogger(__name__)
View = tuple[Any, ...]
VIEWED = ("chat", "status", "talk", "question", "task", "added", "shelf")  # before Submit and Stop


def busy(**parts: Any) -> View:
    """The page while it works: Stop in place of Submit."""
    return _view(parts, working=True)


def idle(**parts: Any) -> View:
    """The page when it waits for a question."""
    return _view(parts, working=False)


def _view(parts: dict[str, Any], working: bool) -> View:
    given = [gr.skip() if parts.get(name) is None else parts[name] for name in VIEWED]
    return *given, gr.update(visible=not working), gr.update(visible=working)


def told(error: Exception, language: Language) -> gr.Error:
    """The error as the page shows it: a text for people; what is no refusal is logged and stays general."""
    if isinstance(error, SetupError):
        return gr.Error(error.brief(language), title=text("error", language), print_exception=False)
    if not isinstance(error, AppError):
        log.error("unexpected error in a page event", exc_info=error)
        error = AppError()
    return gr.Error(error.text(language), title=text("error", language), print_exception=False)
