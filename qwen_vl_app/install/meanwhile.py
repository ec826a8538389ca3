"""The engine's installation while the page is up: a child process, and how far it is."""

import asyncio
import json
import logging
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, MutableMapping, Sequence
from contextlib import suppress
from pathlib import Path

from qwen_vl_app.errors import Language, SetupError
from qwen_vl_app.install import child, libraries
from qwen_vl_app.install.halves import ROOT
from qwen_vl_app.install.texts import text
from qwen_vl_app.settings import PREFIX

log = logging.getLogger(__name__)
VARIABLE = PREFIX + "INSTALLS"  # start.sh sets it where the page is to have the engine installed
GRACE = 5.0  # s that the child gets to end its compilers
CODE = """import sys
sys.path[0] = sys.argv[1]
from qwen_vl_app.install.child import main
sys.exit(main(sys.argv[2:]))"""  # from any folder: pip's settings may be relative to the person's
CLEAR = "\r\x1b[K"  # over the download's line, which is rewritten


class NotInstalled(SetupError):
    """The engine could not be installed; in both languages."""

    def __init__(self, words: Mapping[Language, str]) -> None:
        """`words` say why, and what to do."""
        super().__init__(words["en"])
        self._words = words

    def text(self, language: Language) -> str:
        """See `SetupError.text`."""
        return self._words[language]

    def brief(self, language: Language) -> str:
        """See `SetupError.brief`."""
        return text("not_installed", language)


class Installation:
    """Installs the engine with a command that speaks as `child` does. Use it from one event loop."""

    def __init__(self, command: Sequence[str]) -> None:
        """Nothing happens until `begin`."""
        self.share: float | None = None  # of the build
        self.failure: NotInstalled | None = None
        self._command = command
        self._work: asyncio.Task[None] | None = None

    @property
    def under_way(self) -> bool:
        """Whether the engine is being installed now."""
        return bool(self._work and not self._work.done())

    def begin(self) -> None:
        """Install the engine, in the background; after a failure anew. Once it is installed nothing more is done."""
        if not self._work or (self.failure and not self.under_way):
            self.failure = None
            self._work = asyncio.create_task(self._run())

    async def done(self) -> None:
        """Return when the engine is installed.

        Raises:
            NotInstalled: it could not be; the message says why.
        """
        if not self._work:
            self.begin()
        assert self._work
        await asyncio.wait({self._work})
        if self._work.cancelled():
            raise _ended(-signal.SIGTERM)
        if self.failure:
            raise self.failure

    async def close(self) -> None:
        """End the installation; no process is left, and the next start goes on."""
        if self._work:
            self._work.cancel()
            await asyncio.wait({self._work})

    async def _run(self) -> None:
        self.share = None
        try:
            code = await self._listen()
        except (OSError, ValueError) as error:  # it cannot be started, or does not speak as it should
            log.error("the installation of the engine", exc_info=error)
            code = 1
        if code:
            self.failure = self.failure or _ended(code)
        else:  # for the engine, whose libraries may have come with it
            os.environ.update(libraries.for_children(os.environ, Path(sys.prefix)))

    async def _listen(self) -> int:
        """Run the command to its end; its exit status."""
        process = await asyncio.create_subprocess_exec(*self._command, stdin=PIPE, stdout=PIPE, start_new_session=True)
        assert process.stdout
        try:
            async for line in process.stdout:
                self._hear(line.decode("utf-8", "replace"))
            return await process.wait()
        finally:
            await _end(process)

    def _hear(self, line: str) -> None:
        if not line.startswith(child.RECORD):
            with suppress(OSError, ValueError):  # a terminal that was closed, or has no Chinese, stops nothing
                print((CLEAR if sys.stdout.isatty() else "") + line, end="", flush=True)
            return
        record = json.loads(line[1:])
        if "failed" in record:
            self.failure = NotInstalled(record["failed"])
        self.share = record.get("share")


async def _end(process: Process) -> None:
    if process.returncode is None:
        process.terminate()
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(process.wait(), GRACE)
    if process.returncode is None:
        process.kill()
        await process.wait()
    assert process.stdin
    process.stdin.close()


def _ended(code: int) -> NotInstalled:
    details = {"code": code, "log": ROOT / ".build" / "install.log"}
    return NotInstalled({"en": text("ended", "en", **details), "zh": text("ended", "zh", **details)})


def pending(environ: MutableMapping[str, str], accelerator: str) -> Installation | None:
    """The installation that start.sh left to the page, for this --accelerator; None where everything is there."""
    if not environ.pop(VARIABLE, ""):
        return None
    return Installation([sys.executable, "-c", CODE, str(ROOT), accelerator])
