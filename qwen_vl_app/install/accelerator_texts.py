"""The lines about GPUs, in English and Chinese."""

from collections.abc import Mapping

ACCELERATORS: Mapping[str, tuple[str, str]] = {
    "no_accelerator": (
        "--accelerator: no '{wanted}'; known: auto, {known}",
        "--accelerator：没有“{wanted}”；可选：auto, {known}",
    ),
    "rosetta": (
        "This Python runs under Rosetta; install one for Apple silicon (arm64) and start again.",
        "此 Python 在 Rosetta 下运行；请安装 Apple 芯片（arm64）版的 Python，然后重新启动。",
    ),
    "not_usable": (
        "--accelerator {wanted}: {why}. Choose another or leave it out.",
        "--accelerator {wanted}：{why}。请选择其他选项或去掉此参数。",
    ),
    "no_device": ("no such device was found", "没有找到这类设备"),
    "broken_driver": (
        "nvidia-smi finds no usable GPU; restart the machine or reinstall the NVIDIA driver",
        "nvidia-smi 找不到可用的 GPU；请重启机器或重新安装 NVIDIA 驱动",
    ),
    "no_driver": ("the NVIDIA driver is not installed; install it", "没有安装 NVIDIA 驱动；请安装"),
    "no_ready_build": (
        "no ready build for this kind of processor; install the CUDA toolkit (nvcc) to build one",
        "没有适合此类处理器的现成版本；请安装 CUDA 工具包（nvcc）以便编译",
    ),
    "old_driver": (
        "the NVIDIA driver is too old (CUDA {version}); update it",
        "NVIDIA 驱动太旧（CUDA {version}）；请更新",
    ),
    "old_gpu": (
        "the GPU is too old for the ready builds (compute capability {version}); install CUDA's nvcc to build for it",
        "GPU 太旧，没有现成版本（计算能力 {version}）；请安装 CUDA 的 nvcc 以便编译",
    ),
    "old_rocm": (
        "install ROCm 7.2 or newer, or its hipcc to build for this GPU",
        "请安装 ROCm 7.2 或更新版本，或安装其 hipcc 以便为此 GPU 编译",
    ),
    "no_glslc": (
        "install glslc and Vulkan's headers to build for it",
        "请安装 glslc 和 Vulkan 头文件以便编译",
    ),
    "own_options": (
        "CMAKE_ARGS asks for a build of your own, and for the GPU there is only a ready one here; unset CMAKE_ARGS",
        "CMAKE_ARGS 要求自行编译，而这里只有适用于 GPU 的现成版本；请取消 CMAKE_ARGS",
    ),
    "all_failed": ("no build for it worked here (last: {why})", "适用于它的版本都无法在此运行（最后一次：{why}）"),
    "fetching_wheel": ("[2/3] Fetching a ready build ({name})", "[2/3] 正在下载现成版本（{name}）"),
    "no_wheel": (
        "no ready build could be had from {index} (details: {log})",
        "无法从 {index} 获取现成版本（详情见 {log}）",
    ),
    "next_build": ("{name}: {why}  Trying another way.", "{name}：{why}  换一种方式。"),
    "idle": (
        "A GPU is there ({name}), but answers are computed on the PROCESSOR: {why}. "
        "Then run: bash start.sh --accelerator {name}   (--accelerator cpu if the processor is meant)",
        "本机有 GPU（{name}），但回答在处理器（CPU）上计算：{why}。"
        "然后运行：bash start.sh --accelerator {name}   （若确实要用处理器：--accelerator cpu）",
    ),
}
