"""Selecting a part of the chosen picture: the row below it, and the value that questions carry."""

from collections.abc import Sequence
from html import escape
from typing import Any

import gradio as gr

from qwen_vl_app.errors import Language
from qwen_vl_app.ui.events import SHORT
from qwen_vl_app.ui.person import language_for
from qwen_vl_app.ui.texts import text

SIDES = ("left", "top", "right", "bottom")


class Selection:
    """The row and its value, fractions of the picture's sides (`portion`); `region.js` is the other side."""

    def __init__(self) -> None:
        """Lay the row out here."""
        self._row = gr.HTML(elem_id="region", padding=False)
        self._chosen = gr.Button(elem_id="region-chosen", visible="hidden")  # pressed when a part was selected
        self.value = gr.JSON(visible="hidden")

    def wire(self, page: gr.Blocks, picked: Sequence[Any], told: Sequence[Any], measured: Any) -> None:
        """Keep what is selected until another picture is `picked`; show what the server says after events of `told`.

        `measured`, the arguments of an event, shows what the part costs.
        """
        page.load(self.offer, None, self._row, **SHORT)
        # Left to itself Gradio drops what is pressed while the same event is still under way.
        js = "() => [region.value()]"
        chosen = self._chosen.click(None, None, self.value, js=js, trigger_mode="multiple", **SHORT)
        chosen.then(*measured, trigger_mode="always_last", **SHORT)
        gr.on(list(picked), None, None, self.value, js="() => [region.picked()]", **SHORT)
        for event in told:
            event.then(None, self.value, None, js="(value) => region.show(value)", **SHORT)

    async def offer(self, request: gr.Request) -> str:
        """The row in the person's language."""
        return row(language_for(request))


def row(language: Language) -> str:
    """The button, the four numbers that a keyboard can change, and the way back to the whole picture."""
    fields = "".join(
        f'<label>{escape(text(f"region_{side}", language))}<input type="number" inputmode="numeric" min="0" step="1" '
        f'data-side="{number}"></label>'
        for number, side in enumerate(SIDES)
    )
    return (
        f'<div class="region"><button type="button" data-region="select" aria-expanded="false">'
        f"{_ICON}{escape(text('region_select', language))}</button>"
        f'<button type="button" data-region="whole" hidden>{escape(text("region_whole", language))}</button>'
        f"<fieldset hidden><legend>{escape(text('region_px', language))}</legend>"
        f"<p>{escape(text('region_hint', language))}</p><div>{fields}</div></fieldset></div>"
    )


_ICON = '<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M4 8V4h4M16 4h4v4M20 16v4h-4M8 20H4v-4"/></svg>'
