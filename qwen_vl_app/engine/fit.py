"""How much memory and how many threads the engine takes: pure arithmetic."""

from dataclasses import replace

from qwen_vl_app.engine.plan import AUTO, Device, Plan
from qwen_vl_app.errors import Language

GIB = 1 << 30
KV_SHARE = 0.5  # of the memory that the weights leave; the rest is for compute buffers, the page, other programs
ASIDE_SHARE = 0.125  # of the same: conversations that nobody is in at the moment
KV_SCALE = {"f16": 1.0, "q8_0": 34 / 64}  # q8_0: 34 bytes for what takes 64 in f16 (ggml's block of 32)
IDLE_PER_SLOT = 4  # remembered conversations per answer written at once
USUAL_CONTEXT = 8192  # cells of a conversation where memory allows
SMALLEST_CONTEXT = 2048  # cells: every task works with it (DESIGN.md)
LARGEST_POOL = 262_144  # cells: Qwen3-VL's own context length
MARGIN = GIB  # left free on a GPU, as llama-server's --fit-target does
VISION_COMPUTE = 256 << 20  # the projector's buffer with flash attention: 248 MiB measured at 8B size (llama-cpp.md §4)
TEXT_COMPUTE = 512 << 20  # the language part's buffer: 0.3 to 0.6 GiB (llama-cpp.md §8, not measured on a GPU)


def contexts(wanted: int, parallel: int, cell_bytes: int, free_bytes: int) -> tuple[int, int]:
    """Cells of one conversation and of all together, for `free_bytes` of memory beside the weights.

    `wanted` is kept as it is; 0 stands for the usual context, or what memory allows of it.
    """
    affordable = int(max(free_bytes, 0) * KV_SHARE) // cell_bytes
    ctx_size = wanted or max(SMALLEST_CONTEXT, min(USUAL_CONTEXT, affordable // 256 * 256))
    return ctx_size, max(ctx_size, min(parallel * ctx_size, affordable, LARGEST_POOL))


def on_device(plan: Plan, device: Device | None) -> Plan:
    """The plan for a GPU: as many layers as it has room for, then as many cells; without one, all on the processor."""
    if device is None:
        return replace(plan, gpu_layers=0, gpu_projector=False)
    room = device.free - MARGIN - plan.mmproj_bytes - VISION_COMPUTE - TEXT_COMPUTE
    if not plan.layers or plan.gpu_layers == 0:
        return plan
    layer = plan.model_bytes / (plan.layers + 1)  # the output layer counts as one
    cell = plan.cell_bytes / plan.layers  # a layer's KV cells lie beside its weights
    fitting = max(0, min(plan.layers + 1, int(room / (layer + cell * plan.ctx_size))))
    layers = fitting if plan.gpu_layers == AUTO else min(plan.gpu_layers, plan.layers + 1)
    if layers == 0:
        return replace(plan, gpu_layers=0, gpu_projector=room > 0)
    cells = int((room - layers * layer) / (cell * layers))
    return replace(plan, gpu_layers=layers, pool=max(plan.ctx_size, min(plan.pool, cells)))


def needed_bytes(plan: Plan) -> int:
    """Memory that `plan` takes altogether: weights, KV cells, compute buffers."""
    return plan.model_bytes + plan.mmproj_bytes + plan.pool * plan.cell_bytes + VISION_COMPUTE + TEXT_COMPUTE


def summary(plan: Plan, device: Device | None, language: Language) -> str:
    """The plan in one line for people: where the layers are, how long and how many conversations, the memory."""
    memory = f"{needed_bytes(plan) / 1e9:.1f}"
    talks = max(1, plan.pool // plan.ctx_size)
    if device and plan.gpu_layers:
        layers, total = min(plan.gpu_layers, plan.layers), f"{device.total / 1e9:.0f}"
        if language == "zh":
            return (
                f"{device.name}：{plan.layers} 层中的 {layers} 层在 GPU 上，{talks} 个对话各 {plan.ctx_size} 个 token，"
                f"约占 {memory} / {total} GB"
            )
        return (
            f"{device.name}: {layers} of {plan.layers} layers on the GPU, {plan.ctx_size} tokens each for {talks} "
            f"conversations, about {memory} of {total} GB"
        )
    if language == "zh":
        return (
            f"在处理器上运行（{plan.threads} 个线程），{talks} 个对话各 {plan.ctx_size} 个 token，约占内存 {memory} GB"
        )
    return (
        f"On the processor ({plan.threads} threads), {plan.ctx_size} tokens each for {talks} conversations, "
        f"about {memory} GB of memory"
    )


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
