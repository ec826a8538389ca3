"""The engine's own program: `python -m qwen_vl_app.engine.worker FD`. It ends when its socket does."""

import os
import sys
import threading
import time
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any

from qwen_vl_app.chat import Image, Request
from qwen_vl_app.engine.devices import gpus
from qwen_vl_app.engine.fit import on_device
from qwen_vl_app.engine.loading import FileError, LoadError, quiet
from qwen_vl_app.engine.native import DecodeError, Language
from qwen_vl_app.engine.plan import Plan
from qwen_vl_app.engine.scheduler import Scheduler
from qwen_vl_app.engine.vision import Vision
from qwen_vl_app.engine.wire import Cancel, Failed, FromWorker, Loading, Ready, Resume, Working

PROOF_SIDE = 64  # px: the picture that proves the encoder
FEW = slice(4)  # its cells that prove the decoder: of some models it has more than a batch takes


class Link:
    """The worker's end of the socket; without a supervisor at the other end the process ends."""

    def __init__(self, connection: "Connection[FromWorker, object]") -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._reported = 0.0
        self._working = Working()

    def send(self, message: FromWorker) -> None:
        """Send `message` to the supervisor."""
        try:
            with self._lock:
                self._connection.send(message)
        except OSError:
            os._exit(0)

    def send_progress(self, fraction: float) -> None:
        """Tell how much of the model is loaded, ten times a second at most."""
        if time.monotonic() - self._reported > 0.1:
            self._reported = time.monotonic()
            self.send(Loading(fraction))

    def working(self, **changes: Any) -> None:
        """Tell which requests the next native call is about, if that is news; see `Working` for the names."""
        with self._lock:
            news = replace(self._working, **changes)
            if news == self._working:
                return
            self._working = news
        self.send(news)

    def forward(self, scheduler: Scheduler) -> None:
        """Hand what the supervisor sends to `scheduler`, until it says close."""
        while True:
            try:
                message = self._connection.recv()
            except (EOFError, OSError):
                os._exit(0)
            if isinstance(message, (Request, Resume)):
                scheduler.submit(message)
            elif isinstance(message, Cancel):
                scheduler.cancel(message.request_id)
            else:
                scheduler.close()
                return


def prove(language: Language, vision: Vision) -> None:
    """Encode one picture and decode it and one token: what is going to die dies here, not in somebody's question.

    Raises:
        LoadError: either is refused.
    """
    try:
        grey = Image(bytes([128]) * (PROOF_SIDE * PROOF_SIDE * 3), PROOF_SIDE, PROOF_SIDE, "proof")
        picture = vision.encode(grey, lambda: True)
        assert picture
        language.prove(picture.rows[FEW], picture.places(FEW, 1))
    except (RuntimeError, DecodeError) as error:
        raise LoadError(str(error)) from error


def end_process(args: threading.ExceptHookArgs) -> None:
    """A thread that dies would leave people waiting for ever: the process ends with it and is started again."""
    threading.__excepthook__(args)
    os._exit(1)


def main(descriptor: int) -> None:
    """Load what the first message says, then answer until told to close."""
    threading.excepthook = end_process
    link = Link(connection := Connection(descriptor))
    plan = connection.recv()
    assert isinstance(plan, Plan)
    quiet()
    found = gpus()
    device = found[plan.device] if plan.device < len(found) else None
    plan = on_device(plan, device)
    try:
        language = Language(plan, link.send_progress)
        vision = Vision(plan, language.model, language.width)
        prove(language, vision)
        scheduler = Scheduler(plan, language, vision, link.send, link.working)
    except (LoadError, ValueError) as error:
        link.send(Failed(str(error), final=isinstance(error, FileError)))
        return
    link.send(Ready(plan, device))
    threading.Thread(target=link.forward, args=(scheduler,), name="link", daemon=True).start()
    scheduler.run()
    vision.close()
    language.close()


if __name__ == "__main__":
    main(int(sys.argv[1]))
