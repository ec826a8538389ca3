"""How the page's parts hang together; what stands where is in `layout`, what events do in `desk`."""

import shutil
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder

from qwen_vl_app.host import BUNDLED, DEMO, Host
from qwen_vl_app.keeper import Keeper
from qwen_vl_app.peers import Operators
from qwen_vl_app.ui import choice, layout
from qwen_vl_app.ui.added import PRESSED, Added
from qwen_vl_app.ui.arrival import CLICKS, Arrival
from qwen_vl_app.ui.desk import Desk
from qwen_vl_app.ui.document import TITLE
from qwen_vl_app.ui.events import QUIET, SHORT
from qwen_vl_app.ui.layout import I18N, Left, Right, html
from qwen_vl_app.ui.parts import Picture, fetch_nothing
from qwen_vl_app.ui.past import Past
from qwen_vl_app.ui.results import Results
from qwen_vl_app.ui.settings_panel import Panel
from qwen_vl_app.ui.stages import BEAT
from qwen_vl_app.ui.talk import Talk

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
        tools, head, arrival, steps = html("tools"), html("head"), html("arrival"), html("steps", js_on_load=CLICKS)
        with gr.Row(elem_id="desk", equal_height=False):
            with gr.Column(elem_id="left", scale=4, min_width=300):
                left = layout.left(pictures)
            with gr.Column(elem_id="right", scale=6, min_width=300):
                right = layout.right()
            settings = Panel(host, I18N)  # after the rest for the keyboard and on a phone, below the picture elsewhere
        with gr.Accordion(I18N("models"), open=False, elem_id="models"):  # shown where there are operator's buttons
            models = gr.HTML(padding=False, js_on_load=CLICKS)
        page.load(desk.greet, None, [tools, head, right.question], **SHORT)
        _of_model(page, Arrival(keeper, operators), [head, arrival, steps, models, right.foot])
        good = gr.State(None)
        told = _conversation(desk, left, right, settings, good)
        _of_picture(page, desk, left, right, settings, good, told)
        settings.wire(page)
        _api(desk)
    page.queue(max_size=QUEUE_FACTOR * host.settings.queue_size, default_concurrency_limit=None)
    return page


def _of_model(page: gr.Blocks, model: Arrival, shown: list[Any]) -> None:
    """Show which model answers, or how far it is; the third and fourth part of `shown` have its buttons."""
    beat = gr.Timer(BEAT, active=False)
    outputs = [*shown, beat]
    gr.on([page.load, beat.tick], model.arrive, None, outputs, **SHORT)
    for buttons in shown[2:4]:
        buttons.click(model.act, None, outputs, **SHORT)


def _conversation(desk: Desk, left: Left, right: Right, settings: Panel, good: gr.State) -> list[Any]:
    """Wire the turns of the conversation; returns the events that say which part of the picture is selected."""
    talk, added, kept, selected = gr.State(Talk()), gr.State(()), settings.kept, left.part.value
    shown = right.view(talk, added)
    asked = [left.picture, right.question, talk, right.task, left.second, kept, added, selected]
    once: dict[str, Any] = {"outputs": shown, "trigger_mode": "once", **QUIET}
    turns = [gr.on([right.submit.click, right.question.submit], desk.submit, asked, **once)]
    answers = ((right.chat.retry, desk.again), (right.go_on.click, desk.go_on), (right.translate.click, desk.translate))
    turns += [event(handler, [talk, kept], **once) for event, handler in answers]
    right.stop.click(desk.stop, None, None, **SHORT)
    right.let_demo.click(desk.let_demo, None, None, **SHORT)
    back = right.back.click(desk.take_back, [talk, right.number], [*shown, selected], js=PRESSED, **SHORT)
    cleared = [left.picture, left.second, left.notice, *shown, selected]
    clear = right.clear.click(desk.clear, None, cleared, **SHORT)
    opened = [left.second, left.picture, good, left.notice, *shown, selected]
    reopened = Past(desk).wire(talk, [*turns, back, clear], kept, opened)
    Added(desk.album).wire(added, right.add, right.shelf, left.notice, right.number)
    Results(desk.album).wire(talk, [*turns, back, clear, reopened], kept, [right.result, right.files])
    return [back, clear, reopened]


def _of_picture(
    page: gr.Blocks, desk: Desk, left: Left, right: Right, settings: Panel, good: gr.State, told: list[Any]
) -> None:
    """Wire the choice of pictures, of a part of one, and of a task."""
    picture, question, task, kept, notice = left.picture, right.question, right.task, settings.kept, left.notice
    page.load(choice.offer, None, [task, right.sets], **SHORT)
    task.change(None, [task, question], question, js="(name, typed) => tasks.question(name, typed)", **SHORT)
    task.change(choice.pick_task, task, [question, left.second, right.sets], **SHORT)
    right.sets.input(choice.pick_fields, [right.sets], [question], **SHORT)
    chosen, picked = [picture, good, question, notice], [picture.input]
    picture.input(desk.look, [picture, good, question, task, kept], chosen, trigger_mode="always_last", **SHORT)
    if left.gallery:
        left.gallery.click(desk.take, [left.gallery, question, task, kept], chosen, **SHORT)
        picked.append(left.gallery.click)
    measured = desk.measure, [picture, kept, left.part.value], notice
    kept.change(*measured, **SHORT)
    left.part.wire(page, picked, told, measured)


def examples(host: Host) -> list[Path]:
    """Copies of the model's example pictures, else of the demo's, where Gradio may serve them from."""
    folders = host.model.paths(Path(host.settings.models_dir))[0].parent, BUNDLED / DEMO
    folder = next((each / "examples" for each in folders if (each / "examples").is_dir()), BUNDLED)
    served = Path(get_upload_folder()) / "examples" / host.model.name
    served.mkdir(parents=True, exist_ok=True)
    found = sorted(path for path in folder.glob("*") if path.suffix in PICTURES)
    return [Path(shutil.copy(path, served)) for path in found]


def _api(desk: Desk) -> None:
    """The endpoint `/describe` for programs: picture and, if wanted, prompt → text."""
    with gr.Row(visible=False):
        image, prompt, answer = Picture(), gr.Textbox(""), gr.Textbox()
        gr.Button().click(desk.describe, [image, prompt], [answer], api_name="describe", concurrency_limit=None)
