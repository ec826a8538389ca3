from dataclasses import replace

import pytest

from qwen_vl_app.engine.fit import GIB, contexts, ladder, needed_bytes, on_device, summary
from qwen_vl_app.engine.plan import AUTO, Device, Plan

CELL = 144 << 10  # bytes, 8B
PLAN = Plan(
    "m",
    "p",
    ctx_size=8192,
    pool=32768,
    layers=36,
    cell_bytes=CELL,
    model_bytes=5_027_784_800,
    mmproj_bytes=1_159_029_824,
)


def gpu(gigabytes: float) -> Device:
    return Device("GPU", int(gigabytes * GIB), int(gigabytes * GIB))


@pytest.mark.parametrize(
    ("wanted", "free", "cells"),
    [
        (8192, 64 * GIB, (8192, 4 * 8192)),  # plenty: every answer gets a whole context
        (8192, 4 * GIB, (8192, 14563)),  # half of 4 GiB at 144 KiB a cell
        (8192, 0, (8192, 8192)),  # nothing to spare: one conversation all the same, as asked
        (0, 64 * GIB, (8192, 4 * 8192)),
        (0, GIB, (3584, 3640)),  # auto takes what memory allows
        (0, -GIB, (2048, 2048)),
    ],
)
def test_contexts_follow_memory_and_hold_one_conversation_at_least(
    wanted: int, free: int, cells: tuple[int, int]
) -> None:
    assert contexts(wanted, 4, CELL, free) == cells


@pytest.mark.parametrize(
    ("memory", "layers", "pool"),
    [
        (80, 37, 32768),  # all layers and every cell asked for
        (10, 37, 17600),  # all layers, fewer conversations
        (8, 32, 9150),  # most layers, one conversation and a bit
        (6, 20, 8400),
        (2, 0, 32768),  # nothing fits: the processor does it
    ],
)
def test_a_gpu_gets_the_layers_it_has_room_for_and_then_the_cells(memory: int, layers: int, pool: int) -> None:
    fitted = on_device(PLAN, gpu(memory))
    assert fitted.gpu_layers == layers
    assert fitted.pool == pytest.approx(pool, rel=0.05)
    assert fitted.gpu_projector == (memory > 2)
    if layers == 37:
        assert needed_bytes(fitted) < memory * GIB


def test_a_number_of_layers_is_kept_as_asked() -> None:
    assert on_device(replace(PLAN, gpu_layers=20), gpu(80)).gpu_layers == 20
    assert on_device(replace(PLAN, gpu_layers=0), gpu(80)).gpu_layers == 0
    assert on_device(replace(PLAN, gpu_layers=99), gpu(80)).gpu_layers == 37


def test_without_a_gpu_everything_is_on_the_processor() -> None:
    fitted = on_device(replace(PLAN, gpu_layers=AUTO), None)
    assert (fitted.gpu_layers, fitted.gpu_projector) == (0, False)


def test_the_ladder_goes_down_step_by_step_and_begins_as_asked() -> None:
    steps = ladder(PLAN)
    assert steps[0] == ("", PLAN)
    assert [name for name, _ in steps[1:3]] == ["extra_buffers", "one_conversation"]
    assert steps[-1][1] == replace(
        PLAN, extra_buffers=False, gpu_projector=False, gpu_layers=0, ctx_size=2048, pool=2048
    )


def test_without_a_gpu_the_ladder_has_no_gpu_steps() -> None:
    names = [name for name, _ in ladder(Plan("m", "p", ctx_size=2048, pool=2048, gpu_layers=0))]
    assert names == ["", "extra_buffers"]


def test_the_plan_is_told_in_one_line_in_both_languages() -> None:
    device = gpu(8)
    fitted = on_device(PLAN, device)
    assert summary(fitted, device, "en").startswith("GPU: 32 of 36 layers on the GPU, 8192 tokens each for 1 ")
    assert "36 层中的 32 层在 GPU 上" in summary(fitted, device, "zh")
    alone = on_device(PLAN, None)
    assert "On the processor (0 threads), 8192 tokens each for 4 conversations" in summary(alone, None, "en")
    assert "在处理器上运行" in summary(alone, None, "zh")
