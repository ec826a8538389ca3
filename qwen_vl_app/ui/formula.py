"""An answer as the chat may render it: Markdown and formulas, but no HTML and no picture of its own.

What a model writes can be what a picture told it to write. Outside of code, tags are shown as text and pictures become
links; `page.js` undoes the escaping when an answer is copied.
"""

import re

# Opening and closing marks that the chat renders as formulas (KaTeX). A single $ is a price more often than not.
DELIMITERS = [
    {"left": "$$", "right": "$$", "display": True},
    {"left": "\\[", "right": "\\]", "display": True},
    {"left": "\\(", "right": "\\)", "display": False},
]
_CODE = r"(?P<code>```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)|(?P<ticks>`+)(?!`).+?(?<!`)(?P=ticks)(?!`))"
_FORMULA = r"(?P<formula>\$\$.+?\$\$|\\\[.+?\\\]|\\\(.+?\\\))"
# As Pandoc tells a formula from a price: no space inside the marks, no digit after them.
_INLINE = r"(?<![\\$])\$(?P<inline>[^\s$](?:[^$\n]*[^\s$\\])?)\$(?![\d$])"
_PICTURE = r"(?P<picture>!(?=\[))"
_TAG = r"(?P<tag><(?=[A-Za-z/!?]))"
_PARTS = re.compile("|".join((_CODE, _FORMULA, _INLINE, _PICTURE, _TAG)), re.DOTALL)


def shown(answer: str) -> str:
    """The Markdown to show for `answer`: `$x$` as a formula, tags as text, no pictures."""
    return _PARTS.sub(_safe, answer)


def _safe(part: re.Match[str]) -> str:
    match part.lastgroup:
        case "inline":
            return f"\\({part['inline']}\\)"
        case "picture":
            return ""
        case "tag":
            return "&lt;"
    return part[0]
