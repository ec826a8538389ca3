"""Recorded outputs of machines → the builds to try, in order."""

import pytest

from qwen_vl_app.errors import SetupError
from qwen_vl_app.install.accelerators import WHEELS, Candidate, Tools, detect

SMI = """+-----------------------------------------------------------------------------------------+
| NVIDIA-SMI {driver:<22} Driver Version: {driver:<14} CUDA Version: {cuda:<8} |
|-----------------------------------------+------------------------+----------------------+
|   0  {name:<22}        On  |   00000000:00:04.0 Off |                    0 |
"""
ROCMINFO = """ROCk module is loaded
*******
Agent 1
*******
  Name:                    AMD Ryzen 9 7950X 16-Core Processor
  Device Type:             CPU
*******
Agent 2
*******
  Name:                    {gfx}
  Marketing Name:          AMD Radeon
  Device Type:             GPU
      Name:                    amdgcn-amd-amdhsa--{gfx}
"""
VULKAN = """GPU0:
\tapiVersion         = 1.4.305
\tdeviceType         = {kind}
\tdeviceName         = {name}
\tdriverID           = DRIVER_ID_MESA
"""
LLVMPIPE = VULKAN.format(kind="PHYSICAL_DEVICE_TYPE_CPU", name="llvmpipe (LLVM 15.0.6, 256 bits)")
IRIS = VULKAN.format(kind="PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU", name="Intel(R) Iris(R) Xe Graphics")
BROKEN = "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver."


def nvidia(driver: str, cuda: str, name: str, capability: str, **more: object) -> Tools:
    smi = SMI.format(driver=driver, cuda=cuda, name=name)
    return Tools(nvidia_smi=smi, compute_cap=capability + "\n", **more)  # type: ignore[arg-type]


MACHINES = {
    "cloud instance without a GPU": (Tools(), ["cpu"]),
    "MacBook M3": (Tools("Darwin", "arm64"), ["wheel metal", "metal", "cpu"]),
    "Intel Mac": (Tools("Darwin", "x86_64", translated="0\n"), ["cpu"]),
    "RTX 4090, driver 550": (
        nvidia("550.54.14", "12.4", "NVIDIA GeForce RTX 4090", "8.9"),
        ["wheel cu124", "wheel cu123", "cpu"],
    ),
    "H200, driver 580 with toolkit": (
        nvidia("580.95.05", "13.0", "NVIDIA H200", "9.0", compilers=frozenset({"nvcc"})),
        ["wheel cu130", "wheel cu125", "cuda", "cpu"],
    ),
    "RTX 5090, driver 595": (
        nvidia("595.10", "13.2", "NVIDIA GeForce RTX 5090", "12.0"),
        ["wheel cu132", "wheel cu130", "cpu"],
    ),
    "P100, driver 580": (nvidia("580.95.05", "13.0", "Tesla P100", "6.0"), ["wheel cu125", "wheel cu124", "cpu"]),
    "T4 and P4 together": (nvidia("535.183.01", "12.2", "Tesla T4", "7.5\n6.1"), ["wheel cu122", "wheel cu121", "cpu"]),
    "old driver": (nvidia("470.256.02", "11.4", "NVIDIA GeForce GTX 1080", "6.1"), ["cpu"]),
    "old GPU": (nvidia("470.256.02", "12.1", "GeForce GTX 960", "5.2"), ["cpu"]),
    "GH200, no toolkit": (nvidia("570.1", "12.8", "NVIDIA GH200", "9.0", machine="aarch64"), ["cpu"]),
    "GH200 with toolkit": (
        nvidia("570.1", "12.8", "NVIDIA GH200", "9.0", machine="aarch64", compilers=frozenset({"nvcc"})),
        ["cuda", "cpu"],
    ),
    "new instance without a driver": (Tools(pci_vendors=frozenset({"0x10de", "0x1013"})), ["cpu"]),
    "driver that does not answer": (Tools(nvidia_smi=BROKEN, vulkaninfo=LLVMPIPE), ["cpu"]),
    "Radeon with ROCm 7.2": (
        Tools(rocminfo=ROCMINFO.format(gfx="gfx1100"), rocm_version="7.2.0-43\n", compilers=frozenset({"hipcc"})),
        ["wheel rocm72", "rocm", "cpu"],
    ),
    "Radeon with ROCm 6 and Vulkan": (
        Tools(rocminfo=ROCMINFO.format(gfx="gfx1100"), rocm_version="6.4.1", vulkaninfo=IRIS),
        ["wheel vulkan", "cpu"],
    ),
    "laptop with Intel graphics": (
        Tools(vulkaninfo=LLVMPIPE + IRIS, compilers=frozenset({"glslc"})),
        ["wheel vulkan", "vulkan", "cpu"],
    ),
    "ARM board with Vulkan, no shader compiler": (Tools(machine="aarch64", vulkaninfo=IRIS), ["cpu"]),
}


def named(candidate: Candidate) -> str:
    return "wheel " + candidate.index.removeprefix(WHEELS) if candidate.kind == "wheel" else candidate.accelerator


@pytest.mark.parametrize("machine", MACHINES)
def test_builds_are_tried_in_order(machine: str) -> None:
    tools, expected = MACHINES[machine]
    assert [named(candidate) for candidate in detect(tools).candidates] == expected


@pytest.mark.parametrize(
    ("machine", "accelerator", "remedy"),
    [
        ("old driver", "cuda", "driver is too old (CUDA 11.4)"),
        ("old GPU", "cuda", "compute capability 5.2"),
        ("GH200, no toolkit", "cuda", "nvcc"),
        ("driver that does not answer", "cuda", "reinstall the NVIDIA driver"),
        ("new instance without a driver", "cuda", "driver is not installed"),
        ("Radeon with ROCm 6 and Vulkan", "rocm", "ROCm 7.2"),
        ("ARM board with Vulkan, no shader compiler", "vulkan", "glslc"),
    ],
)
def test_a_gpu_that_cannot_be_used_is_named_with_a_remedy(machine: str, accelerator: str, remedy: str) -> None:
    (found,) = detect(MACHINES[machine][0]).unusable
    assert found.accelerator == accelerator
    assert remedy in found.why("en") and found.why("zh") != found.why("en")
    with pytest.raises(SetupError, match=f"--accelerator {accelerator}: "):
        detect(MACHINES[machine][0], accelerator)


def test_usable_machines_have_nothing_to_explain() -> None:
    assert detect(MACHINES["RTX 4090, driver 550"][0]).unusable == ()
    assert detect(MACHINES["cloud instance without a GPU"][0]).unusable == ()


def test_cuda_wheels_bring_their_runtime() -> None:
    cu132, cu130, _ = detect(MACHINES["RTX 5090, driver 595"][0]).candidates
    assert cu132.packages == ("nvidia-cuda-runtime>=13.2,<14", "nvidia-cublas>=13,<14")
    assert cu130.packages[0].startswith("nvidia-cuda-runtime>=13,")
    assert "nvidia-cublas-cu12" in detect(MACHINES["RTX 4090, driver 550"][0]).candidates[0].packages


def test_rocm_source_build_names_the_gpu() -> None:
    assert detect(MACHINES["Radeon with ROCm 7.2"][0]).candidates[1].options.endswith("-DAMDGPU_TARGETS=gfx1100")


def test_a_newer_wording_of_nvidia_smi_is_read() -> None:
    smi = SMI.format(driver="600.1", cuda="13.4", name="x").replace("CUDA Version", "CUDA UMD Version")
    assert named(detect(Tools(nvidia_smi=smi, compute_cap="9.0")).candidates[0]) == "wheel cu132"


def test_the_person_may_choose() -> None:
    tools = MACHINES["H200, driver 580 with toolkit"][0]
    assert [named(candidate) for candidate in detect(tools, "cpu").candidates] == ["cpu"]
    assert [named(c) for c in detect(tools, "cuda").candidates] == ["wheel cu130", "wheel cu125", "cuda"]


@pytest.mark.parametrize(
    ("tools", "wanted", "said"),
    [
        (Tools(), "gpu", "no 'gpu'; known: auto, cuda, metal, rocm, vulkan, cpu"),
        (Tools(), "cuda", "no such device was found"),
        (Tools("Darwin", "x86_64", translated="1\n"), "auto", "Rosetta"),
    ],
)
def test_refusals_say_what_to_do(tools: Tools, wanted: str, said: str) -> None:
    with pytest.raises(SetupError, match=said):
        detect(tools, wanted)
