"""How much memory and how many threads the engine takes: pure arithmetic."""

from dataclasses import replace

from qwen_vl_app.catalogue import Model
from qwen_vl_app.engine.plan import Plan

KV_SHARE = 0.5  # of the memory that the weights leave; the rest is for compute buffers, the page, other programs
IDLE_PER_SLOT = 4  # remembered conversations per answer written at once
SMALLEST_CONTEXT = 2048  # cells: every task works with it (DESIGN.md)
LARGEST_POOL = 262_144  # cells: Qwen3-VL's own context length


def pool_cells(ctx_size: int, parallel: int, cell_bytes: int, free_bytes: int) -> int:
    """Cells for all conversations together: as many as memory allows, one full conversation at least."""
    affordable = int(max(free_bytes, 0) * KV_SHARE) // cell_bytes
    return max(ctx_size, min(parallel * ctx_size, affordable, LARGEST_POOL))


def ladder(first: Plan) -> list[tuple[str, Plan]]:
    """What to try when a load fails, one after the other, with a name for each step; `first` itself comes first."""
    steps: list[tuple[str, dict[str, int | bool]]] = [
        ("extra_buffers", {"extra_buffers": False}),  # the processor trap: AMX announced but not usable (DESIGN.md)
        ("one_conversation", {"pool": first.ctx_size}),
    ]
    if first.gpu_layers != 0:
        steps += [("projector_on_cpu", {"gpu_projector": False})]
        steps += [(f"gpu_layers_{n}", {"gpu_layers": n}) for n in (24, 12, 0) if not 0 < first.gpu_layers <= n]
    if first.ctx_size > SMALLEST_CONTEXT:
        steps.append((f"ctx_size_{SMALLEST_CONTEXT}", {"ctx_size": SMALLEST_CONTEXT, "pool": SMALLEST_CONTEXT}))
    tries, current = [("", first)], first
    for name, change in steps:
        current = replace(current, **change)  # type: ignore[arg-type]
        if current != tries[-1][1]:
            tries.append((name, current))
    return tries


def plan(
    model: Model,
    files: tuple[str, str],
    weights: int,
    *,
    ctx_size: int,
    parallel: int,
    gpu_layers: int,
    queue_size: int,
    free_bytes: int,
    cores: int,
) -> Plan:
    """The plan for `model`, whose two `files` take `weights` bytes, on a machine with `free_bytes` and `cores`."""
    return Plan(
        model=files[0],
        mmproj=files[1],
        ctx_size=ctx_size,
        pool=pool_cells(ctx_size, parallel, model.cell_bytes, free_bytes - weights),
        parallel=parallel,
        sequences=IDLE_PER_SLOT * parallel,
        gpu_layers=gpu_layers,
        threads=max(1, cores),
        queue_size=queue_size,
    )
