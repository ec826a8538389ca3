"""What the page does: answers questions, shows how far they are, checks pictures; no layout here."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any

import gradio as gr

from qwen_vl_app.chat import Progress, Request
from qwen_vl_app.errors import AppError, EmptyRequest, Language, NotReady
from qwen_vl_app.host import Host
from qwen_vl_app.tasks import DESCRIBE
from qwen_vl_app.ui import markup
from qwen_vl_app.ui.album import Album
from qwen_vl_app.ui.jobs import Job, Jobs
from qwen_vl_app.ui.reply import Reply, follow, progress_text, summary
from qwen_vl_app.ui.talk import Talk, bubbles, messages
from qwen_vl_app.ui.texts import language_of, text
from qwen_vl_app.weights.progress import line

BEAT = 0.5  # s between two signs of life while the model is being loaded
OWNER_COOKIE = "owner"
ON_ITS_WAY = ("waiting", "downloading", "starting", "restarting")  # states in which a question waits for the model

log = logging.getLogger(__name__)
View = tuple[Any, ...]


class Desk:
    """The handlers of the page's events, for the model that `host` answers with."""

    def __init__(self, host: Host, examples: Sequence[str] = ()) -> None:
        self.host = host
        self.examples = examples
        self.album = Album(host)
        self.jobs = Jobs(host.engine)

    async def greet(self, request: gr.Request) -> View:
        """Head and default question in the browser's language."""
        language = language_for(request)
        return markup.head(self.host.model, language), DESCRIBE.prompt(language)

    async def look(self, picture: str | None, good: str | None, question: str, request: gr.Request) -> View:
        """Check a picture as soon as it is chosen; a bad one gives way to the last good one, and the page says why."""
        if picture is None:
            return gr.skip(), None, gr.skip(), ""
        language = language_for(request)
        try:
            shown = await self.album.viewable(picture)
        except Exception as error:
            return good, good, gr.skip(), markup.refused(told(error, language).message)
        return gr.skip() if shown == picture else shown, shown, refilled(question, language), ""

    async def take(self, example: int, question: str, request: gr.Request) -> View:
        """Choose an example picture."""
        path = self.examples[example]
        return path, path, refilled(question, language_for(request)), ""

    async def submit(
        self, picture: str | None, question: str, talk: Talk, request: gr.Request
    ) -> AsyncGenerator[View, None]:
        """Answer the question about the picture, or go on in the conversation about it."""
        language = language_for(request)
        with self.jobs.running(session_of(request)) as job:
            try:
                asked = self._asked(talk.about(picture), question, language)
                async with aclosing(self._answer(talk, picture, asked, job, request)) as views:
                    async for view in views:
                        if not job.cleared:
                            yield view
            except Exception as error:
                refusal = told(error, language)
                yield idle(status=markup.failed(refusal.message))
                raise refusal from None

    def _asked(self, talk: Talk, question: str, language: Language) -> str:
        asked = question.strip() or ("" if talk.exchanges else DESCRIBE.prompt(language))
        nothing_to_describe = not talk.picture and asked in DESCRIBE.words
        if not asked or nothing_to_describe:
            raise EmptyRequest()
        return asked

    async def _answer(
        self, before: Talk, picture: str | None, asked: str, job: Job, request: gr.Request
    ) -> AsyncGenerator[View, None]:
        language = language_for(request)
        talk = before.about(picture)
        started = time.monotonic()
        yield busy(status=markup.working(text("opening" if talk.picture else "next", language)))
        async for sign in self._loading(job, language):
            yield busy(status=sign)
        image = (await self.album.open(talk.picture)).image if talk.picture else None
        asking = self.host.request(messages(talk, image, asked), owner_of(request))
        job.request = asking.id
        reply = Reply()
        try:
            async with self._replies(asking, started) as replies:
                async for reply in replies:
                    if job.stopped and not reply.finished:
                        await self.host.engine.cancel(asking.id)
                    yield self._writing(talk, asked, reply, language)
        except Exception:
            yield self._closed(before, talk, asked, reply, language)
            raise
        yield self._closed(before, talk, asked, reply, language)

    @asynccontextmanager
    async def _replies(self, asking: Request, started: float) -> AsyncGenerator[AsyncIterator[Reply], None]:
        """The growing answer; leaving the block ends it in the engine too."""
        async with aclosing(self.host.engine.stream(asking)) as deltas, aclosing(follow(deltas, started)) as replies:
            yield replies

    async def _loading(self, job: Job, language: Language) -> AsyncGenerator[str, None]:
        """Signs of life until the model answers: the question waits."""
        while self.host.state in ON_ITS_WAY and not job.stopped:
            yield markup.working(f"{text('waits', language)} {self._stage(language)}", self._arrived())
            await asyncio.sleep(BEAT)

    async def arrive(self, request: gr.Request) -> View:
        """How far the model is, to be asked again while it is on its way; then, in the foot, where it runs."""
        language = language_for(request)
        if self.host.state in ON_ITS_WAY:
            return markup.working(self._stage(language), self._arrived()), gr.skip(), gr.Timer(active=True)
        return "", markup.foot(language, self.host.summary(language)), gr.Timer(active=False)

    def _stage(self, language: Language) -> str:
        if self.host.state == "downloading" and self.host.progress:
            return line(self.host.progress, language)
        return text(self.host.state, language)

    def _arrived(self) -> float | None:
        progress = self.host.progress
        return (
            progress.done / progress.total if self.host.state == "downloading" and progress and progress.total else None
        )

    def _writing(self, talk: Talk, asked: str, reply: Reply, language: Language) -> View:
        chat = bubbles(talk.with_exchange(asked, reply.text), text("picture", language))
        status = markup.working(progress_text(reply.progress, language), share(reply.progress))
        return busy(chat=chat, status=status, question="" if reply.accepted and not reply.tokens else None)

    def _closed(self, before: Talk, talk: Talk, asked: str, reply: Reply, language: Language) -> View:
        """The end: what was written is kept; if nothing was, the question goes back into its box."""
        kept = talk.with_exchange(asked, reply.text) if reply.text else before
        return idle(
            chat=bubbles(kept, text("picture", language)),
            status=markup.done(summary(reply, language)),
            talk=kept,
            question=None if reply.text else asked,
        )

    async def stop(self, request: gr.Request) -> None:
        """End this page's own answer."""
        await self.jobs.stop(session_of(request))

    async def clear(self, request: gr.Request) -> View:
        """A new conversation: picture, answers and question as on a first visit."""
        await self.jobs.stop(session_of(request), clear=True)
        question = DESCRIBE.prompt(language_for(request))
        return None, "", *idle(chat=[], status="", talk=Talk(), question=question)

    async def describe(self, image: str | None, prompt: str, request: gr.Request) -> AsyncGenerator[str, None]:
        """The description of a picture, or the answer to `prompt` about it, as it grows."""
        language = language_for(request)
        try:
            if self.host.state in ON_ITS_WAY:
                raise NotReady(state=self._stage(language))
            asked = self._asked(Talk(image or ""), prompt or "", language)
            picture = (await self.album.open(image)).image if image else None
            asking = self.host.request(messages(Talk(), picture, asked), owner_of(request))
            async with self._replies(asking, time.monotonic()) as replies:
                async for reply in replies:
                    yield reply.text
        except Exception as error:
            raise told(error, language) from None


def told(error: Exception, language: Language) -> gr.Error:
    """The error as the page shows it: a text for people; what is no refusal is logged and stays general."""
    if not isinstance(error, AppError):
        log.error("unexpected error in a page event", exc_info=error)
        error = AppError()
    return gr.Error(error.text(language), title=text("error", language), print_exception=False)


def refilled(question: str, language: Language) -> Any:
    """An empty question becomes the ready-made one: a new picture needs no typing."""
    return gr.skip() if question.strip() else DESCRIBE.prompt(language)


def busy(**parts: Any) -> View:
    """The page while it works: Stop in place of Submit."""
    return _view(parts, working=True)


def idle(**parts: Any) -> View:
    """The page when it waits for a question."""
    return _view(parts, working=False)


def _view(parts: dict[str, Any], working: bool) -> View:
    given = [gr.skip() if parts.get(name) is None else parts[name] for name in ("chat", "status", "talk", "question")]
    return *given, gr.update(visible=not working), gr.update(visible=working)


def share(progress: Progress) -> float | None:
    """How full the bar is, if the stage has one."""
    return progress.done / progress.total if progress.stage == "reading" and progress.total else None


def language_for(request: gr.Request) -> Language:
    """The language of the browser that sent the event."""
    return language_of(request.headers, request.cookies)


def session_of(request: gr.Request) -> str:
    """The page that sent the event: one per tab."""
    return request.session_hash or ""


def owner_of(request: gr.Request) -> str:
    """Who asks: a random id that the server gave this browser; programs without cookies: their session."""
    return "page:" + (request.cookies.get(OWNER_COOKIE) or session_of(request))
