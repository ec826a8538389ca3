"""A turn of the conversation as it is answered: what the page shows from the question to the last word."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace

import gradio as gr

from qwen_vl_app import reading
from qwen_vl_app.chat import Progress, Request
from qwen_vl_app.errors import EmptyRequest, Language
from qwen_vl_app.host import DEMO, Host
from qwen_vl_app.media import Picture
from qwen_vl_app.tasks import ASK, TASKS
from qwen_vl_app.ui import markup
from qwen_vl_app.ui.added import shelved
from qwen_vl_app.ui.album import Album
from qwen_vl_app.ui.follow_ups import follow_ups
from qwen_vl_app.ui.jobs import Job, Jobs
from qwen_vl_app.ui.person import language_for, owner_of, session_of
from qwen_vl_app.ui.reply import Reply, follow, progress_text, summary
from qwen_vl_app.ui.stages import BEAT, ON_ITS_WAY, arrived, stage
from qwen_vl_app.ui.standin import StandIn
from qwen_vl_app.ui.talk import Turn, bubbles, messages
from qwen_vl_app.ui.texts import text
from qwen_vl_app.ui.view import View, busy, idle, told
from qwen_vl_app.ui.wishes import Wishes, read


class Answering:
    """Has turns answered by the model that `host` answers with."""

    def __init__(self, stand_in: StandIn, host: Host) -> None:
        self.host = host
        self.stand_in = stand_in
        self.jobs = Jobs()

    async def run(
        self, make: Callable[[Language], Turn | None], kept: object, request: gr.Request
    ) -> AsyncGenerator[View, None]:
        """The page while the turn that `make` gives is answered, with the settings that the browser has `kept`."""
        language = language_for(request)
        with self.jobs.running(session_of(request)) as job:
            try:
                wishes, turn = read(kept), make(language)
                if turn is None:
                    raise EmptyRequest()
                async with aclosing(self._answer(turn, wishes, job, request)) as views:
                    async for view in views:
                        if not job.cleared:
                            yield view
            except Exception as error:
                refusal = told(error, language)
                yield idle(status=markup.failed(refusal.message))
                raise refusal from None

    async def _answer(self, turn: Turn, wishes: Wishes, job: Job, request: gr.Request) -> AsyncGenerator[View, None]:
        language = language_for(request)
        started = time.monotonic()
        yield busy(status=markup.working(text("opening" if turn.pictures else "next", language)))
        job.stands_in = self.stand_in.wanted(turn.talk.picture)
        async for sign in self._loading(job, language):
            yield busy(status=sign)
        if job.stopped:
            yield idle(status=markup.done(text("stopped_early", language)))
            return
        if job.stands_in:
            yield busy(status=markup.working(text("demo_starts", language)))
        seat = await self.stand_in.seat(job.stands_in)
        turn = replace(turn, by_demo=seat.stands_in)
        pictures = await pictures_of(turn, seat.album, wishes)
        pieces = await pieces_of(turn, pictures, seat.album, wishes)
        turn = replace(turn, pieces=len(pieces))
        asking = wishes.on(asked_of(seat.host, turn, pictures, request))
        job.request, job.engine = asking.id, seat.host.engine
        reply = Reply()
        try:
            async with replies(seat.host, asking, started, pieces, turn.asked.task) as written:
                async for reply in written:
                    if job.stopped and not reply.finished:
                        await seat.host.engine.cancel(asking.id)
                    yield _writing(turn, reply, language)
        except Exception:
            yield _closed(turn, reply, pictures, language)
            raise
        yield _closed(turn, reply, pictures, language)

    async def _loading(self, job: Job, language: Language) -> AsyncGenerator[str, None]:
        """Signs of life until the model answers, or the demo can: the question waits."""
        demo = self.host.model.name != DEMO
        while not job.stopped and (self.host.installing if job.stands_in else self.host.state in ON_ITS_WAY):
            words = f"{text('waits', language)} {stage(self.host, language)}"
            yield markup.working(words, arrived(self.host), "waits" if demo and not job.stands_in else "")
            await asyncio.sleep(BEAT)
        if self.host.state == "failed" and self.host.failure and not job.stands_in:
            raise self.host.failure


@asynccontextmanager
async def replies(
    host: Host, asking: Request, started: float, pieces: Sequence[Picture] = (), task: str = ASK.name
) -> AsyncGenerator[AsyncIterator[Reply], None]:
    """The growing answer of `host`, from the `pieces` of a long picture if any; leaving the block ends it there too."""
    stream = reading.read(host.engine, asking, pieces, TASKS[task]) if pieces else host.engine.stream(asking)
    async with aclosing(stream) as deltas, aclosing(follow(deltas, started)) as growing:
        yield growing


async def pieces_of(turn: Turn, pictures: Sequence[Picture], album: Album, wishes: Wishes) -> Sequence[Picture]:
    """The pieces in which the picture of the turn is read; none unless it is long and all of it is to be read."""
    task = TASKS[turn.asked.task]
    if turn.begun or not reading.may_be_long(pictures, task, turn.asked.question):
        return ()
    pieces = await album.pieces(turn.pictures[0], wishes.detail or task.detail, turn.asked.region)
    return pieces if len(pieces) > 1 else ()


async def pictures_of(turn: Turn, album: Album, wishes: Wishes) -> list[Picture]:
    """The conversation's pictures, as closely as the person or the task wants; raises as `Album.open`.

    Of the first one the part that is asked about.
    """
    detail = wishes.detail or turn.talk.detail(turn.asked.task)
    among, portion = len(turn.pictures), turn.asked.region
    return [
        await album.open(path, detail, among, None if number else portion) for number, path in enumerate(turn.pictures)
    ]


def asked_of(host: Host, turn: Turn, pictures: Sequence[Picture], request: gr.Request) -> Request:
    """The turn as the engine takes it, sampled as its task needs; where pieces are read, without what was before."""
    turn = replace(turn, talk=turn.talk.until(0)) if turn.pieces else turn
    sent = messages(turn, [picture.image for picture in pictures])
    asking = host.request(sent, owner_of(request), TASKS[turn.asked.task])
    return replace(asking, json_schema=turn.asked.schema)


def _writing(turn: Turn, reply: Reply, language: Language) -> View:
    chat = bubbles(turn.talk.with_exchange(turn.asked, turn.begun + reply.text, by_demo=turn.by_demo), language)
    status = markup.working(progress_text(reply.progress, language), share(reply.progress))
    sent = turn.typed and reply.accepted and not reply.tokens
    return busy(chat=chat, status=status, **({"question": "", **shelved((), language)} if sent else {}))


def _closed(turn: Turn, reply: Reply, pictures: Sequence[Picture], language: Language) -> View:
    """The end: what was written is kept; if nothing was, a question that was typed goes back into its box."""
    cut = reply.finished is not None and reply.finished.reason == "length"
    cut = cut and not (turn.by_demo or turn.pieces)  # the model will not go on with another's words, or with a piece
    written = turn.talk.with_exchange(turn.asked, turn.begun + reply.text, cut, turn.by_demo, turn.pieces)
    kept = written if reply.text else turn.before
    unanswered = turn.typed and not reply.text
    figures = summary(reply, language, pictures[0] if pictures and not turn.pieces else None)
    marked = f"{text('demo_title', language)} · {figures}" if turn.by_demo and figures else figures
    return idle(
        chat=bubbles(kept, language),
        status=markup.done(marked, follow_ups(kept, language) if reply.text else ""),
        talk=kept,
        **({"question": turn.asked.typed, **shelved(turn.asked.pictures, language)} if unanswered else {}),
        task=gr.update(value=ASK.name) if turn.typed and reply.text else None,
    )


def share(progress: Progress) -> float | None:
    """How full the bar is, if the stage has one."""
    if progress.parts:
        return (progress.part - 1) / progress.parts
    return progress.done / progress.total if progress.stage == "reading" and progress.total else None
