"""The model above the desk: how far it is, why it cannot be had, and what the operator can do about it."""

from typing import Any

import gradio as gr

from qwen_vl_app.errors import SetupError
from qwen_vl_app.keeper import Keeper
from qwen_vl_app.peers import Operators
from qwen_vl_app.ui import cards, markup
from qwen_vl_app.ui.models_panel import panel
from qwen_vl_app.ui.person import language_for
from qwen_vl_app.ui.stages import BEAT, ON_ITS_WAY
from qwen_vl_app.ui.texts import text

SLOW_BEAT = 10.0  # s between two looks at a model that answers: it may be exchanged, or fail
# Clicks on the buttons within the HTML come as events of the whole; which button it was is in its data-… attributes.
CLICKS = """element.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-act]');
  if (button) trigger('click', {...button.dataset});
});"""

View = tuple[Any, ...]


class Arrival:
    """The handlers of the events that are about the model, checked for who sends them."""

    def __init__(self, keeper: Keeper, operators: Operators) -> None:
        self._keeper = keeper
        self._host = keeper.host
        self._operators = operators

    async def arrive(self, request: gr.Request) -> View:
        """Head, card, buttons, list of models and foot as they are now, and when to ask again."""
        language, operator = language_for(request), self._operates(request)
        under_way = self._host.state in ON_ITS_WAY or self._keeper.busy
        return (
            markup.head(self._host.model, language),
            cards.card(self._host, language, operator),
            cards.steps(self._keeper, language) if operator else "",
            panel(self._keeper, language) if operator else "",
            markup.foot(language, self._host.summary(language)),
            gr.Timer(BEAT if under_way else SLOW_BEAT, active=True),
        )

    async def act(self, event: gr.EventData, request: gr.Request) -> View:
        """Do what the operator's button says; from anybody else nothing is done."""
        language = language_for(request)
        if self._operates(request):
            try:
                await self._do(_words(event._data))
            except SetupError as error:
                raise gr.Error(error.text(language), title=text("error", language), print_exception=False) from None
        return await self.arrive(request)

    async def _do(self, wanted: dict[str, str]) -> None:
        if wanted.get("act") in ("retry", "stop"):
            await self._keeper.stop()
        if wanted.get("act") == "retry":
            self._keeper.begin()
        model, quant = wanted.get("model", ""), wanted.get("quant", "")
        if wanted.get("act") == "use":
            await self._keeper.choose(model, quant, wanted.get("projector", ""))
        if wanted.get("act") == "delete":
            await self._keeper.delete(model, quant)

    def _operates(self, request: gr.Request) -> bool:
        peer = request.client.host if request.client else ""
        return self._operators.allow(peer, request.headers, request.cookies)


def _words(data: object) -> dict[str, str]:
    """What a browser sent with its click, as far as it is words."""
    return {key: value for key, value in data.items() if isinstance(value, str)} if isinstance(data, dict) else {}
