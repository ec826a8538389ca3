"""The README's table of machines: what fits, by the program's own arithmetic, and how fast memory lets it write.

Nothing in it is measured: a token needs every weight once, so memory bandwidth divided by the size of the language
part is the most that any program can reach; half to two thirds of it is usual.
"""

from dataclasses import dataclass

from qwen_vl_app.catalogue import Model, need_bytes, resolve
from qwen_vl_app.engine.fit import USUAL_CONTEXT, on_device
from qwen_vl_app.engine.plan import Device, Plan

FREE_SHARE = 0.95  # of a GPU's memory; the rest is taken by its driver and the desktop


@dataclass(frozen=True)
class Machine:
    """Names in English and Chinese, the model for it, GB of GPU memory, GB/s of the memories (typical data sheets)."""

    en: str
    zh: str
    model: str
    memory_speed: float
    quant: str = ""
    gpu_memory: float = 0.0
    gpu_speed: float = 0.0
    context: int = USUAL_CONTEXT


MACHINES = (
    Machine("small cloud instance: 2 cores, 4 GB", "小型云主机：2 核，4 GB", "2b", 20, context=2048),
    Machine("laptop or instance: 4 cores, 8 GB", "笔记本或云主机：4 核，8 GB", "4b", 40),
    Machine("desktop or instance: 8 cores, 16 GB", "台式机或云主机：8 核，16 GB", "8b", 50),
    Machine("Apple M1 to M4, 16 GB", "苹果 M1 至 M4，16 GB", "8b", 100, "", 16 * 0.67, 100),
    Machine("Apple Pro or Max, 32 GB", "苹果 Pro 或 Max，32 GB", "8b", 270, "int8", 32 * 0.67, 270),
    Machine("GTX 1660, RTX 2060: 6 GB", "GTX 1660、RTX 2060：6 GB", "4b", 40, "", 6, 190),
    Machine("RTX 3060 Ti, 4060: 8 GB", "RTX 3060 Ti、4060：8 GB", "8b", 50, "", 8, 270),
    Machine("RTX 3060, 4070: 12 GB", "RTX 3060、4070：12 GB", "8b", 50, "", 12, 360),
    Machine("T4: 16 GB", "T4：16 GB", "8b", 50, "int8", 16, 320),
    Machine("RTX 3090, 4090, A10: 24 GB", "RTX 3090、4090、A10：24 GB", "8b", 80, "int8", 24, 600),
    Machine("L40S, A100, H100: 40 GB and more", "L40S、A100、H100：40 GB 以上", "8b", 200, "fp16", 40, 860),
)


def machines(language: str) -> list[tuple[str, ...]]:
    """A row for every machine: the flags, where the model runs, the memory, the most tokens a second."""
    return [_row(machine, language == "zh") for machine in MACHINES]


def _row(machine: Machine, chinese: bool) -> tuple[str, ...]:
    model = resolve(machine.model, machine.quant)
    layers = _layers_on_gpu(machine, model)
    share = layers / (model.layers + 1)
    seconds = model.model.size * (1 - share) / (machine.memory_speed * 1e9)
    if layers:
        seconds += model.model.size * share / (machine.gpu_speed * 1e9)
    return (
        (machine.en, machine.zh)[chinese],
        _flags(machine),
        _place(layers, model, chinese),
        f"{need_bytes(model, machine.context) / 1e9:.1f} GB",
        f"≤ {1 / seconds:.0f}",
    )


def _flags(machine: Machine) -> str:
    quant = f" --quant {machine.quant}" if machine.quant else ""
    context = f" --ctx-size {machine.context}" if machine.context != USUAL_CONTEXT else ""
    return f"`--model {machine.model}{quant}{context}`"


def _layers_on_gpu(machine: Machine, model: Model) -> int:
    if not machine.gpu_memory:
        return 0
    sizes = {"model_bytes": model.model.size, "mmproj_bytes": model.mmproj.size, "cell_bytes": model.cell_bytes}
    plan = Plan("", "", machine.context, machine.context, layers=model.layers, **sizes)
    memory = int(machine.gpu_memory * 1e9)
    return on_device(plan, Device(machine.en, int(memory * FREE_SHARE), memory)).gpu_layers


def _place(layers: int, model: Model, chinese: bool) -> str:
    if not layers:
        return ("processor", "处理器")[chinese]
    if layers > model.layers:
        return "GPU"
    return (f"{layers} of {model.layers} layers on the GPU", f"{model.layers} 层中的 {layers} 层在 GPU 上")[chinese]
