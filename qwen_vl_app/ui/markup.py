"""The page's few pieces of HTML: head, status line, facts about a picture."""

from html import escape

from qwen_vl_app.catalogue import Model
from qwen_vl_app.errors import Language
from qwen_vl_app.media import Picture
from qwen_vl_app.ui.texts import text


def head(model: Model, language: Language) -> str:
    """Title, what to do, which model answers, and how honest a demo is."""
    is_demo = model.name == "demo"
    title = text("demo_title", language) if is_demo else model.title
    demo = f'<p class="banner" role="note">{text("demo", language)}</p>' if is_demo else ""
    return (
        f'<header><h1>{text("title", language)}</h1><span class="model">{escape(title)}</span>'
        f'<p class="lead">{text("lead", language)} <span>{text("private", language)}</span></p></header>'
        f'{demo}<p class="no-camera">{text("no_camera", language)}</p>'
    )


def foot(language: Language, where: str = "") -> str:
    """Under the question: where the model runs, once it does, and the keys."""
    return f'<p class="foot"><span>{escape(where)}</span><span class="keys">{text("keys", language)}</span></p>'


def working(words: str, share: float | None = None, kind: str = "") -> str:
    """The status line while something is done; `share` of 1 fills a bar, the style sheet knows its `kind`."""
    bar = "" if share is None else f'<progress value="{share:.3f}" max="1"></progress>'
    inside = f'<i class="dot"></i><span>{escape(words)}</span>{bar}'
    return f'<div class="status working {kind}" role="status">{inside}</div>'


def done(words: str, buttons: str = "") -> str:
    """The status line under a finished answer, with the `buttons` (HTML) for what can follow."""
    return f'<div class="status done" role="status">{buttons}<span>{escape(words)}</span></div>'


def facts(picture: Picture, ctx_size: int, language: Language) -> str:
    """Under a picture: its size as the model sees it, its tokens, its share of a conversation."""
    tokens = picture.placed.tokens
    words = text(
        "facts",
        language,
        size=f"{picture.image.width} × {picture.image.height}",
        tokens=tokens,
        share=f"{100 * tokens / ctx_size:.1f}".removesuffix(".0"),
    )
    note = f" · {text(picture.note, language)}" if picture.note else ""
    return f'<div class="status facts">{escape(words + note)}</div>'


def failed(words: str) -> str:
    """The status line after a refusal; the pop-up with the same words is what screen readers announce."""
    return f'<div class="status failed">{escape(words)}</div>'


def refused(words: str) -> str:
    """Why a chosen file is not shown, under the picture."""
    return f'<div class="status failed" role="alert">{escape(words)}</div>'
