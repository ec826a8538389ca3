"""How a model is loaded: plain values that the supervisor sends to the worker."""

from dataclasses import dataclass

from qwen_vl_app.settings import KvType

AUTO = -1  # layers: as many as the GPU has room for


@dataclass(frozen=True)
class Plan:
    """Files and sizes of one load.

    `ctx_size` is what one conversation may use and `pool` what all may use together, in cells (one per token);
    `parallel` answers are written at once, and `sequences` conversations are remembered at most. Sizes in bytes.
    """

    model: str
    mmproj: str
    ctx_size: int
    pool: int
    parallel: int = 4
    sequences: int = 16
    gpu_layers: int = AUTO
    threads: int = 0
    batch: int = 512
    queue_size: int = 64
    kv_type: KvType = "f16"
    device: int = 0
    extra_buffers: bool = True
    gpu_projector: bool = True
    layers: int = 0
    cell_bytes: int = 0
    model_bytes: int = 0
    mmproj_bytes: int = 0
    embedding_cache: int = 256 << 20
    aside: int = 256 << 20  # for conversations that nobody is in at the moment


@dataclass(frozen=True)
class Device:
    """A GPU that llama.cpp can use, with its memory in bytes."""

    name: str
    free: int
    total: int
