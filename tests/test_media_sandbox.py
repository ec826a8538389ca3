"""The process around the decoder: limited, killable, two at a time, never believed."""

import asyncio
import os
import shutil
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from qwen_vl_app import media
from qwen_vl_app.catalogue import PictureBudget
from qwen_vl_app.errors import AppError, PictureTooCostly, PictureTooLarge, UnreadablePicture
from qwen_vl_app.media import sandbox
from tests.pictures import encoded, huge, noise

BUDGET = PictureBudget(4, 64)
CONTENT = encoded(noise(96, 64), "PNG")
SLEEP = "import time; time.sleep(60)"
REPLY = "import os, sys; sys.stdin.buffer.read(); os.write(1, {!r})"
OPERATE = (
    "import sys; sys.path[:] = sys.argv[1:]; from qwen_vl_app.media import child; "
    "child.OPERATIONS['fitted'] = lambda file, request: {}; child.main()"
)


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    quiet()
    yield
    quiet()


def quiet() -> None:
    """Wait until nothing is under way, and leave no child ready."""
    for thread in threading.enumerate():
        if thread.name == sandbox.GUARD:
            thread.join()
    sandbox.nursery.close()


def play(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Put another program in the child's place."""
    monkeypatch.setattr(sandbox, "_BOOT", code)


async def opened(content: bytes = CONTENT) -> media.Picture:
    return await media.open_picture(content, "cat.png", BUDGET, 768)


def refused(error: type[Exception], content: bytes = CONTENT) -> None:
    with pytest.raises(error, match=r"cat\.png"):
        asyncio.run(opened(content))


def test_a_child_that_takes_too_long_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    play(monkeypatch, SLEEP)
    monkeypatch.setattr(sandbox, "WALL", 0.3)
    refused(PictureTooCostly)


@pytest.mark.skipif(sys.platform == "darwin", reason="watched from outside there")
def test_memory_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    play(monkeypatch, OPERATE.format("bytearray(2 * 1024**3)"))
    refused(PictureTooCostly)


@pytest.mark.skipif(shutil.which("ps") is None, reason="no ps here; macOS has one")
def test_memory_is_watched_where_it_cannot_be_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    play(monkeypatch, SLEEP)
    monkeypatch.setattr(sandbox, "MEMORY_IS_WATCHED", True)
    monkeypatch.setattr(sandbox, "LOOK", 0.05)
    monkeypatch.setattr(sandbox, "MEMORY", 1024**2)
    refused(PictureTooCostly)
    assert sandbox.resident(os.getpid()) > 1024**2


def test_no_file_can_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    play(monkeypatch, OPERATE.format(f"child.Path({str(tmp_path / 'x')!r}).write_bytes(b'1')"))
    refused(UnreadablePicture)
    assert (tmp_path / "x").read_bytes() == b""


@pytest.mark.parametrize(
    "code",
    [
        "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
        "import os\nwhile True: os.write(1, b'x' * 65536)",
        *(
            REPLY.format(reply)
            for reply in (
                b"[]\n",
                b"{}\n",
                b"[" * 3000,
                b"\xff\n",
                b'{"width": "a", "height": 2, "note": ""}\n',
                b'{"width": 96, "height": 64, "note": "rm -rf"}\n' + b"x" * 96 * 64 * 3,
                b'{"width": 96, "height": 64, "note": ""}\n' + b"x" * 9,
                b'{"width": 0, "height": 64, "note": ""}\n',
                b'{"width": %d, "height": 1, "note": ""}\n' % 10**999,
                b'{"refusal": "too_large", "megapixels": "<b>", "limit": 0}\n',
                b'{"refusal": "other"}\n',
            )
        ),
    ],
)
def test_a_child_that_dies_or_lies_is_a_refusal(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    play(monkeypatch, code)
    refused(UnreadablePicture)


def test_a_large_upload_does_not_wait_for_a_dead_child(monkeypatch: pytest.MonkeyPatch) -> None:
    play(monkeypatch, "import os; os._exit(0)")
    refused(UnreadablePicture, CONTENT + b"\0" * 10_000_000)


def test_a_child_that_cannot_start_is_our_fault(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    play(monkeypatch, "import no_such_module")
    with pytest.raises(AppError) as failure:
        asyncio.run(opened())
    assert failure.value.status == 500 and "Pillow" in caplog.text


def test_two_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    inside, most, lock, real = 0, 0, threading.Lock(), sandbox._exchange

    def counted(*arguments: object) -> bytes:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        try:
            time.sleep(0.05)
            return real(*arguments)  # type: ignore[arg-type]
        finally:
            with lock:
                inside -= 1

    async def several() -> list[media.Picture]:
        return await asyncio.gather(*(opened() for _ in range(6)))

    monkeypatch.setattr(sandbox, "_exchange", counted)
    assert len(set(asyncio.run(several()))) == 1
    assert most == 2


def test_leaving_ends_the_child(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[sandbox.Process] = []
    real = sandbox._start
    monkeypatch.setattr(sandbox, "_start", lambda: started.append(real()) or started[-1])
    play(monkeypatch, SLEEP)

    async def left() -> None:
        task = asyncio.create_task(opened())
        await asyncio.sleep(0.5)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(left())
    assert started[0].wait(5) != 0


def test_no_child_serves_two_pictures() -> None:
    sandbox.nursery.prepare()
    sandbox.nursery.prepare()
    one, two = sandbox.nursery.take(), sandbox.nursery.take()
    assert one.pid != two.pid
    for child in (one, two):
        sandbox._end(child)


def test_a_dead_child_in_waiting_is_replaced() -> None:
    media.prepare()
    assert sandbox.nursery._ready is not None
    sandbox.nursery._ready.kill()
    sandbox.nursery._ready.wait()
    assert asyncio.run(opened()).image.width == 96


def test_a_child_in_waiting_ends_with_its_parent() -> None:
    child = sandbox._start()
    assert child.stdin is not None
    child.stdin.close()  # what the operating system does when the parent dies
    assert child.wait(20) == 0
    sandbox._end(child)


def test_secrets_stay_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QWEN_VL_AUTH", "me:secret")
    play(monkeypatch, "import os; print(dict(os.environ))")
    child = sandbox._start()
    assert child.stdout is not None
    assert b"secret" not in child.stdout.read()
    sandbox._end(child)


def test_too_large_names_both_numbers() -> None:
    with pytest.raises(PictureTooLarge, match=r"cat.png.* 267 megapixels; at most 64"):
        asyncio.run(opened(huge("PNG")))


def test_a_bad_picture_is_refused_at_once() -> None:
    async def seconds() -> float:
        await asyncio.sleep(0.5)  # a child gets ready meanwhile, as between two people's pictures
        start = time.perf_counter()
        with pytest.raises(UnreadablePicture):
            await opened(CONTENT[:-200])
        return time.perf_counter() - start

    media.prepare()
    taken = [asyncio.run(seconds()) for _ in range(5)]
    assert min(taken) < 0.2, statistics.median(taken)  # a busy machine delays some of them


def open_files() -> int:
    return len(list(Path("/dev/fd").iterdir()))


def test_many_pictures_leave_nothing_behind() -> None:
    async def several(count: int) -> None:
        await asyncio.gather(*(opened() for _ in range(count)))

    asyncio.run(several(4))
    quiet()
    files, threads = open_files(), threading.active_count()
    asyncio.run(several(12))
    quiet()
    assert open_files() <= files + 1 and threading.active_count() <= threads + 1
