"""What the machine's tools say, and the trace that tells whether a driver or a card has changed."""

import os
from pathlib import Path

import pytest

from qwen_vl_app.install import libraries, tools

DRIVER = "proc/driver/nvidia/version"
CARD = "proc/driver/nvidia/gpus/0000:00:04.0/information"


def put(root: Path, name: str, text: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text)


def test_a_machine_without_gpus_has_no_trace(tmp_path: Path) -> None:
    assert tools.devices(tmp_path) == ""


def test_another_driver_or_card_leaves_another_trace(tmp_path: Path) -> None:
    traces = [tools.devices(tmp_path)]
    for name, text in (
        (DRIVER, "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.14\n"),
        (DRIVER, "NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.95.05\n"),
        (CARD, "Model: \t\t Tesla T4\nIRQ:   \t\t 11\n"),
        (CARD, "Model: \t\t NVIDIA L4\nIRQ:   \t\t 11\n"),
        ("opt/rocm/.info/version", "7.2.0-43\n"),
        ("sys/class/kfd/kfd/topology/nodes/1/properties", "cpu_cores_count 0\ngfx_target_version 110000\n"),
        ("sys/class/drm/renderD128/device/device", "0x744c\n"),
        ("usr/lib/wsl/lib/libcuda.so.1", "driver"),
    ):
        put(tmp_path, name, text)
        traces.append(tools.devices(tmp_path))
    assert len(set(traces)) == len(traces)


def test_what_changes_at_every_start_leaves_no_trace(tmp_path: Path) -> None:
    put(tmp_path, CARD, "Model: \t\t Tesla T4\nIRQ:   \t\t 11\n")
    before = tools.devices(tmp_path)
    put(tmp_path, CARD, "Model: \t\t Tesla T4\nIRQ:   \t\t 12\n")
    assert tools.devices(tmp_path) == before


def program(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text("#!/bin/sh\n" + script + "\n")
    (folder / name).chmod(0o755)


def test_tools_are_asked(tmp_path: Path) -> None:
    program(tmp_path, "nvidia-smi", 'if [ "$1" ]; then echo 8.9; else echo "CUDA Version: 12.4"; fi')
    program(tmp_path, "vulkaninfo", "echo $1")
    program(tmp_path, "nvcc", "exit 1")
    found = tools.read({"PATH": str(tmp_path) + os.pathsep + os.defpath})
    assert (found.nvidia_smi, found.compute_cap, found.vulkaninfo) == ("CUDA Version: 12.4\n", "8.9\n", "--summary\n")
    assert "nvcc" in found.compilers and "glslc" not in found.compilers


def test_a_tool_that_fails_is_heard_and_one_that_hangs_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "SECONDS", 0.2)
    program(tmp_path, "nvidia-smi", "echo 'Failed to initialize NVML: Driver/library version mismatch'; exit 18")
    program(tmp_path, "rocminfo", "exec sleep 60")
    found = tools.read({"PATH": str(tmp_path) + os.pathsep + os.defpath})
    assert "NVML" in found.nvidia_smi
    assert found.rocminfo == ""


def test_vendors_of_display_controllers(tmp_path: Path) -> None:
    for name, kind, vendor in (("a", "0x030200", "0x10de"), ("b", "0x020000", "0x8086"), ("c", "0x030000", "0x1234")):
        put(tmp_path, f"{name}/class", kind + "\n")
        put(tmp_path, f"{name}/vendor", vendor + "\n")
    assert set(tools._display_vendors(tmp_path)) == {"0x10de", "0x1234"}


def test_cudas_runtime_is_found_by_children_only_where_it_was_installed(tmp_path: Path) -> None:
    assert libraries.for_children({"LD_LIBRARY_PATH": "/own"}, tmp_path) == {}
    lib = tmp_path / "lib" / "python3.12" / "site-packages" / "nvidia" / "cublas" / "lib"
    lib.mkdir(parents=True)
    linked = libraries.for_children({"LD_LIBRARY_PATH": "/own"}, tmp_path)
    assert linked == {"LD_LIBRARY_PATH": f"{lib}{os.pathsep}/own"}
    assert libraries.for_children(linked, tmp_path) == linked  # a child's child
