"""What the page does: one handler per event; how a turn is answered is in `answering`; no layout here."""

import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from typing import Any

import gradio as gr

from qwen_vl_app.errors import Language, NotReady
from qwen_vl_app.host import Host
from qwen_vl_app.tasks import ASK, DESCRIBE, TASKS
from qwen_vl_app.ui import markup
from qwen_vl_app.ui.added import shelved
from qwen_vl_app.ui.album import Album
from qwen_vl_app.ui.answering import Answering, asked_of, pictures_of, replies
from qwen_vl_app.ui.asked import asking
from qwen_vl_app.ui.choice import ready
from qwen_vl_app.ui.follow_ups import translation
from qwen_vl_app.ui.person import language_for, session_of
from qwen_vl_app.ui.portion import portion_in
from qwen_vl_app.ui.stages import ON_ITS_WAY, stage
from qwen_vl_app.ui.standin import StandIn
from qwen_vl_app.ui.talk import Talk, Turn, again, bubbles, rest
from qwen_vl_app.ui.toolbar import address_for_phones, toolbar
from qwen_vl_app.ui.view import View, idle, told
from qwen_vl_app.ui.wishes import Wishes, read


class Desk:
    """The handlers of the page's events, for the model that `host` answers with."""

    def __init__(self, host: Host, examples: Sequence[str] = (), address: str = "") -> None:
        self.host = host
        self.address = address
        self.examples = examples
        self.album = Album(host)
        self.answering = Answering(StandIn(host, self.album, examples), host)

    async def greet(self, request: gr.Request) -> View:
        """Buttons at the top, head and default question in the browser's language."""
        language = language_for(request)
        tools = toolbar(language, address_for_phones(self.address, request.headers.get("origin", "")))
        return tools, markup.head(self.host.model, language), DESCRIBE.prompt(language)

    async def look(
        self, picture: str | None, good: str | None, question: str, task: str, kept: object, request: gr.Request
    ) -> View:
        """Check a picture as soon as it is chosen and say what the model will see of it.

        A bad one gives way to the last good one, and the page says why.
        """
        if picture is None:
            return gr.skip(), None, gr.skip(), ""
        language = language_for(request)
        try:
            shown = await self.album.viewable(picture)
        except Exception as error:
            return good, good, gr.skip(), markup.refused(told(error, language).message)
        facts = await self.measure(shown, kept, None, request)
        return gr.skip() if shown == picture else shown, shown, refilled(question, task, language), facts

    async def take(self, example: int, question: str, task: str, kept: object, request: gr.Request) -> View:
        """Choose an example picture."""
        path = self.examples[example]
        facts = await self.measure(path, kept, None, request)
        return path, path, refilled(question, task, language_for(request)), facts

    async def measure(self, picture: str | None, kept: object, region: object, request: gr.Request) -> str:
        """The line under the picture: what the model sees of it or its selected part, tokens, share of the context."""
        if picture is None:
            return ""
        try:
            fitted = await self.album.open(picture, read(kept).detail or "usual", portion=portion_in(region))
        except Exception as error:
            return markup.refused(told(error, language_for(request)).message)
        return markup.facts(fitted, self.host.ctx_size, language_for(request))

    async def submit(
        self,
        picture: str | None,
        question: str,
        talk: Talk,
        task: str,
        second: str | None,
        kept: object,
        added: tuple[str, ...],
        region: object,
        request: gr.Request,
    ) -> AsyncGenerator[View, None]:
        """Answer the question about the picture (or both, or a part), or go on in the conversation about it."""

        def turn(language: Language) -> Turn:
            about = talk.about(picture, second if TASKS[task].pictures > 1 else None)
            asked = asking(about, TASKS[task], question, language, added)
            return Turn(talk, about, replace(asked, region=portion_in(region) if about.picture else None), typed=True)

        async for view in self.answering.run(turn, kept, request):
            yield view

    async def again(self, talk: Talk, kept: object, request: gr.Request) -> AsyncGenerator[View, None]:
        """Answer the last question once more."""
        async for view in self.answering.run(lambda _: again(talk), kept, request):
            yield view

    async def go_on(self, talk: Talk, kept: object, request: gr.Request) -> AsyncGenerator[View, None]:
        """Write on where the length limit ended the last answer."""
        async for view in self.answering.run(lambda _: rest(talk), kept, request):
            yield view

    async def translate(self, talk: Talk, kept: object, request: gr.Request) -> AsyncGenerator[View, None]:
        """Say the last answer in the other language."""
        async for view in self.answering.run(lambda language: translation(talk, language), kept, request):
            yield view

    async def take_back(self, talk: Talk, number: object, request: gr.Request) -> View:
        """Put the question of that number back into its box, to be changed; its answer and what follows go.

        The part of the picture that it was about is selected again.
        """
        if not isinstance(number, int) or not 0 <= number < len(talk.exchanges):
            return *idle(), gr.skip()
        asked, before = talk.exchanges[number].asked, talk.until(number)
        language, task = language_for(request), gr.update(value=asked.task)
        view = idle(
            chat=bubbles(before, language),
            status="",
            talk=before,
            question=asked.typed,
            task=task,
            **shelved(asked.pictures, language),
        )
        return *view, list(asked.region) if asked.region else None

    async def stop(self, request: gr.Request) -> None:
        """End this page's own answer."""
        await self.answering.jobs.stop(session_of(request))

    async def let_demo(self, request: gr.Request) -> None:
        """Have the demo answer this page's question, which waits for the model."""
        self.answering.jobs.let_demo(session_of(request))

    async def clear(self, request: gr.Request) -> View:
        """A new conversation: picture, answers and question as on a first visit."""
        await self.answering.jobs.stop(session_of(request), clear=True)
        language, task = language_for(request), gr.update(value=DESCRIBE.name)
        question = DESCRIBE.prompt(language)
        view = idle(chat=[], status="", talk=Talk(), question=question, task=task, **shelved((), language))
        return None, None, "", *view, None

    async def describe(self, image: str | None, prompt: str, request: gr.Request) -> AsyncGenerator[str, None]:
        """The description of a picture, or the answer to `prompt` about it, as it grows."""
        language = language_for(request)
        try:
            if self.host.state in ON_ITS_WAY:
                raise NotReady(state=stage(self.host, language))
            talk = Talk(image or "")
            turn = Turn(talk, talk, asking(talk, ASK, prompt or "", language))
            pictures = await pictures_of(turn, self.album, Wishes())
            sent = asked_of(self.host, turn, pictures, request)
            async with replies(self.host, sent, time.monotonic()) as written:
                async for reply in written:
                    yield reply.text
        except Exception as error:
            raise told(error, language) from None


def refilled(question: str, task: str, language: Language) -> Any:
    """An empty question becomes the task's ready-made one: a new picture needs no typing."""
    chosen = TASKS[task] if task != ASK.name else DESCRIBE
    return gr.skip() if question.strip() else ready(chosen, language)
