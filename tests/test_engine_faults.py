"""Faults that end a process for real: an illegal instruction at load, little memory, aborts in encode and decode."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from qwen_vl_app.engine.local import LocalEngine
from qwen_vl_app.engine.plan import Plan
from qwen_vl_app.errors import EngineFailed, SetupError
from tests.conftest import ROOT, Loop
from tests.scenes import fitted
from tests.test_engine_local import ask, collect, last, text

QUESTION = "Describe this picture."


@pytest.fixture
def fault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    """Makes the workers started from now on have a fault."""

    def have(name: str) -> None:
        monkeypatch.setenv("PYTHONPATH", str(ROOT / "tests" / "faults"))
        monkeypatch.setenv("FAULT", name)
        monkeypatch.setenv("FAULT_MARK", str(tmp_path / "mark"))

    return have


@contextmanager
def started(loop: Loop, plan: Plan) -> Iterator[LocalEngine]:
    """An engine, ready to answer, closed at the end."""
    engine = LocalEngine(plan)
    loop.run(engine.start(), 100)
    try:
        yield engine
    finally:
        loop.run(engine.close())


def test_an_illegal_instruction_at_load_leads_to_the_safe_way(
    loop: Loop, demo_plan: Callable[..., Plan], fault: Callable[[str], None]
) -> None:
    fault("illegal_instruction")
    with started(loop, demo_plan()) as engine:
        assert engine.steps == ["extra_buffers"]
        assert not engine.fitted.extra_buffers
        assert loop.run(collect(engine, ask("hi", max_tokens=1)))


def test_too_little_memory_leads_to_fewer_conversations(
    loop: Loop, demo_plan: Callable[..., Plan], fault: Callable[[str], None]
) -> None:
    fault("little_memory")
    with started(loop, demo_plan()) as engine:
        assert engine.steps[-1] == "one_conversation"
        assert engine.fitted.pool == engine.fitted.ctx_size
        assert loop.run(collect(engine, ask("hi", max_tokens=1)))


def test_a_model_that_never_loads_is_given_up_with_the_reason(
    loop: Loop, demo_plan: Callable[..., Plan], fault: Callable[[str], None]
) -> None:
    fault("never_loads")
    engine = LocalEngine(replace(demo_plan(), gpu_layers=0))
    with pytest.raises(SetupError, match="signal 11"):
        loop.run(engine.start(), 100)
    assert engine.state == "failed"


@pytest.mark.parametrize("kind", ["abort_in_encode", "error_in_encode"])
def test_a_fault_in_an_encode_fails_that_question_only(
    loop: Loop, demo_plan: Callable[..., Plan], fault: Callable[[str], None], kind: str
) -> None:
    fault(kind)
    good, bad = fitted(9301)[0], replace(fitted(9302)[0], key="wrong")
    with started(loop, demo_plan()) as engine:
        expected = text(loop.run(collect(engine, ask(good, QUESTION, owner="alone"))))

        async def both() -> list[object]:
            questions = [ask(good, QUESTION, owner="good"), ask(bad, QUESTION, owner="bad")]
            return list(await asyncio.gather(*(collect(engine, q) for q in questions), return_exceptions=True))

        answered, failed = loop.run(both())
        assert isinstance(failed, EngineFailed)
        assert isinstance(answered, list) and text(answered) == expected


def test_an_abort_in_a_shared_step_fails_nobody(
    loop: Loop, demo_plan: Callable[..., Plan], fault: Callable[[str], None], tmp_path: Path
) -> None:
    fault("abort_in_decode")
    words = [" ".join(map(str, range(start, start + 120))) for start in (100, 300, 500)]
    requests = [ask("Count.", json_schema=json.dumps({"const": said}), owner=said) for said in words]
    with started(loop, demo_plan()) as engine:

        async def together() -> list[str]:
            return [text(deltas) for deltas in await asyncio.gather(*(collect(engine, each) for each in requests))]

        assert loop.run(together()) == [json.dumps(said) for said in words]  # nothing lost, doubled or mixed
        assert (tmp_path / "mark").exists(), "the abort happened"


PARENT = """
import asyncio, sys
from qwen_vl_app.engine.local import LocalEngine
from qwen_vl_app.engine.plan import Plan

async def main():
    engine = LocalEngine(Plan(sys.argv[1], sys.argv[2], 2048, 2048, threads=1))
    await engine.start()
    print(engine._worker.process.pid, flush=True)
    for _ in range(600):  # an interrupt just before the loop waits is seen only when it wakes (any program's)
        await asyncio.sleep(0.1)

asyncio.run(main())
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_worker_outlives_its_parent(demo_plan: Callable[..., Plan], number: signal.Signals) -> None:
    plan = demo_plan()
    command = [sys.executable, "-c", PARENT, plan.model, plan.mmproj]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as parent:
        assert parent.stdout
        worker = int(parent.stdout.readline())
        os.kill(parent.pid, number)
        parent.wait(20)
    deadline = time.monotonic() + 10
    while psutil.pid_exists(worker) and psutil.Process(worker).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the worker is still there"
        time.sleep(0.05)


def test_the_last_delta_counts_what_was_written(loop: Loop, engine: LocalEngine) -> None:
    usage = last(loop.run(collect(engine, ask(fitted(9320)[0], QUESTION)))).usage
    assert usage.completion_tokens > 5
