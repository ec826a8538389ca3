"""The parts of the installation: processor, failures, room, runner, proof, address, texts."""

import os
import re
import signal
import string
import subprocess
import sys
import time
from pathlib import Path

import pytest

from qwen_vl_app.errors import SetupError
from qwen_vl_app.install import address, cpu, failures, halves, llama, machine, proof, requirements, stamp, start, texts
from qwen_vl_app.install.environment import quiet_environ
from qwen_vl_app.install.runner import Outcome, Runner, _fitted

SAPPHIRE_RAPIDS = """processor\t: 0
vendor_id\t: GenuineIntel
model name\t: Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz
flags\t\t: fpu sse4_2 avx f16c hypervisor fma bmi1 avx2 bmi2 avx512f avx512dq avx512cd avx512bw avx512vl avx512_bf16 \
avx512vbmi avx512_vbmi2 avx512_vnni amx_bf16 avx512_fp16 amx_tile amx_int8
"""
HASWELL = "processor\t: 0\nflags\t\t: fpu sse4_2 fma avx f16c bmi1 avx2 bmi2\n\nprocessor\t: 1\nflags\t\t: fpu\n"
ALDER_LAKE = "flags\t\t: sse4_2 avx fma f16c avx2 bmi2 avx_vnni\n"
OLD_CELERON = "flags\t\t: fpu sse4_2 popcnt\n"
GRAVITON = "processor\t: 0\nBogoMIPS\t: 243.75\nFeatures\t: fp asimd aes fphp asimdhp asimddp i8mm sve bf16\n"
RASPBERRY_PI_4 = "processor\t: 0\nFeatures\t: fp asimd evtstrm crc32 cpuid\n"
INTEL_MAC = """machdep.cpu.brand_string: Intel(R) Core(TM) i5
machdep.cpu.features: FPU SSE4.1 SSE4.2 AVX1.0 FMA F16C
machdep.cpu.leaf7_features: BMI1 AVX2 BMI2
"""


def x86(text: str) -> cpu.Processor:
    return cpu.Processor("x86_64", cpu.parse_cpuinfo(text))


def on(build: cpu.Build) -> set[str]:
    return {option[len("-DGGML_") : -len("=ON")] for option in build.options if option.endswith("=ON")}


def test_announced_amx_goes_the_safe_way_at_once() -> None:
    safe, plain = cpu.candidates(x86(SAPPHIRE_RAPIDS))
    assert safe.name == "safe"
    assert "-DGGML_NATIVE=OFF" in safe.options
    assert {"AVX2", "FMA", "AVX512", "AVX512_VBMI", "AVX512_VNNI", "AVX512_BF16"} <= on(safe)
    assert not any("AMX" in option for option in safe.options)
    assert on(plain) == {"SSE42", "AVX", "AVX2", "FMA", "F16C", "BMI2"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (HASWELL, {"SSE42", "AVX", "AVX2", "FMA", "F16C", "BMI2"}),
        (ALDER_LAKE, {"SSE42", "AVX", "AVX2", "FMA", "F16C", "BMI2", "AVX_VNNI"}),
        (OLD_CELERON, {"SSE42"}),
    ],
)
def test_other_processors_try_native_and_then_what_they_announce(text: str, expected: set[str]) -> None:
    native, safe, *_ = cpu.candidates(x86(text))
    assert native == cpu.Build("native", ())
    assert on(safe) == expected


def test_builds_are_not_tried_twice() -> None:
    assert [build.name for build in cpu.candidates(x86(HASWELL))] == ["native", "safe"]
    assert [build.name for build in cpu.candidates(cpu.Processor("riscv64", frozenset()))] == ["native", "safe"]


def test_arm_names_its_extensions() -> None:
    graviton = cpu.Processor("aarch64", cpu.parse_cpuinfo(GRAVITON))
    _, safe, plain = cpu.candidates(graviton)
    assert safe.options == ("-DGGML_NATIVE=OFF", "-DGGML_CPU_ARM_ARCH=armv8.2-a+dotprod+fp16+i8mm")
    assert plain.options == ("-DGGML_NATIVE=OFF",)
    assert cpu.safe_options(cpu.Processor("aarch64", cpu.parse_cpuinfo(RASPBERRY_PI_4))) == ("-DGGML_NATIVE=OFF",)


def test_intel_mac_is_read_from_sysctl() -> None:
    assert cpu.parse_sysctl(INTEL_MAC) >= {"sse4_2", "avx", "avx2", "fma", "f16c", "bmi2"}


def test_this_processor_is_known() -> None:
    found = cpu.detect()
    assert found.machine
    assert found.flags or sys.platform == "darwin"


def test_own_cmake_args_come_last() -> None:
    build = cpu.Build("safe", ("-DGGML_NATIVE=OFF",))
    assert llama.cmake_args(build, "-DGGML_CUDA=on") == "-DMTMD_VIDEO=OFF -DGGML_NATIVE=OFF -DGGML_CUDA=on"
    assert llama.cmake_args(cpu.Build("native", ()), "") == "-DMTMD_VIDEO=OFF"


def test_requirements_are_those_of_pyproject() -> None:
    tomllib = pytest.importorskip("tomllib")
    project = tomllib.loads(requirements.PYPROJECT.read_text(encoding="utf-8"))["project"]
    assert list(requirements.listed("dependencies")) == project["dependencies"]
    for extra, values in project["optional-dependencies"].items():
        assert list(requirements.listed(extra)) == values
    with pytest.raises(KeyError):
        requirements.listed("nothing")


CAUSES = [
    ("OSError: [Errno 28] No space left on device", "disk became full", "磁盘已满"),
    ("c++: fatal error: Killed signal terminated program cc1plus\n*** CMake build failed", "out of memory", "内存不足"),
    (
        "WARNING: Retrying ... NewConnectionError\nx.c:1: error: no such thing\n*** CMake build failed",
        "no such",
        "编译失败",
    ),
    ("SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED]", "certificate", "证书"),
    ("NewConnectionError: Temporary failure in name resolution", "could not be reached", "无法连接"),
    ("ReadTimeoutError: Read timed out.", "mirror", "镜像"),
    ("ERROR: No matching distribution found for gradio>=6.31", "gradio>=6.31", "gradio>=6.31"),
    ("ERROR: something else", "something else", "something else"),
]


@pytest.mark.parametrize(("output", "english", "chinese"), CAUSES)
def test_failures_become_one_line(output: str, english: str, chinese: str) -> None:
    for language, part in (("en", english), ("zh", chinese)):
        error = failures.explain(Outcome(1, output), "install_failed", 600, Path("log"), language)  # type: ignore[arg-type]
        assert part in str(error)
        assert "\n" not in str(error)


def test_a_stall_says_for_how_long() -> None:
    error = failures.explain(Outcome(-15, "", stalled=True), "install_failed", 600, Path("the.log"), "en")
    assert "Nothing moved for 10 minutes" in str(error)
    assert "the.log" in str(error)


def test_texts_have_the_same_details_in_both_languages() -> None:
    for key, pair in texts.TEXTS.items():
        names = [{name for _, name, _, _ in string.Formatter().parse(line) if name} for line in pair]
        assert names[0] == names[1], key
        assert "\n" not in "".join(pair), key


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "en_US", "LC_ALL": "zh_TW"}, "zh"),
        ({"LC_ALL": "C", "LANG": "zh_CN"}, "en"),
        ({}, "en"),
    ],
)
def test_language_of_the_terminal(environ: dict[str, str], expected: str) -> None:
    assert texts.language(environ) == expected


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    (tmp_path / "scratch").mkdir()
    return Runner(tmp_path / "log", tmp_path / "scratch", stall_seconds=1.0)


def script(code: str) -> list[str]:
    return [sys.executable, "-u", "-c", code]


def test_runner_shows_progress_and_logs(runner: Runner, capsys: pytest.CaptureFixture[str]) -> None:
    outcome = runner(script("print('[50/193] Building'); raise SystemExit(3)"), "Title", os.environ)
    assert (outcome.code, outcome.stalled) == (3, False)
    assert "25 %" in capsys.readouterr().out
    assert "Building" in runner.log.read_text()


def test_a_progress_line_fits_a_narrow_terminal() -> None:
    assert _fitted("Building  42 %  0:10", 80) == "Building  42 %  0:10"
    assert _fitted("Building  42 %  0:10", 12) == " 42 %  0:10"
    assert _fitted("正在编译  42 %", 10) == "译  42 %"


def test_runner_gives_up_when_nothing_moves(runner: Runner) -> None:
    began = time.monotonic()
    outcome = runner(script("import time; print('x'); time.sleep(60)"), "Title", os.environ)
    assert outcome.stalled
    assert time.monotonic() - began < 10


def test_runner_waits_while_files_grow(runner: Runner) -> None:
    grow = "import os, time\nfor i in range(8):\n    open(os.environ['TMPDIR'] + '/f', 'a').write('x'); time.sleep(0.3)"
    assert not runner(script(grow), "Title", os.environ).stalled


def test_runner_ends_grandchildren(runner: Runner) -> None:
    code = "import subprocess, sys, time; p = subprocess.Popen(['sleep', '60']); print(p.pid); time.sleep(60)"
    outcome = runner(script(code), "Title", os.environ)
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        state = Path(f"/proc/{outcome.output.strip()}/stat")
        if not state.exists() or state.read_text().split()[2] == "Z":
            return
        time.sleep(0.05)
    pytest.fail("a grandchild is left")


def test_too_little_room_names_both_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.check_space(tmp_path, tmp_path, "en")
    monkeypatch.setattr(machine, "ENVIRONMENT_BYTES", 2**60)
    with pytest.raises(SetupError, match=r"has [\d.]+ GB free and the installation needs \d+\.\d GB"):
        machine.check_space(tmp_path, tmp_path, "en")


def test_scratch_is_beside_the_app_when_the_system_has_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system = machine.choose_scratch(tmp_path / "own")
    assert tmp_path not in system.parents
    system.rmdir()
    monkeypatch.setattr(machine, "_runs_programs", lambda folder: False)
    assert machine.choose_scratch(tmp_path / "own").parent == tmp_path / "own"


def test_jobs_follow_processors_and_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "processors", lambda: 64)
    monkeypatch.setattr(machine, "memory_bytes", lambda: 4 * machine.GB)
    assert machine.build_jobs({}) == 3
    assert machine.build_jobs({"CMAKE_BUILD_PARALLEL_LEVEL": "7"}) == 7
    monkeypatch.setattr(machine, "memory_bytes", lambda: machine.GB // 2)
    assert machine.build_jobs({}) == 1


def test_a_containers_limits_count(tmp_path: Path) -> None:
    (tmp_path / "cpu").write_text("100000 100000\n")
    (tmp_path / "memory").write_text("1048576\n")
    assert machine.processors(tmp_path / "cpu") == 1
    assert machine.memory_bytes(tmp_path / "memory") == 1048576
    (tmp_path / "max").write_text("max 100000\n")
    assert machine.processors(tmp_path / "max") == machine.processors(tmp_path / "absent")
    assert machine.memory_bytes(tmp_path / "max") > machine.GB // 4


@pytest.mark.parametrize(
    ("manager", "command"), [("apt-get", "build-essential"), ("dnf", "gcc-c++"), ("apk", "build-base")]
)
def test_the_command_fits_the_system(manager: str, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.platform, "system", lambda: "Linux")
    monkeypatch.setattr(machine.shutil, "which", lambda name: name if name == manager else None)
    assert command in machine.compiler_command()
    monkeypatch.setattr(machine.platform, "system", lambda: "Darwin")
    assert machine.compiler_command() == "xcode-select --install"


def test_pip_gets_the_persons_environment_with_english_messages() -> None:
    own = {"PIP_INDEX_URL": "mirror", "HTTPS_PROXY": "proxy", "LC_ALL": "zh_CN.UTF-8", "PIP_USER": "1"}
    given = quiet_environ(own)
    assert given["PIP_INDEX_URL"] == "mirror"
    assert given["HTTPS_PROXY"] == "proxy"
    assert (given["LC_CTYPE"], given["LC_MESSAGES"], given["PIP_USER"]) == ("zh_CN.UTF-8", "C", "0")
    assert "LC_ALL" not in given


def site(tmp_path: Path, **environ: str) -> llama.Site:
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").symlink_to(sys.executable)
    runner = Runner(tmp_path / "log", tmp_path, 60)
    return llama.Site(tmp_path, {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environ}, "en", runner)


def test_this_build_is_proved(tmp_path: Path) -> None:
    assert llama.prove(site(tmp_path)) is None


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import os; os.kill(os.getpid(), 4)", "SIGILL"),
        ("import os; os.kill(os.getpid(), 11)", "SIGSEGV"),
        ("import os; os.abort()", "SIGABRT"),
        ("raise ImportError('libggml.so: no such file')", "no such file"),
    ],
)
def test_a_dying_build_is_understood(code: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "fake" / "llama_cpp").mkdir(parents=True)
    (tmp_path / "fake" / "llama_cpp" / "__init__.py").write_text(code)
    failure = llama.prove(site(tmp_path, PYTHONPATH=str(tmp_path / "fake")))
    assert failure is not None
    assert said in failure


def test_wrong_numbers_are_noticed(tmp_path: Path) -> None:
    data = bytearray(proof.MODEL.read_bytes())
    data[-60000:] = data[-60000:][::-1]
    (tmp_path / "damaged.gguf").write_bytes(data)
    command = [sys.executable, "-m", proof.__name__, str(tmp_path / "damaged.gguf")]
    done = subprocess.run(command, cwd=start.ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert llama.how_it_ended(1, done.stderr) == "proof: it computes wrong numbers"


def test_agreement_of_logits() -> None:
    assert proof.agreement([1.0, 2.0], [1.01, 2.0]) > proof.LEAST_AGREEMENT
    assert proof.agreement([2.0, 1.0], [1.0, 2.0]) < proof.LEAST_AGREEMENT
    assert proof.agreement([float("nan"), 1.0], [1.0, 1.0]) == 0
    assert proof.agreement([], [1.0]) == 0


def test_proof_model_is_small_and_has_the_types_of_real_files() -> None:
    data = proof.MODEL.read_bytes()
    assert len(data) < 400_000
    types = dict(re.findall(rb"blk\.0\.(\w+)\.weight\x02\0\0\0.{16}(.)", data, re.S))
    assert {kind[0] for kind in types.values()} == {8, 12, 14}  # ggml's numbers of Q8_0, Q4_K, Q6_K


def test_stamp_is_all_or_nothing(tmp_path: Path) -> None:
    assert stamp.read(tmp_path) is None
    written = stamp.Stamp("3.11.7", "a", "b", "c", "d", "safe", ("-DX=1",))
    stamp.write(tmp_path, written)
    assert stamp.read(tmp_path) == written
    (tmp_path / stamp.NAME).write_text('{"python": ')
    assert stamp.read(tmp_path) is None
    (tmp_path / stamp.NAME).write_text('{"options": [], "of_another_version": 1}')
    assert stamp.read(tmp_path) is None


@pytest.mark.parametrize(
    ("environ", "system", "release", "expected"),
    [
        ({}, "Linux", "6.1.0-amd64", False),
        ({"DISPLAY": ":0"}, "Linux", "6.1.0-amd64", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "Linux", "6.1.0-amd64", True),
        ({"DISPLAY": "localhost:10.0", "SSH_CONNECTION": "1.2.3.4 5 10.0.0.5 22"}, "Linux", "6.1.0", False),
        ({}, "Darwin", "23.4.0", True),
        ({"SSH_TTY": "/dev/ttys001"}, "Darwin", "23.4.0", False),
        ({}, "Linux", "5.15.153.1-microsoft-standard-WSL2", True),
    ],
)
def test_desktops_are_recognised(environ: dict[str, str], system: str, release: str, expected: bool) -> None:
    assert address.has_desktop(environ, system, release) is expected


SSH = {"SSH_CONNECTION": "203.0.113.9 50000 10.0.0.5 22"}


@pytest.mark.parametrize(
    ("argv", "environ", "expected"),
    [
        ([], {}, True),
        (["--model", "demo"], {}, True),
        (["serve", "--port", "80"], {}, True),
        (["--host", "127.0.0.1"], {}, False),
        (["--host=127.0.0.1"], {}, False),
        ([], {"QWEN_VL_HOST": "127.0.0.1"}, False),
        (["describe", "a.jpg"], {}, False),
        (["--help"], {}, False),
        (["--host"], {}, True),  # malformed: app.py will say so
    ],
)
def test_open_to_all_only_if_nobody_chose(argv: list[str], environ: dict[str, str], expected: bool) -> None:
    assert address.open_to_all(argv, {**SSH, **environ}) is expected


def test_the_announcement_names_address_password_and_flag() -> None:
    told = address.announcement(["--port", "9000"], SSH, "en")
    assert "http://10.0.0.5:9000" in told
    assert "nobody is asked for a password" in told
    assert "--host 127.0.0.1" in told
    assert "with your password" in address.announcement([], {**SSH, "QWEN_VL_AUTH": "a:b"}, "en")
    assert "不需要密码" in address.announcement([], {"SSH_CONNECTION": "fe80::1 1 fe80::2 22"}, "zh")
    assert "http://[fe80::2]:7860" in address.announcement([], {"SSH_CONNECTION": "fe80::1 1 fe80::2 22"}, "zh")


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (SetupError("no room"), 1, "no room"),
        (KeyboardInterrupt(), 130, "Interrupted"),
        (PermissionError(13, "Permission denied"), 1, "owner"),
    ],
)
def test_main_says_one_line(
    raised: BaseException, code: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*about: object, **more: object) -> None:
        raise raised

    monkeypatch.setattr(start, "prepare", fail)
    assert start.main([], {}) == code
    assert said in capsys.readouterr().err


def test_signal_handlers_are_put_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), halves.interruptible():
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(1)
    assert signal.getsignal(signal.SIGTERM) is before


def test_the_installer_needs_no_package() -> None:
    """It runs before anything is installed: the standard library must do."""
    code = f"import sys; sys.path.insert(0, {str(start.ROOT)!r}); import qwen_vl_app.install.start"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
