from dataclasses import replace

import pytest

from qwen_vl_app.catalogue import find
from qwen_vl_app.engine.fit import ladder, plan, pool_cells
from qwen_vl_app.engine.plan import Plan

GIB = 1 << 30


@pytest.mark.parametrize(
    ("free", "cells"),
    [
        (64 * GIB, 4 * 8192),  # plenty: every answer gets a whole context
        (4 * GIB, 14563),  # half of 4 GiB at 144 KiB a cell
        (0, 8192),  # nothing to spare: one conversation all the same
        (-GIB, 8192),
    ],
)
def test_the_pool_follows_memory_and_holds_one_conversation_at_least(free: int, cells: int) -> None:
    assert pool_cells(8192, 4, 144 << 10, free) == cells


def test_weights_are_taken_off_before_the_pool_is_counted() -> None:
    sizes = {"ctx_size": 8192, "parallel": 4, "gpu_layers": 0, "queue_size": 8, "cores": 0}
    made = plan(find("8b"), ("m", "p"), 6 * GIB, free_bytes=8 * GIB, **sizes)
    assert made.pool == 8192
    assert made.threads == 1
    assert made.sequences > made.parallel


def test_the_ladder_goes_down_step_by_step_and_begins_as_asked() -> None:
    first = Plan("m", "p", ctx_size=8192, pool=32768, gpu_layers=-1)
    steps = ladder(first)
    assert steps[0] == ("", first)
    assert [name for name, _ in steps[1:3]] == ["extra_buffers", "one_conversation"]
    assert steps[-1][1] == replace(
        first, extra_buffers=False, gpu_projector=False, gpu_layers=0, ctx_size=2048, pool=2048
    )


def test_without_a_gpu_the_ladder_has_no_gpu_steps() -> None:
    names = [name for name, _ in ladder(Plan("m", "p", ctx_size=2048, pool=2048, gpu_layers=0))]
    assert names == ["", "extra_buffers"]
