"""The settings of an answer, folded away: what a person changes is kept in their browser and sent with questions."""

from dataclasses import asdict
from typing import Any, get_args

import gradio as gr

from qwen_vl_app.catalogue import Detail, Model
from qwen_vl_app.errors import Language
from qwen_vl_app.host import Host
from qwen_vl_app.ui.events import SHORT
from qwen_vl_app.ui.person import language_for
from qwen_vl_app.ui.texts import text
from qwen_vl_app.ui.wishes import RANGES, SAMPLED, Wishes, read

SLIDERS = ("temperature", "top_p", "top_k", "presence_penalty")
SECRET = "not secret: this only keeps Gradio from choosing another one at each start"


class Panel:
    """The settings on the page; `kept` holds what differs from the model's own."""

    def __init__(self, host: Host, i18n: gr.I18n) -> None:
        """Lay the panel out here."""
        self._host = host
        self._i18n = i18n
        self.kept = gr.BrowserState({}, storage_key="settings", secret=SECRET)
        with gr.Accordion(i18n("settings"), open=False, elem_id="settings"):
            self.fields: dict[str, Any] = {"system": self._system()}
            self.fields["detail"] = self._detail(host.model)
            with gr.Row():
                self.fields |= {name: self._slider(name, host.model) for name in SLIDERS}
            with gr.Row():
                self.fields |= {name: self._number(name) for name in ("max_tokens", "seed")}
            self._recommended = gr.Button(i18n("recommended"), size="sm", elem_id="recommended")

    def _system(self) -> gr.Textbox:
        return gr.Textbox(
            label=self._i18n("system"), placeholder=self._i18n("system_hint"), lines=2, max_lines=6, elem_id="system"
        )

    def _detail(self, model: Model) -> gr.Dropdown:
        return gr.Dropdown(
            label=self._i18n("detail"),
            choices=details(model, "en"),
            value="",
            filterable=False,
            visible=len({model.budget_for(name) for name in get_args(Detail)}) > 1,
            elem_id="detail",
        )

    def _slider(self, name: str, model: Model) -> gr.Slider:
        least, most, step = RANGES[name]
        return gr.Slider(
            least,
            most,
            step=step,
            value=getattr(model.sampling, name),
            label=self._i18n(name),
            info=self._i18n(f"{name}_hint"),
            buttons=[],
            min_width=200,
            elem_id=name,
        )

    def _number(self, name: str) -> gr.Number:
        return gr.Number(
            None, label=self._i18n(name), placeholder=self._i18n(f"{name}_hint"), min_width=120, elem_id=name
        )

    def wire(self, page: gr.Blocks) -> None:
        """Keep what is changed, show what is kept, and go back to the model's own when asked."""
        for name, field in self.fields.items():
            # A field that is emptied counts as untouched. Runs in the browser: no question can overtake it.
            keep = f"(kept, value) => settings.keep(kept, {name!r}, value)"
            # A text box tells only of keys as input, not of what is pasted with the mouse.
            changed = field.change if isinstance(field, gr.Textbox) else field.input
            changed(None, [self.kept, field], self.kept, js=keep, **SHORT)
        self._recommended.click(None, None, self.kept, js="() => settings.forget()", **SHORT).then(
            self.show, self.kept, list(self.fields.values()), **SHORT
        )
        page.load(self.greet, self.kept, list(self.fields.values()), **SHORT)

    async def greet(self, kept: object, request: gr.Request) -> list[Any]:
        """As `show`, but what is as it was laid out is let alone: somebody may be typing in it already."""
        shown = zip(await self.show(kept, request), self.fields.values(), strict=True)
        return [gr.skip() if value == field.value else value for value, field in shown]

    async def show(self, kept: object, request: gr.Request) -> list[Any]:
        """The fields as they are kept; where nothing is, as the model recommends."""
        try:
            wishes = read(kept)
        except Exception:
            wishes = Wishes()  # what is out of range is refused when a question is asked
        own = {name: getattr(self._host.model.sampling, name) for name in SAMPLED}
        values = {name: value if value is not None else own.get(name) for name, value in asdict(wishes).items()}
        choices = details(self._host.model, language_for(request))
        values["detail"] = gr.update(choices=choices, value=wishes.detail or "")
        return [values[name] for name in self.fields]


def details(model: Model, language: Language) -> list[tuple[str, str]]:
    """The choices of how closely a picture is looked at, each with the most tokens that it takes."""
    named = [
        (text(f"detail_{name}", language, tokens=model.budget_for(name).max_tokens), name) for name in get_args(Detail)
    ]
    return [(text("detail_task", language), ""), *named]
