"""The GPUs that this build of llama.cpp can use, and their memory."""

import ctypes

from llama_cpp._ggml import libggml

from qwen_vl_app.engine.plan import Device

GPU_KINDS = (1, 2)  # ggml_backend_dev_type: GPU, integrated GPU


def gpus() -> list[Device]:
    """The GPUs that this build of llama.cpp can use."""
    for name in ("ggml_backend_dev_get", "ggml_backend_dev_description"):
        getattr(libggml, name).restype = ctypes.c_void_p
    found = [ctypes.c_void_p(libggml.ggml_backend_dev_get(i)) for i in range(libggml.ggml_backend_dev_count())]
    return [_device(each) for each in found if libggml.ggml_backend_dev_type(each) in GPU_KINDS]


def _device(handle: ctypes.c_void_p) -> Device:
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    libggml.ggml_backend_dev_memory(handle, ctypes.byref(free), ctypes.byref(total))
    name = ctypes.string_at(libggml.ggml_backend_dev_description(handle)).decode("utf-8", "replace")
    return Device(name, free.value, total.value)
