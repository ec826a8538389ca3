"""The engine's installation as the page sees it: a scripted child in the place of pip and compilers."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import psutil
import pytest

from qwen_vl_app.install import libraries, meanwhile
from qwen_vl_app.install.meanwhile import Installation, NotInstalled
from tests.slow_build import SHARE, WHY, SlowBuild

WAIT = 30  # s


@pytest.fixture
def build(tmp_path: Path) -> Iterator[SlowBuild]:
    made = SlowBuild(tmp_path)
    yield made
    assert not any(map(psutil.pid_exists, made.children))


def during(build: SlowBuild, work: Callable[[Installation], Awaitable[None]]) -> None:
    async def whole() -> None:
        try:
            await asyncio.wait_for(work(build.installation), WAIT)
        finally:
            await build.installation.close()

    asyncio.run(whole())


async def builds(installation: Installation) -> None:
    while installation.share is None:
        await asyncio.sleep(0.02)


def test_it_is_told_how_far_it_is_and_when_it_is_done(build: SlowBuild, capsys: pytest.CaptureFixture[str]) -> None:
    async def work(installation: Installation) -> None:
        assert not installation.under_way
        installation.begin()
        await builds(installation)
        assert installation.under_way and installation.share == SHARE
        build.say("go")
        await installation.done()
        assert not installation.under_way
        installation.begin()  # once is enough
        await installation.done()
        assert len(build.children) == 1

    during(build, work)
    assert capsys.readouterr().out == "[2/3] 编译\n"  # the terminal's; the page's records are not


def test_libraries_that_came_with_it_are_found_by_the_engine(build: SlowBuild, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(libraries.VARIABLE, "before")
    monkeypatch.setattr(libraries, "for_children", lambda environ, prefix: {libraries.VARIABLE: f"{prefix}/nvidia"})

    async def work(installation: Installation) -> None:
        installation.begin()
        await builds(installation)
        assert os.environ[libraries.VARIABLE] == "before"
        build.say("go")
        await installation.done()
        assert os.environ[libraries.VARIABLE] == f"{sys.prefix}/nvidia"

    during(build, work)


def test_a_failure_says_why_in_both_languages_and_is_tried_again(build: SlowBuild) -> None:
    async def work(installation: Installation) -> None:
        build.say("fail")
        with pytest.raises(NotInstalled) as raised:
            await installation.done()
        assert {language: raised.value.text(language) for language in ("en", "zh")} == WHY
        assert "/home" not in raised.value.brief("en") + raised.value.brief("zh")
        with pytest.raises(NotInstalled):
            await installation.done()
        assert len(build.children) == 1
        installation.begin()
        assert installation.under_way and not installation.failure
        build.say("go")
        await installation.done()

    during(build, work)


def test_a_child_that_is_killed_is_a_failure(build: SlowBuild) -> None:
    async def work(installation: Installation) -> None:
        build.say("die")
        with pytest.raises(NotInstalled, match=r"ended from outside \(exit status -9\)"):
            await installation.done()

    during(build, work)


def test_closing_ends_the_child(build: SlowBuild) -> None:
    async def work(installation: Installation) -> None:
        installation.begin()
        await builds(installation)
        (child,) = build.children
        assert psutil.pid_exists(child)
        waiting = asyncio.create_task(installation.done())
        await installation.close()
        assert not psutil.pid_exists(child)
        with pytest.raises(NotInstalled, match="exit status -15"):  # nobody may think that it is there
            await waiting

    during(build, work)


@pytest.mark.parametrize("command", [["/nowhere/python"], [sys.executable, "-c", "print(chr(30) + 'no JSON')"]])
def test_a_child_that_cannot_be_started_or_understood_is_a_failure(command: list[str]) -> None:
    with pytest.raises(NotInstalled, match="exit status 1"):
        asyncio.run(Installation(command).done())


def test_closing_kills_a_child_that_does_not_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meanwhile, "GRACE", 0.1)
    code = """import os, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(os.getpid(), flush=True)
signal.pause()"""

    async def whole(said: list[str]) -> None:
        installation = Installation([sys.executable, "-c", code])
        monkeypatch.setattr(installation, "_hear", said.append)
        installation.begin()
        while not said:
            await asyncio.sleep(0.02)
        await installation.close()
        assert not psutil.pid_exists(int(said[0]))

    asyncio.run(whole([]))


def test_only_start_sh_leaves_an_installation_to_the_page() -> None:
    environ = {"PATH": "/bin", meanwhile.VARIABLE: "1"}
    assert isinstance(meanwhile.pending(environ, "cuda"), Installation)
    assert environ == {"PATH": "/bin"}  # the engine, a child, is not told
    assert meanwhile.pending(environ, "cuda") is None
