"""The page's parts and how they hang together; what they do is in `desk`."""

import shutil
from pathlib import Path

import gradio as gr
from gradio.utils import get_upload_folder

from qwen_vl_app.host import BUNDLED, DEMO, Host
from qwen_vl_app.keeper import Keeper
from qwen_vl_app.peers import Operators
from qwen_vl_app.tasks import DESCRIBE
from qwen_vl_app.ui import choice
from qwen_vl_app.ui.added import PRESSED, Added
from qwen_vl_app.ui.arrival import CLICKS, Arrival
from qwen_vl_app.ui.desk import Desk
from qwen_vl_app.ui.document import TITLE
from qwen_vl_app.ui.events import QUIET, SHORT
from qwen_vl_app.ui.formula import DELIMITERS
from qwen_vl_app.ui.parts import AddButton, Picture, fetch_nothing
from qwen_vl_app.ui.past import Past
from qwen_vl_app.ui.results import Results
from qwen_vl_app.ui.selection import Selection
from qwen_vl_app.ui.settings_panel import Panel
from qwen_vl_app.ui.stages import BEAT
from qwen_vl_app.ui.talk import Talk
from qwen_vl_app.ui.texts import translations

I18N = gr.I18n(**translations())
QUEUE_FACTOR = 4  # Gradio's queue must never be the full one: the engine's is the one people wait in
PICTURES = {".png", ".jpg", ".jpeg", ".webp"}


def build(keeper: Keeper, operators: Operators, address: str = "") -> gr.Blocks:
    """The page for the model that `keeper` keeps; `operators` may choose another.

    `address` is this machine's for others, if they may come.
    """
    fetch_nothing()
    host = keeper.host
    pictures = examples(host)
    desk = Desk(host, [str(path) for path in pictures], address)
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(3600, 24 * 3600)) as page:
        tools, head = gr.HTML(elem_id="tools", padding=False), gr.HTML(elem_id="head", padding=False)
        arrival, beat = gr.HTML(elem_id="arrival", padding=False), gr.Timer(BEAT, active=False)
        steps = gr.HTML(elem_id="steps", padding=False, js_on_load=CLICKS)
        talk, good, added = gr.State(Talk()), gr.State(None), gr.State(())
        with gr.Row(elem_id="desk", equal_height=False):
            with gr.Column(elem_id="left", scale=4, min_width=300):
                picture, part, second = _picture(), Selection(), _second()
                notice = gr.HTML(elem_id="notice", padding=False)
                gallery = _gallery(pictures)
            with gr.Column(elem_id="right", scale=6, min_width=300):
                chat = _chat()
                status = gr.HTML(elem_id="status", padding=False)
                let_demo = gr.Button(I18N("let_demo"), elem_id="let-demo", size="sm")  # shown while a question waits
                result = gr.HTML(elem_id="result", padding=False)
                files = gr.HTML(elem_id="files", padding=False)
                task, sets = _choices()
                question = _question()
                shelf = gr.HTML(elem_id="added", padding=False)
                add, submit, stop, clear = _buttons()
                hidden = ("go-on", "translate", "take-back")
                go_on, into, back = (gr.Button(elem_id=name, visible="hidden") for name in hidden)
                number = gr.JSON(visible="hidden")  # of what was pressed, from 0, where there are several
                foot = gr.HTML(elem_id="foot", padding=False)
            settings = Panel(host, I18N)  # after the rest for the keyboard and on a phone, below the picture elsewhere
        with gr.Accordion(I18N("models"), open=False, elem_id="models"):  # shown where there are operator's buttons
            models = gr.HTML(padding=False, js_on_load=CLICKS)
        shown = [chat, status, talk, question, task, added, shelf, submit, stop]
        page.load(desk.greet, None, [tools, head, question], **SHORT)
        model = Arrival(keeper, operators)
        of_model = [head, arrival, steps, models, foot, beat]
        gr.on([page.load, beat.tick], model.arrive, None, of_model, **SHORT)
        for buttons in (steps, models):
            buttons.click(model.act, None, of_model, **SHORT)
        asked = [picture, question, talk, task, second, settings.kept, added, part.value]
        asking = gr.on([submit.click, question.submit], desk.submit, asked, shown, trigger_mode="once", **QUIET)
        answered = {"inputs": [talk, settings.kept], "outputs": shown, "trigger_mode": "once", **QUIET}
        turns = [asking, chat.retry(desk.again, **answered)]
        turns += [go_on.click(desk.go_on, **answered), into.click(desk.translate, **answered)]
        told = [back.click(desk.take_back, [talk, number], [*shown, part.value], js=PRESSED, **SHORT)]
        stop.click(desk.stop, None, None, **SHORT)
        let_demo.click(desk.let_demo, None, None, **SHORT)
        cleared = [picture, second, notice, *shown, part.value]
        told.append(clear.click(desk.clear, None, cleared, **SHORT))
        turns += told
        told.append(Past(desk).wire(talk, turns, settings.kept, [second, picture, good, notice, *shown, part.value]))
        turns.append(told[-1])
        Added(desk.album).wire(added, add, shelf, notice, number)
        Results(desk.album).wire(talk, turns, settings.kept, [result, files])
        page.load(choice.offer, None, [task, sets], **SHORT)
        task.change(choice.pick_task, [task, question], [question, second, sets], **SHORT)
        sets.input(choice.pick_fields, [sets], [question], **SHORT)
        looked, chosen = [picture, good, question, task, settings.kept], [picture, good, question, notice]
        picture.input(desk.look, looked, chosen, trigger_mode="always_last", **SHORT)
        if gallery:
            gallery.click(desk.take, [gallery, question, task, settings.kept], chosen, **SHORT)
        settings.wire(page)
        measured = desk.measure, [picture, settings.kept, part.value], notice
        settings.kept.change(*measured, **SHORT)
        part.wire(page, [picture.input, *([gallery.click] if gallery else [])], told, measured)
        _api(desk)
    page.queue(max_size=QUEUE_FACTOR * host.settings.queue_size, default_concurrency_limit=None)
    return page


def examples(host: Host) -> list[Path]:
    """Copies of the model's example pictures, else of the demo's, where Gradio may serve them from."""
    folders = host.model.paths(Path(host.settings.models_dir))[0].parent, BUNDLED / DEMO
    folder = next((each / "examples" for each in folders if (each / "examples").is_dir()), BUNDLED)
    served = Path(get_upload_folder()) / "examples" / host.model.name
    served.mkdir(parents=True, exist_ok=True)
    found = sorted(path for path in folder.glob("*") if path.suffix in PICTURES)
    return [Path(shutil.copy(path, served)) for path in found]


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


def _api(desk: Desk) -> None:
    """The endpoint `/describe` for programs: picture and, if wanted, prompt → text."""
    with gr.Row(visible=False):
        image, prompt, answer = Picture(), gr.Textbox(""), gr.Textbox()
        gr.Button().click(desk.describe, [image, prompt], [answer], api_name="describe", concurrency_limit=None)
