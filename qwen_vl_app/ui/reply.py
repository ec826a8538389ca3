"""An answer as it grows: the engine's deltas become what a person sees of them, at a pace that eyes can use."""

import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass, replace

from qwen_vl_app.chat import Accepted, Finished, Progress, Token
from qwen_vl_app.errors import Language
from qwen_vl_app.media import Picture
from qwen_vl_app.reading import Answered, Joined
from qwen_vl_app.ui.texts import text

PACE = 0.04  # s between two updates of the page
MEASURABLE = 0.1  # s; tokens of less come in one bunch


@dataclass(frozen=True)
class Reply:
    """What is known of an answer; times in seconds since the question was sent."""

    text: str = ""
    tokens: int = 0
    first: float = 0.0
    last: float = 0.0
    accepted: bool = False
    progress: Progress = Progress("queued")
    finished: Finished | None = None

    @property
    def rate(self) -> float:
        """Tokens per second after the first one; of an answer too short to measure so, over its whole time."""
        if self.last - self.first >= MEASURABLE:
            return (self.tokens - 1) / (self.last - self.first)
        return self.tokens / self.last if self.last else 0.0


def advance(reply: Reply, delta: Answered, now: float) -> Reply:
    """`reply` after `delta`."""
    if isinstance(delta, Joined):
        return replace(reply, text=delta.settled + delta.rest)
    if isinstance(delta, Accepted):
        return replace(reply, accepted=True)
    if isinstance(delta, Progress):
        return replace(reply, progress=delta)
    if isinstance(delta, Finished):
        return replace(reply, finished=delta)
    return _written(reply, delta, now)


def _written(reply: Reply, token: Token, now: float) -> Reply:
    first = reply.first if reply.tokens else now
    return replace(
        reply,
        text=reply.text + token.text,
        tokens=reply.tokens + 1,
        first=first,
        last=now,
        progress=replace(reply.progress, stage="writing", done=0, total=0),
    )


async def follow(
    deltas: AsyncIterator[Answered], started: float, clock: Callable[[], float] = time.monotonic
) -> AsyncGenerator[Reply, None]:
    """The growing answer: at most once per `PACE`, always at a change of stage, at the end, and before an error."""
    reply, shown, stage = Reply(), 0.0, None
    try:
        async for delta in deltas:
            now = clock()
            reply = advance(reply, delta, now - started)
            if reply.finished or reply.progress != stage or now - shown >= PACE:
                shown, stage = now, reply.progress
                yield reply
    except Exception:
        yield reply
        raise


def progress_text(progress: Progress, language: Language) -> str:
    """What the engine is doing, in words."""
    if progress.parts:
        doing = progress_text(replace(progress, part=0, parts=0), language)
        return text("part_of", language, part=progress.part, parts=progress.parts, doing=doing)
    if progress.stage == "queued" and not progress.done:
        return text("next", language)
    if progress.stage == "looking" and progress.total > 1:
        return text("looking_at", language, current=progress.done + 1, total=progress.total)
    return text(progress.stage, language, done=progress.done, total=progress.total)


def summary(reply: Reply, language: Language, picture: Picture | None = None) -> str:
    """The line under a finished answer: how it ended if not by itself, how fast it came, if `picture` was re-used.

    Of a long picture: in how many parts it was read.
    """
    if not reply.finished:
        return ""
    if not reply.text:
        return text("stopped_early" if reply.finished.reason == "cancelled" else "nothing", language)
    ends = {"cancelled": "stopped", "length": "length"}
    parts = [text(ends[reply.finished.reason], language)] if reply.finished.reason in ends else []
    parts += [text("read_in", language, parts=reply.progress.parts)] if reply.progress.parts else []
    tokens = reply.finished.usage.completion_tokens or reply.tokens
    parts.append(
        text(
            "stats",
            language,
            first=f"{reply.first:.1f}",
            tokens=tokens,
            rate=f"{reply.rate:.{0 if reply.rate >= 100 else 1}f}",
        )
    )
    if picture and reply.finished.usage.cached_tokens >= picture.placed.tokens:
        parts.append(text("reused", language))
    return " · ".join(parts)
