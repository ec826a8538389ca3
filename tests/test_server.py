"""The server over HTTP: health, page, uploads, the programs' endpoint, its start and its end."""

import asyncio
import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import httpx2
import pytest
from fastapi import FastAPI
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError as ClientError
from PIL import Image

from qwen_vl_app import __version__, catalogue, scratch, server
from qwen_vl_app.errors import SetupError
from qwen_vl_app.host import Host
from qwen_vl_app.peers import Operators
from qwen_vl_app.settings import Settings
from tests.fake_engine import FakeEngine
from tests.site import served

ROOT = Path(__file__).resolve().parent.parent
ANSWER = "There is a red circle."


@pytest.fixture(scope="module")
def engine() -> FakeEngine:
    return FakeEngine([ANSWER])


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("uploads")


@pytest.fixture(scope="module")
def url(engine: FakeEngine, root: Path) -> Iterator[str]:
    with served(Host(Settings(max_upload=2), catalogue.find("demo"), engine), root) as address:
        yield address


@pytest.fixture(scope="module")
def client(url: str) -> Client:
    return Client(url, verbose=False)


@pytest.fixture
def picture(tmp_path: Path) -> str:
    path = tmp_path / "圆 circle.png"
    Image.new("RGB", (160, 128), "red").save(path)
    return str(path)


def test_health(url: str, engine: FakeEngine) -> None:
    answer = httpx2.get(url + "/health")
    assert answer.status_code == 200
    assert (
        answer.json().items() >= {"state": "ready", "model": "demo", "version": __version__, "download": None}.items()
    )
    engine.state = "restarting"
    assert httpx2.get(url + "/health").status_code == 503
    engine.state = "ready"


def test_the_page_is_in_the_browsers_language_with_an_id_of_its_own(url: str) -> None:
    chinese = httpx2.get(url, headers={"accept-language": "zh-TW"})
    assert 'lang="zh-CN"' in chinese.text and "看图问答" in chinese.text
    english = httpx2.get(url, headers={"accept-language": "en"})
    assert "Ask your pictures" in english.text
    cookies = [answer.headers["set-cookie"] for answer in (chinese, english)]
    assert cookies[0] != cookies[1] and all("HttpOnly" in cookie and "SameSite=Lax" in cookie for cookie in cookies)
    again = httpx2.get(url, headers={"cookie": cookies[0].split(";")[0]})
    assert "set-cookie" not in again.headers


def test_the_page_names_no_other_site_to_load_from(url: str) -> None:
    css = httpx2.get(url + "/theme.css").text
    assert "fonts.googleapis" not in css and "url(http" not in css


def test_an_idle_page_does_not_wake_the_processor_all_the_time() -> None:
    async def rests() -> tuple[float, float]:
        with gr.Blocks() as page:
            before: float = page._queue.sleep_when_free
            server._mount(FastAPI(), page, Settings())
        return before, page._queue.sleep_when_free

    before, now = asyncio.run(rests())
    assert before < now == server.QUEUE_REST


def test_describe(client: Client, engine: FakeEngine, picture: str) -> None:
    assert client.predict(handle_file(picture), "What?", api_name="/describe") == ANSWER
    assert client.predict(image=handle_file(picture), api_name="/describe") == ANSWER
    first, second = engine.requests[-2:]
    assert [request.messages[0].parts[1].text for request in (first, second)] == ["What?", "Describe this picture."]
    assert first.messages[0].parts[0].key == second.messages[0].parts[0].key


def test_describe_is_the_only_endpoint_shown(client: Client) -> None:
    assert list(client.view_api(return_format="dict")["named_endpoints"]) == ["/describe"]


def test_describe_refuses_what_is_no_picture(client: Client, tmp_path: Path) -> None:
    bad = tmp_path / "notes.png"
    bad.write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    with pytest.raises(ClientError, match=r"“notes\.png” cannot be read as a picture"):
        client.predict(handle_file(str(bad)), api_name="/describe")


def ask(url: str, path: str) -> str:
    """What the server says to a picture that the client only names."""
    data = [{"path": path, "meta": {"_type": "gradio.FileData"}}, ""]
    event = httpx2.post(url + "/gradio_api/call/describe", json={"data": data}).json()["event_id"]
    return httpx2.get(f"{url}/gradio_api/call/describe/{event}", timeout=20).text


def test_a_file_of_this_machine_cannot_be_named(url: str, engine: FakeEngine, picture: str) -> None:
    before = len(engine.requests)
    said = ask(url, picture)
    assert "event: error" in said and picture not in said and "Traceback" not in said
    assert len(engine.requests) == before


def test_an_address_is_not_fetched(url: str) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.settimeout(0.5)
        said = ask(url, f"http://127.0.0.1:{listener.getsockname()[1]}/a.png")
        assert "Pictures are not fetched" in said
        with pytest.raises(TimeoutError):
            listener.accept()


@pytest.mark.parametrize("path", ["/etc/passwd", str(ROOT / "pyproject.toml"), str(ROOT / "models/demo/model.gguf")])
def test_files_of_this_machine_are_not_served(url: str, path: str) -> None:
    assert httpx2.get(f"{url}/gradio_api/file={path}").status_code == 403


def test_uploads_are_private(url: str, root: Path, picture: str) -> None:
    with Path(picture).open("rb") as file:
        [stored] = httpx2.post(url + "/gradio_api/upload", files={"files": file}).json()
    [folder] = root.iterdir()
    assert Path(stored).is_relative_to(folder) and folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("field", ["file", "form field"])
def test_large_bodies_are_refused(url: str, field: str) -> None:
    big = b"x" * 2_100_000
    parts = {"files": ("a.png", big)} if field == "file" else {"files": (None, big)}
    answer = httpx2.post(url + "/gradio_api/upload", files=parts)
    assert answer.status_code == 413 and answer.json()["error"]["code"] == "body_too_large"


def test_another_site_may_not(url: str) -> None:
    answer = httpx2.post(
        url + "/gradio_api/call/describe", json={"data": []}, headers={"origin": "http://evil.example"}
    )
    assert answer.status_code == 403


def test_with_a_password(root: Path, picture: str) -> None:
    host = Host(Settings(auth="me:secret"), catalogue.find("demo"), FakeEngine([ANSWER]))
    with served(host, root) as address:
        assert httpx2.get(address).status_code == 401 and httpx2.get(address + "/health").status_code == 200
        assert httpx2.get(address, auth=("me", "secret")).status_code == 200
        client = Client(address, verbose=False, httpx_kwargs={"auth": ("me", "secret")})
        assert client.predict(handle_file(picture), api_name="/describe") == ANSWER


# Start and end


def test_a_busy_port_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SetupError, match=f"port {port} is in use .* --port"):
            server.listen(Settings(port=port))


def test_an_address_that_is_not_ours_is_named() -> None:
    with pytest.raises(SetupError, match=r"--host 192\.0\.2\.1 --port"):
        server.listen(Settings(host="192.0.2.1", port=7999))
    with pytest.raises(SetupError, match=r"--host no\.such\.invalid: there is no such address"):
        server.listen(Settings(host="no.such.invalid"))


def test_the_welcome_says_who_can_come_in() -> None:
    assert server.welcome(Settings()) == "Open http://127.0.0.1:7860 in a browser."
    assert "Nobody is asked for a password: --auth user:password" in server.welcome(Settings(host="0.0.0.0"))
    assert "任何人都无需密码即可访问" in server.welcome(Settings(host="0.0.0.0"), "zh")
    assert "a password is asked for" in server.welcome(Settings(host="192.0.2.7", auth="a:b"))
    assert "http://192.0.2.7:7860/?operator=word" in server.welcome(Settings(host="192.0.2.7"), "zh", "word")


class FailingEngine(FakeEngine):
    async def start(self) -> None:
        self.state = "failed"
        raise SetupError("no room in /secret/place")


def test_a_model_that_cannot_be_loaded_keeps_the_page_up_and_says_why(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with served(Host(Settings(), catalogue.find("demo"), FailingEngine()), root) as address:
        health = httpx2.get(address + "/health")
        assert health.status_code == 503 and health.json()["state"] == "failed"
        assert "cannot be started on this machine" in health.json()["failure"] and "secret" not in health.text
        assert httpx2.get(address).status_code == 200
    assert "error: no room in /secret/place\nThe page stays open" in capsys.readouterr().err


def test_the_operators_address_becomes_a_cookie(root: Path) -> None:
    host, operators = Host(Settings(), catalogue.find("demo"), FakeEngine()), Operators("secret")
    with served(host, root, operators) as address:
        right = httpx2.get(address + "/?operator=secret")
        assert (right.status_code, right.headers["location"]) == (303, "./")
        assert right.headers["set-cookie"] == "operator=secret; Path=/; HttpOnly; SameSite=Strict"
        wrong = httpx2.get(address + "/?operator=wrong")
        assert wrong.status_code == 303 and "set-cookie" not in wrong.headers


SERVE = """
import sys
from qwen_vl_app import catalogue, server
from qwen_vl_app.host import Host
from qwen_vl_app.settings import Settings
from tests.fake_engine import FakeEngine
server.open_host = lambda settings, installation: Host(
    settings, catalogue.find("demo"), FakeEngine(["word " * 500], pause=0.05)
)
sys.exit(server.serve(Settings(port=int(sys.argv[1]))))
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def process(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    port = free_port()
    environ = {**os.environ, "TMPDIR": str(tmp_path)}
    running = subprocess.Popen([sys.executable, "-c", SERVE, str(port)], cwd=ROOT, env=environ, stderr=subprocess.PIPE)
    address = f"http://127.0.0.1:{port}"
    try:
        until_up(address)
        yield running, address
    finally:
        running.kill()
        running.communicate()


def until_up(address: str) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            httpx2.get(address + "/health")
            return
        except httpx2.HTTPError:
            time.sleep(0.1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly_beside_an_open_stream(
    process: Any, number: int, tmp_path: Path, picture: str
) -> None:
    running, address = process
    job = Client(address, verbose=False).submit(handle_file(picture), api_name="/describe")
    with httpx2.stream("GET", address + "/gradio_api/heartbeat/abc") as heartbeat:
        next(heartbeat.iter_raw())
        while not job.outputs():
            time.sleep(0.05)
        before = time.monotonic()
        running.send_signal(number)
        assert running.wait(10) == 0
    assert time.monotonic() - before < 10
    assert running.stderr.read() == b""
    assert not list(tmp_path.glob("*qwen-vl-app-*"))


def test_a_killed_servers_folder_is_swept_by_the_next(process: Any, tmp_path: Path) -> None:
    running, _ = process
    [folder] = tmp_path.glob("qwen-vl-app-*")
    scratch.sweep(tmp_path)
    assert folder.exists()
    running.kill()
    running.wait()
    scratch.sweep(tmp_path)
    assert not folder.exists()


def test_only_dead_folders_of_ours_are_swept(tmp_path: Path) -> None:
    for name in ("qwen-vl-app-living", "qwen-vl-app-unlocked", "other"):
        (tmp_path / name).mkdir()
    with (tmp_path / "qwen-vl-app-living" / scratch.LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        scratch.sweep(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"qwen-vl-app-living", "qwen-vl-app-unlocked", "other"}
