"""How a model is loaded: plain values that the supervisor sends to the worker."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """Files and sizes of one load.

    `ctx_size` is what one conversation may use and `pool` what all may use together, in cells (one per token);
    `parallel` answers are written at once, and `sequences` conversations are remembered at most.
    """

    model: str
    mmproj: str
    ctx_size: int
    pool: int
    parallel: int = 4
    sequences: int = 16
    gpu_layers: int = -1
    threads: int = 0
    batch: int = 512
    queue_size: int = 64
    extra_buffers: bool = True
    gpu_projector: bool = True
    embedding_cache: int = 256 << 20  # bytes
