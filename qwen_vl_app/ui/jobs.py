"""The answers being written now, by page: so that Stop ends one's own and no other."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from qwen_vl_app.engine import Engine


@dataclass
class Job:
    """One answer being written; `request` is empty until `engine` has it, `cleared` means nobody wants to see it.

    `stands_in`: the demo is to answer in the place of a model that is not there yet.
    """

    request: str = ""
    engine: Engine | None = None
    stopped: bool = False
    cleared: bool = False
    stands_in: bool = False


class Jobs:
    """Which page is having an answer written."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}

    @contextmanager
    def running(self, page: str) -> Iterator[Job]:
        """A job of `page`, known to `stop` until the block ends."""
        job = self._jobs[page] = Job()
        try:
            yield job
        finally:
            if self._jobs.get(page) is job:
                del self._jobs[page]

    async def stop(self, page: str, clear: bool = False) -> None:
        """End the page's own answer, to be shown as far as it came or cleared away; harmless if there is none."""
        job = self._jobs.get(page)
        if job:
            job.stopped, job.cleared = True, clear
            if job.engine:
                await job.engine.cancel(job.request)

    def let_demo(self, page: str) -> None:
        """Have the demo answer the page's question now, if it waits for the model; harmless if not."""
        job = self._jobs.get(page)
        if job and not job.request:
            job.stands_in = True
