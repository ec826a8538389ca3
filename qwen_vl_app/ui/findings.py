"""The HTML of a task's result: places drawn over the picture, a table of fields, links to files."""

import base64
import csv
import io
import json
from collections.abc import Mapping, Sequence
from html import escape
from urllib.parse import quote

from qwen_vl_app.errors import Language
from qwen_vl_app.media import Mark
from qwen_vl_app.tasks import Found, Place, exports
from qwen_vl_app.ui.texts import text


def places(picture: str, size: tuple[int, int], marks: Sequence[Mark], found: Found, language: Language) -> str:
    """The picture with its places over it, and the list of them; `size` in px of the original."""
    shapes = "".join(_shape(number, mark) for number, mark in enumerate(marks))
    items = "".join(_item(number, mark) for number, mark in enumerate(marks))
    alt = escape(text("places", language, count=len(marks)))
    return (
        f'<section class="finding" aria-label="{alt}"><h3>{alt}</h3><figure><img src="{address(picture)}" alt="{alt}">'
        f'<svg viewBox="0 0 {size[0]} {size[1]}" preserveAspectRatio="none" aria-hidden="true">{shapes}</svg></figure>'
        f"<ol>{items}</ol>{_losses(found, language)}</section>"
    )


def _shape(number: int, mark: Mark) -> str:
    style = f'data-place="{number}" style="--hue:{mark.colour}"'
    if len(mark.at) == 2:
        return f'<path class="dot" d="M{mark.at[0]:.1f} {mark.at[1]:.1f}h0" {style}/>'
    x1, y1, x2, y2 = mark.at
    return f'<rect x="{x1:.1f}" y="{y1:.1f}" width="{x2 - x1:.1f}" height="{y2 - y1:.1f}" {style}/>'


def _item(number: int, mark: Mark) -> str:
    at = ", ".join(f"{value:.0f}" for value in mark.at)
    return (
        f'<li data-place="{number}" tabindex="0" style="--hue:{mark.colour}">'
        f"<b>{number + 1}</b> <span>{escape(mark.label)}</span> <small>{at}</small></li>"
    )


def _losses(found: Found, language: Language) -> str:
    words = [text("places_lost", language, count=found.lost)] if found.lost else []
    words += [text("places_cut", language)] if found.cut else []
    return f'<p class="losses" role="note">{" ".join(words)}</p>' if words else ""


def table(named: Mapping[str, str], language: Language) -> str:
    """Names and values, one to a row."""
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>' for name, value in named.items()
    )
    title = escape(text("fields", language))
    return f'<section class="finding" aria-label="{title}"><h3>{title}</h3><table>{rows}</table></section>'


def remark(words: tuple[str, str], language: Language) -> str:
    """A plain remark above everything else."""
    return f'<p class="remark" role="note">{escape(words[language == "zh"])}</p>'


def field_files(named: Mapping[str, str], stem: str) -> str:
    """Links to the fields as JSON and as CSV."""
    rows = io.StringIO()
    csv.writer(rows).writerows((exports.harmless(name), exports.harmless(value)) for name, value in named.items())
    return _files(
        ("JSON", f"{stem}.json", "application/json", json.dumps(named, ensure_ascii=False, indent=1)),
        ("CSV", f"{stem}.csv", "text/csv", exports.BOM + rows.getvalue()),
    )


def place_files(found: Sequence[Place], name: str, size: tuple[int, int]) -> str:
    """Links to the places as JSON, COCO, YOLO and CSV."""
    stem = name.rsplit(".", 1)[0]
    return _files(
        ("JSON", f"{stem}-places.json", "application/json", exports.as_json(found, name, size)),
        ("COCO", f"{stem}-coco.json", "application/json", exports.as_coco(found, name, size)),
        ("YOLO", f"{stem}.txt", "text/plain", exports.as_yolo(found, size)),
        ("CSV", f"{stem}-places.csv", "text/csv", exports.as_csv(found)),
    )


def _files(*files: tuple[str, str, str, str]) -> str:
    """Links that hold their files themselves: nothing is kept here for them."""
    links = "".join(
        f'<a download="{escape(name)}" href="data:{kind};charset=utf-8;base64,{_packed(content)}">{title}</a>'
        for title, name, kind, content in files
    )
    return f'<p class="files">{links}</p>'


def with_drawn(files: str, path: str, language: Language) -> str:
    """The links, and after them (nothing moves under a finger) the one to the picture at `path`."""
    name = escape(path.replace("\\", "/").rpartition("/")[2])
    link = f'<a download="{name}" href="{address(path)}">{escape(text("drawn", language))}</a>'
    return files.removesuffix("</p>") + link + "</p>"


def address(path: str) -> str:
    """Where the page finds a file in the folder of uploads."""
    return f"gradio_api/file={escape(quote(path))}"


def _packed(content: str) -> str:
    return base64.b64encode(content.encode()).decode()
