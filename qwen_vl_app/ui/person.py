"""Who sent an event of the page, and in which language they read."""

import gradio as gr

from qwen_vl_app.errors import Language
from qwen_vl_app.ui.texts import language_of

OWNER_COOKIE = "owner"


def language_for(request: gr.Request) -> Language:
    """The language of the browser that sent the event."""
    return language_of(request.headers, request.cookies)


def session_of(request: gr.Request) -> str:
    """The page that sent the event: one per tab."""
    return request.session_hash or ""


def owner_of(request: gr.Request) -> str:
    """Who asks: a random id that the server gave this browser; programs without cookies: their session."""
    return "page:" + (request.cookies.get(OWNER_COOKIE) or session_of(request))
