import io
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from qwen_vl_app import doctor
from qwen_vl_app.doctor import files, machine
from qwen_vl_app.doctor.finding import Finding
from qwen_vl_app.doctor.texts import ADVICE, FOUND, TITLES
from qwen_vl_app.settings import Settings
from tests.fake_hub import FakeHub
from tests.test_install_accelerators import MACHINES
from tests.tiny import FILES, TINY, no_proxy

__all__ = ["no_proxy"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def states(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.level, finding.found) for finding in findings]


def test_a_machine_with_the_demo_is_well() -> None:
    out = io.StringIO()
    settings = Settings(model="demo", port=free_port(), gpu_layers=0)
    assert doctor.run(settings, False, {"LANG": "en_US.UTF-8"}, out) == 0
    lines = out.getvalue().splitlines()
    assert lines[0].startswith("✓ Python: 3.")
    assert "✓ Proof: a tiny quantised model was computed, with the right result" in lines
    assert any(line.startswith("✓ Model: ") and "model.gguf" in line for line in lines)
    assert not any(line.startswith("✗") for line in lines)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the child processes."""
    monkeypatch.setattr(machine, "prove", lambda is_built: Finding("proof", "ok", "proof"))
    monkeypatch.setattr(machine, "gpu", lambda is_built, layers: [Finding("gpu", "note", "no_gpu")])


def test_json_says_the_same_and_the_exit_status_tells(quick: None) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        out = io.StringIO()
        settings = Settings(model="demo", port=other.getsockname()[1])
        assert doctor.run(settings, True, {"LANG": "zh_CN.UTF-8"}, out) == 1
    said = json.loads(out.getvalue())
    assert said["ok"] is False
    (bad,) = [check for check in said["checks"] if check["state"] == "fail"]
    assert bad["check"] == "port" and "--port" in bad["advice"] and "无法使用" in bad["found"]


def test_an_unknown_model_is_one_of_the_findings(quick: None) -> None:
    out = io.StringIO()
    assert doctor.run(Settings(model="70b", port=free_port()), False, {}, out) == 1
    assert "→ correct --model, --quant or --mmproj" in out.getvalue().splitlines()[-1]


def test_a_terminal_of_plain_letters_gets_plain_letters(quick: None) -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    doctor.run(Settings(model="demo", port=free_port()), False, {}, out)
    out.flush()
    assert raw.getvalue().startswith(b"[ok] Python: 3.")
    assert b"output in ascii -> set LANG=C.UTF-8" in raw.getvalue()


def test_a_build_that_dies_is_told_with_the_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_run", lambda command, seconds: (-4, ""))
    finding = machine.prove(True)
    assert finding.level == "fail" and "SIGILL" in finding.said("en") and "bash start.sh" in finding.advised("zh")


def test_a_missing_build_is_told_and_nothing_is_proved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qwen_vl_app.install.llama.PACKAGE", "no-such-package")
    assert machine.build().level == "fail"
    assert machine.prove(False).level == "note"


@pytest.mark.parametrize(
    ("computer", "accelerator"),
    [
        ("RTX 4090, driver 550", "cuda"),
        ("MacBook M3", "metal"),
        ("Radeon with ROCm 7.2", "rocm"),
        ("laptop with Intel graphics", "vulkan"),
    ],
)
def test_a_gpu_that_lies_idle_is_a_failure_unless_it_is_meant(
    computer: str, accelerator: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "_usable_gpus", list)
    monkeypatch.setattr(machine.tools, "read", lambda environ: MACHINES[computer][0])
    (idle,) = machine.gpu(True, Settings())
    assert idle.level == "fail" and "is here, but this build does not use it" in idle.said("en")
    assert f"bash start.sh --accelerator {accelerator}" in idle.advised("en")
    assert f"bash start.sh --accelerator {accelerator}" in idle.advised("zh")
    for meant in (Settings(gpu_layers=0), Settings(accelerator="cpu")):
        assert states(machine.gpu(True, meant)) == [("note", "no_gpu")]
    assert states(machine.gpu(False, Settings())) == [("note", "no_gpu")]


def test_a_gpu_that_no_build_is_for_is_named_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_usable_gpus", list)
    monkeypatch.setattr(machine.tools, "read", lambda environ: MACHINES["old driver"][0])
    (found,) = machine.gpu(True, Settings())
    assert found.level == "note" and "NVIDIA" in found.said("en") and "驱动太旧" in found.said("zh")
    monkeypatch.setattr(machine.tools, "read", lambda environ: MACHINES["cloud instance without a GPU"][0])
    assert states(machine.gpu(True, Settings())) == [("note", "no_gpu")]


def test_gpus_that_the_build_uses_are_listed_with_their_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = json.dumps([{"name": "NVIDIA H200", "free": 120 * 10**9, "total": 150 * 10**9}])
    monkeypatch.setattr(machine, "_run", lambda command, seconds: (0, f"ggml_init\n{listed}\n"))
    assert machine.gpu(True, Settings())[0].said("en") == "NVIDIA H200, 120.00 GB of 150.00 GB free"


def test_the_build_is_asked_for_its_gpus() -> None:
    code, output = machine._run([sys.executable, "-c", machine.GPUS], machine.TOOL_SECONDS)
    assert code == 0 and isinstance(json.loads(output.strip().splitlines()[-1]), list), output


def test_a_tool_that_is_absent_or_hangs_is_no_crash() -> None:
    assert machine._run(["/nowhere/tool"], 1)[0] == 1
    assert machine._run([sys.executable, "-c", "import time; time.sleep(9)"], 0.2)[0] == 1


class Health(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"version": "1", "state": "ready"}')

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_this_program_on_its_port_is_recognised(host: str) -> None:
    with HTTPServer((host, 0), Health) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        assert machine.port(host, server.server_address[1]).found == "running"
        server.shutdown()


def test_an_address_that_is_not_this_machines_is_told() -> None:
    finding = machine.port("192.0.2.1", 7860)
    assert finding.level == "fail" and "--host" in finding.advised("en")


def test_a_page_for_every_network_reminds_of_the_firewall() -> None:
    finding = machine.port("0.0.0.0", free_port())
    assert finding.level == "ok" and "security group" in finding.advised("en")


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with FakeHub(dict(FILES)) as hub:
        yield hub


def test_files_are_right_wrong_or_missing(tmp_path: Path) -> None:
    (tmp_path / "tiny").mkdir()
    findings, missing = files.model(TINY, tmp_path)
    assert states(findings) == [("note", "missing"), ("note", "missing")] and len(missing) == 2
    for name, data in FILES.items():
        (tmp_path / "tiny" / name).write_bytes(data)
    assert states(files.model(TINY, tmp_path)[0]) == [("ok", "model"), ("ok", "model")]
    (tmp_path / "tiny" / TINY.model.name).write_bytes(b"GGUF")
    findings, missing = files.model(TINY, tmp_path)
    assert states(findings) == [("note", "wrong"), ("note", "missing"), ("ok", "model")]


def test_a_model_that_nobody_serves_and_is_not_here_is_a_failure(tmp_path: Path) -> None:
    findings, _ = files.model(replace(TINY, repo=""), tmp_path)
    assert findings[0].level == "fail" and "--model demo" in findings[0].advised("en")


def test_the_disk_must_hold_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 10**9})())
    assert files.disk([TINY.model], tmp_path / "not" / "there").level == "fail"
    assert files.disk([], tmp_path).level == "ok"


def test_a_hub_that_answers_tells_its_speed(hub: FakeHub, tmp_path: Path) -> None:
    settings = Settings(models_dir=str(tmp_path), hub=hub.url)
    assert states(files.hub(TINY, [TINY.model], settings, {})) == [("ok", "hub")]


@pytest.mark.parametrize(("missing", "level"), [([TINY.model], "fail"), ([], "note")])
def test_a_hub_that_is_away_matters_only_if_files_are_missing(tmp_path: Path, missing: list, level: str) -> None:
    settings = Settings(models_dir=str(tmp_path), hub="http://127.0.0.1:1")
    (finding,) = files.hub(TINY, missing, settings, {})
    assert (finding.level, finding.found) == (level, "trouble")
    assert "127.0.0.1:1 cannot be reached" in finding.said("en")


def test_offline_and_wrong_hubs_are_told(tmp_path: Path) -> None:
    settings = Settings(models_dir=str(tmp_path), hub="github")
    assert states(files.hub(TINY, [TINY.model], settings, {})) == [("fail", "trouble")]
    assert states(files.hub(TINY, [], settings, {"HF_HUB_OFFLINE": "1"})) == [("note", "offline")]
    assert states(files.hub(replace(TINY, repo=""), [], settings, {})) == [("note", "local")]


def test_every_sentence_is_in_both_languages() -> None:
    for table in (TITLES, FOUND, ADVICE):
        assert all(len(pair) == 2 and bool(pair[0]) == bool(pair[1]) for pair in table.values())


def test_the_doctor_imports_without_gradio() -> None:
    code = "import qwen_vl_app.doctor, sys; sys.exit('gradio' in sys.modules or 'llama_cpp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
