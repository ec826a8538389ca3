"""The demo model answers beside the one that is still on its way, when a request names it."""

import httpx2

from qwen_vl_app.catalogue import find
from qwen_vl_app.host import Host
from qwen_vl_app.settings import Settings
from tests.conftest import Loop
from tests.fake_engine import FakeEngine
from tests.scenes import png
from tests.serving import api_app, data_url, image_part, served
from training import world

SEED = 9204


def test_the_demo_answers_while_the_other_model_is_on_its_way(loop: Loop) -> None:
    engine = FakeEngine()
    engine.state = "starting"
    host = Host(Settings(model="8b", models_dir="elsewhere"), find("8b"), engine)
    parts = [image_part(data_url(png(SEED, shapes=1))), {"type": "text", "text": "Describe this picture."}]
    body = {"messages": [{"role": "user", "content": parts}]}
    with served(loop, api_app(host)) as url:
        names = [model["id"] for model in httpx2.get(f"{url}/v1/models").json()["data"]]
        waiting = httpx2.post(f"{url}/v1/chat/completions", json=body)
        answered = httpx2.post(f"{url}/v1/chat/completions", json=body | {"model": "demo"}, timeout=60)
        unknown = httpx2.post(f"{url}/v1/chat/completions", json=body | {"model": "gpt"})
    loop.run(host.close())
    assert names == ["8b", "demo"]
    assert (waiting.status_code, waiting.json()["error"]["code"]) == (503, "model_not_ready")
    assert answered.json()["model"] == "demo"
    assert world.scene(SEED, n=1).shapes[0].colour in answered.json()["choices"][0]["message"]["content"]
    assert unknown.status_code == 404
    assert "8b, demo" in unknown.json()["error"]["message"]


def test_the_demo_is_its_own_when_it_is_the_model(loop: Loop) -> None:
    host = Host(Settings(model="demo"), find("demo"), FakeEngine(["hello"]))
    with served(loop, api_app(host)) as url:
        body = {"model": "demo", "messages": [{"role": "user", "content": "hi"}]}
        answer = httpx2.post(f"{url}/v1/chat/completions", json=body).json()
        assert len(httpx2.get(f"{url}/v1/models").json()["data"]) == 1
    assert answer["choices"][0]["message"]["content"] == "hello"
