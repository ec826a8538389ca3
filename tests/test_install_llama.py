"""Which builds are tried, one after the other, until one is proved: with a pip that only notes what it is asked."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from qwen_vl_app.errors import SetupError
from qwen_vl_app.install import accelerators, cpu, llama, stamp
from qwen_vl_app.install.environment import Site
from qwen_vl_app.install.runner import Outcome
from tests.test_install_accelerators import MACHINES

HASWELL = cpu.Processor("x86_64", frozenset({"sse4_2", "avx", "avx2", "fma", "f16c", "bmi2"}))
UNREACHABLE = "WARNING: Retrying after connection broken by 'NewConnectionError'\nERROR: No matching distribution found"
NOT_THERE = "ERROR: No matching distribution found for llama-cpp-python"
BUILD_FAILED = "*** CMake build failed"
RTX = "RTX 4090, driver 550"
H200 = "H200, driver 580 with toolkit"
CPU_ONLY = "cloud instance without a GPU"


@dataclass
class FakePip:
    """Stands for the runner: notes the builds it is asked for, and fails those named in `fails` with that output."""

    log: Path
    fails: Mapping[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    installed: list[list[str]] = field(default_factory=list)
    stall_seconds: float = 600

    def __call__(self, command: Sequence[str], title: str, environ: Mapping[str, str]) -> Outcome:
        words = list(command[command.index("--no-input") + 1 :])
        folders = [Path(word.partition("=")[2]) for word in words if word.startswith(("--dest=", "--wheel-dir="))]
        folder = next(iter(folders), None)
        if not folder:
            self.installed.append([word for word in words[1:] if not word.startswith("-")])
            return Outcome(0, "")
        name = self._name(words, environ)
        self.asked.append(name)
        if name in self.fails:
            return Outcome(1, self.fails[name])
        folder.mkdir()
        (folder / ("llama.tar.gz" if name == "sources" else f"{name.split()[0]}.whl")).touch()
        return Outcome(0, "")

    def _name(self, words: list[str], environ: Mapping[str, str]) -> str:
        index = next((word.rpartition("/")[2] for word in words if word.startswith("--index-url")), "")
        if index:
            assert "--only-binary=:all:" in words and "--retries=1" in words
            return index
        if words[0] == "download":
            assert not any(word.startswith("--timeout") for word in words)  # the person's own index, with patience
            return "sources"
        return ("build " + environ["CMAKE_ARGS"].removeprefix("-DMTMD_VIDEO=OFF").strip()).strip()


@dataclass
class Bench:
    """An installation with a scripted pip and scripted proofs."""

    pip: FakePip
    site: Site
    proofs: list[str]  # how the next ones fail; then one fails only if it needs a GPU that the build does not use

    def prove(self, site: Site, accelerator: str = "cpu") -> str | None:
        if self.proofs:
            return self.proofs.pop(0)
        uses_gpu = not self.pip.asked or self.pip.asked[-1].startswith("cu") or "CUDA" in self.pip.asked[-1]
        return None if accelerator == "cpu" or uses_gpu else "no GPU"

    def install(self, machine: str, wanted: str = "auto", before: stamp.Stamp | None = None) -> llama.Installed:
        found = accelerators.detect(MACHINES[machine][0], wanted)
        return llama.install(self.site, HASWELL, found, before)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Nothing is installed yet."""
    (tmp_path / ".build").mkdir()
    pip = FakePip(tmp_path / "log")
    made = Bench(pip, Site(tmp_path, {"PATH": ""}, "en", pip), [])  # type: ignore[arg-type]
    monkeypatch.setattr(llama, "_satisfied", lambda site: False)
    monkeypatch.setattr(llama, "check_compiler", lambda environ, language: None)
    monkeypatch.setattr(llama, "prove", made.prove)
    return made


def test_without_a_gpu_it_is_built_from_the_persons_own_index(bench: Bench) -> None:
    done = bench.install(CPU_ONLY)
    assert bench.pip.asked == ["sources", "build"]
    assert done == llama.Installed(cpu.Build("native", ()), "cpu")


def test_a_ready_build_is_taken_with_cudas_runtime(bench: Bench) -> None:
    done = bench.install(RTX)
    assert bench.pip.asked == ["cu124"]
    assert (done.accelerator, done.build.name, done.idle) == ("cuda", "cu124", ())
    forced, needs = bench.pip.installed
    assert [Path(word).name for word in forced] == ["cu124.whl"]
    assert needs[1:] == ["nvidia-cuda-runtime-cu12", "nvidia-cublas-cu12"]


def test_a_ready_build_that_dies_is_followed_by_the_next(bench: Bench) -> None:
    bench.proofs += ["SIGILL"]
    assert bench.install(RTX).build.name == "cu123"
    assert bench.pip.asked == ["cu124", "cu123"]


def test_what_the_indices_lack_is_built(bench: Bench) -> None:
    bench.pip.fails = {"cu130": NOT_THERE, "cu125": NOT_THERE}
    done = bench.install(H200)
    assert bench.pip.asked[2:] == ["sources", "build -DGGML_CUDA=on -DCMAKE_CUDA_ARCHITECTURES=native"]
    assert (done.accelerator, done.build.name) == ("cuda", "cuda, native")


def test_a_cuda_build_that_dies_is_built_the_safe_way(bench: Bench) -> None:
    bench.pip.fails = {"cu130": NOT_THERE, "cu125": NOT_THERE}
    bench.proofs += ["SIGILL"]
    done = bench.install(H200)
    assert done.build.name == "cuda, safe"
    assert {"-DGGML_CUDA=on", "-DGGML_NATIVE=OFF"} <= set(done.build.options)


def test_indices_that_cannot_be_reached_are_asked_once(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    bench.pip.fails = {"cu124": UNREACHABLE, "cu123": UNREACHABLE}
    done = bench.install(RTX)
    assert bench.pip.asked == ["cu124", "sources", "build"]
    assert done.accelerator == "cpu"
    (idle,) = done.idle
    assert idle.accelerator == "cuda" and "no ready build could be had from" in idle.why("en")
    assert "mirror" not in capsys.readouterr().out  # a mirror does not have them


def test_a_gpu_whose_builds_all_fail_is_named_and_the_processor_computes(bench: Bench) -> None:
    cuda = "build -DGGML_CUDA=on -DCMAKE_CUDA_ARCHITECTURES=native"
    bench.pip.fails = {"cu130": NOT_THERE, "cu125": NOT_THERE, cuda: BUILD_FAILED}
    done = bench.install(H200)
    assert done.accelerator == "cpu" and bench.pip.asked[-1] == "build"
    (idle,) = done.idle
    assert "could not be built" in idle.why("zh") and "适用于它的版本" in idle.why("zh")


def test_a_gpu_without_any_build_is_named_too(bench: Bench) -> None:
    done = bench.install("old driver")
    assert done.accelerator == "cpu" and [each.reason for each in done.idle] == ["old_driver"]


def test_only_what_was_asked_for_is_tried(bench: Bench) -> None:
    bench.pip.fails = {"cu124": NOT_THERE, "cu123": NOT_THERE}
    with pytest.raises(SetupError, match="no ready build could be had"):
        bench.install(RTX, "cuda")
    assert bench.pip.asked == ["cu124", "cu123"]
    assert bench.install(RTX, "cpu") == llama.Installed(cpu.Build("native", ()), "cpu")


def test_a_processor_build_that_fails_is_an_error(bench: Bench) -> None:
    bench.pip.fails = {"build": BUILD_FAILED}
    with pytest.raises(SetupError, match="could not be built"):
        bench.install(CPU_ONLY)
    bench.pip.fails = {}
    bench.proofs += ["SIGILL", "SIGSEGV"]
    with pytest.raises(SetupError, match="SIGSEGV"):
        bench.install(CPU_ONLY)


@pytest.mark.parametrize(("own", "accelerator", "idle"), [("-DGGML_CUDA=on", "cuda", []), ("-DX=1", "cpu", ["cuda"])])
def test_own_cmake_args_are_built_and_not_replaced_by_a_ready_build(
    bench: Bench, own: str, accelerator: str, idle: list[str]
) -> None:
    bench.site.environ["CMAKE_ARGS"] = own  # type: ignore[index]
    done = bench.install(RTX)
    assert bench.pip.asked == ["sources", f"build {own}"]
    assert (done.build.name, done.accelerator) == ("native", accelerator)
    assert [each.accelerator for each in done.idle] == idle


def test_a_gpu_that_own_cmake_args_use_does_not_lie_idle(bench: Bench) -> None:
    bench.site.environ["CMAKE_ARGS"] = "-DGGML_CUDA=on -DCMAKE_CUDA_ARCHITECTURES=61"  # type: ignore[index]
    done = bench.install("old GPU")
    assert (done.accelerator, done.idle) == ("cuda", ())


# What is there already


def test_the_note_of_an_earlier_proof_goes_with_the_build_that_it_was_about(bench: Bench) -> None:
    bench.site.venv.mkdir()
    stamp.write(bench.site.venv, BEFORE)
    bench.pip.fails = {"cu124": NOT_THERE, "cu123": NOT_THERE}
    with pytest.raises(SetupError):
        bench.install(RTX, "cuda")
    assert stamp.read(bench.site.venv) == BEFORE  # nothing was replaced
    bench.pip.fails = {}
    bench.proofs += ["SIGILL", "SIGILL"]
    with pytest.raises(SetupError):
        bench.install(RTX, "cuda")
    left = stamp.read(bench.site.venv)
    assert left and left.same_packages(BEFORE) and not left.same_proof(BEFORE) and left.build == "found"


BEFORE = stamp.Stamp("3.11.7", "a", "b", "c", "d", "native")
CUDA_BEFORE = stamp.Stamp("3.11.7", "a", "b", "c", "d", "cu124", accelerator="cuda")


@pytest.fixture
def satisfied(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A version that meets the requirement is installed."""
    monkeypatch.setattr(llama, "_satisfied", lambda site: True)
    return bench


@pytest.mark.parametrize(
    ("machine", "before", "accelerator"),
    [(CPU_ONLY, BEFORE, "cpu"), (CPU_ONLY, None, "cpu"), (RTX, CUDA_BEFORE, "cuda"), (RTX, BEFORE, "cuda")],
)
def test_what_is_proved_is_kept(satisfied: Bench, machine: str, before: stamp.Stamp | None, accelerator: str) -> None:
    done = satisfied.install(machine, before=before)
    assert satisfied.pip.asked == [] and done.accelerator == accelerator
    assert done.build.name == (before.build if before else "found")


def test_an_old_build_that_finds_no_gpu_is_replaced_when_one_has_come(satisfied: Bench) -> None:
    satisfied.proofs += ["this build finds no GPU"]
    assert satisfied.install(RTX, before=BEFORE).build.name == "cu124"


def test_a_gpu_build_is_replaced_when_the_processor_is_asked_for(satisfied: Bench) -> None:
    assert satisfied.install(RTX, "cpu", CUDA_BEFORE).build.name == "native"
    assert satisfied.pip.asked == ["sources", "build"]


def test_a_gpu_that_still_cannot_be_used_is_named_again(satisfied: Bench) -> None:
    assert [each.reason for each in satisfied.install("old driver", before=BEFORE).idle] == ["old_driver"]


def test_the_proof_of_a_gpu_build_asks_for_the_gpu(tmp_path: Path) -> None:
    """The true proof with the true build, which is for the processor."""
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").symlink_to(sys.executable)
    site = Site(tmp_path, {"PYTHONPATH": ":".join(sys.path)}, "en", FakePip(tmp_path / "log"))  # type: ignore[arg-type]
    assert llama.prove(site, "cuda") == "proof: this build finds no GPU"
