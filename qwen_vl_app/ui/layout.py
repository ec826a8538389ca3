"""The page's parts: what stands where. What they do is wired in `page`."""

from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr

from qwen_vl_app.tasks import DESCRIBE
from qwen_vl_app.ui import choice
from qwen_vl_app.ui.formula import DELIMITERS
from qwen_vl_app.ui.parts import AddButton, Picture
from qwen_vl_app.ui.selection import Selection
from qwen_vl_app.ui.texts import translations

I18N = gr.I18n(**translations())


class Left(NamedTuple):
    """What is asked about."""

    picture: Picture
    part: Selection
    second: Picture
    notice: gr.HTML
    gallery: gr.Dataset | None


class Right(NamedTuple):
    """The conversation; `go_on`, `translate`, `back` and `number` are pressed and set by our own pieces of HTML."""

    chat: gr.Chatbot
    status: gr.HTML
    let_demo: gr.Button
    result: gr.HTML
    files: gr.HTML
    task: gr.Radio
    sets: gr.Radio
    question: gr.Textbox
    shelf: gr.HTML
    add: AddButton
    submit: gr.Button
    stop: gr.Button
    clear: gr.Button
    go_on: gr.Button
    translate: gr.Button
    back: gr.Button
    number: gr.JSON
    foot: gr.HTML

    def view(self, talk: gr.State, added: gr.State) -> list[Any]:
        """The parts that a `View` changes, in its order."""
        before = [self.chat, self.status, talk, self.question, self.task, added, self.shelf]
        return [*before, self.submit, self.stop]


def left(pictures: list[Path]) -> Left:
    """Lay out the left side, with these example pictures."""
    return Left(_picture(), Selection(), _second(), html("notice"), _gallery(pictures))


def right() -> Right:
    """Lay out the right side."""
    chat, status = _chat(), html("status")
    let_demo = gr.Button(I18N("let_demo"), elem_id="let-demo", size="sm")  # shown while a question waits
    result, files = html("result"), html("files")
    task, sets = _choices()
    question, shelf = _question(), html("added")
    add, submit, stop, clear = _buttons()
    go_on, translate, back = (gr.Button(elem_id=name, visible="hidden") for name in ("go-on", "translate", "take-back"))
    number = gr.JSON(visible="hidden")  # of what was pressed, from 0, where there are several
    asked = task, sets, question, shelf, add, submit, stop, clear
    return Right(chat, status, let_demo, result, files, *asked, go_on, translate, back, number, html("foot"))


def html(name: str, **more: Any) -> gr.HTML:
    """A piece of HTML of our own."""
    return gr.HTML(elem_id=name, padding=False, **more)


def _picture() -> Picture:
    return Picture(
        label=I18N("picture"),
        placeholder=I18N("drop"),
        sources=["upload", "webcam", "clipboard"],
        buttons=["fullscreen"],
        height=340,
        elem_id="picture",
    )


def _second() -> Picture:
    return Picture(
        label=I18N("second"),
        placeholder=I18N("drop"),
        sources=["upload", "clipboard"],
        buttons=[],
        height=240,
        visible=False,
        elem_id="second",
    )


def _choices() -> tuple[gr.Radio, gr.Radio]:
    task = gr.Radio(choice.titles("en"), value=DESCRIBE.name, label=I18N("task"), show_label=False, elem_id="tasks")
    sets = gr.Radio(choice.field_titles("en"), label=I18N("field_sets"), visible=False, elem_id="sets")
    return task, sets


def _gallery(pictures: list[Path]) -> gr.Dataset | None:
    if not pictures:
        return None
    return gr.Dataset(
        label=I18N("examples"),
        components=[Picture(render=False)],
        samples=[[str(path)] for path in pictures],
        type="index",
        elem_id="examples",
    )


def _chat() -> gr.Chatbot:
    return gr.Chatbot(
        label=I18N("chat"),
        show_label=False,
        placeholder=I18N("empty"),
        height=None,
        buttons=["copy"],
        allow_file_downloads=False,
        allow_tags=False,
        feedback_options=None,
        latex_delimiters=DELIMITERS,
        elem_id="chat",
    )


def _question() -> gr.Textbox:
    return gr.Textbox(
        label=I18N("question"),
        placeholder=I18N("ask"),
        show_label=False,
        lines=1,
        max_lines=6,
        autofocus=True,
        elem_id="question",
    )


def _buttons() -> tuple[AddButton, gr.Button, gr.Button, gr.Button]:
    with gr.Row(elem_id="buttons"):
        add = AddButton(I18N("add"), file_count="multiple", elem_id="add", min_width=86, scale=1)
        clear = gr.Button(I18N("clear"), elem_id="clear", min_width=64, scale=1)
        submit = gr.Button(I18N("submit"), variant="primary", elem_id="submit", min_width=110, scale=2)
        stop = gr.Button(I18N("stop"), variant="stop", elem_id="stop", visible=False, min_width=110, scale=2)
    return add, submit, stop, clear
