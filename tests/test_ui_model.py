"""The model above the desk: how far it is, why it fails, and that only the operator can do something about it."""

import asyncio
import re
from typing import Any

import gradio as gr
import pytest

from qwen_vl_app import catalogue
from qwen_vl_app.engine.failures import CannotLoad
from qwen_vl_app.errors import SetupError
from qwen_vl_app.host import Host
from qwen_vl_app.install.meanwhile import Installation, NotInstalled
from qwen_vl_app.keeper import Keeper
from qwen_vl_app.peers import Operators
from qwen_vl_app.settings import Settings
from qwen_vl_app.stopping import Stopped
from qwen_vl_app.ui.arrival import SLOW_BEAT, Arrival
from qwen_vl_app.ui.stages import BEAT
from qwen_vl_app.ui.talk import Talk
from qwen_vl_app.weights import Cancelled, NoHub, Progress
from qwen_vl_app.weights.failures import NotWritable, Unreachable
from tests.desk import STATUS, desk, last, request, run
from tests.fake_engine import FakeEngine

CARD, STEPS, MODELS, FOOT, BEATS = 1, 2, 3, 4, 5
OPERATOR = "127.0.0.1"
AWAY = NoHub(
    file="a.gguf", troubles={"x": Unreachable(host="hub.example", why="timeout")}, folder="/home/me/models", address="a"
)


class FakeInstallation(Installation):
    """One that is as far as a test says."""

    def __init__(self, share: float | None = None, failure: NotInstalled | None = None) -> None:
        super().__init__(())
        self.share, self.failure = share, failure

    @property
    def under_way(self) -> bool:
        return not self.failure


def arrival(
    state: str, trouble: SetupError | None = None, name: str = "8b", installation: Installation | None = None
) -> tuple[Arrival, Host]:
    engine = FakeEngine()
    engine.state = state  # type: ignore[assignment]
    host = Host(Settings(models_dir="/home/me/models"), catalogue.find(name), engine, installation=installation)
    host.trouble = trouble
    return Arrival(Keeper(host), Operators()), host


def seen(page: Arrival, language: str = "en", peer: str = "203.0.113.7") -> Any:
    return run(page.arrive(request(language, peer=peer)))


def test_a_download_is_shown_with_its_share() -> None:
    page, host = arrival("downloading")
    host.downloading, host.progress = True, Progress("downloading", "model.gguf", 1_000_000_000, 4_000_000_000)
    view = seen(page, "zh")
    assert "正在准备 Qwen3-VL-8B-Instruct" in view[CARD] and "(25 %)" in view[CARD] and 'value="0.250"' in view[CARD]
    assert view[BEATS].value == BEAT and view[BEATS].active


def test_the_engine_that_is_built_and_the_download_beside_it_are_shown_both() -> None:
    page, host = arrival("downloading", installation=FakeInstallation(0.34))
    host.downloading, host.progress = True, Progress("downloading", "model.gguf", 1_000_000_000, 4_000_000_000)
    card = seen(page)[CARD]
    assert "The engine is being built for this machine: 34 %" in card and 'value="0.340"' in card
    assert "(25 %)" in card and 'value="0.250"' in card
    host.downloading, host.installation = False, FakeInstallation()
    card = seen(page, "zh")[CARD]
    assert "正在为这台机器安装引擎" in card and "<progress" not in card


def test_an_engine_that_cannot_be_built_is_explained_to_the_operator_and_tried_again() -> None:
    failure = NotInstalled({"en": "no such thing; details: /home/me/log", "zh": "没有；详情见 /home/me/log"})
    page, host = arrival("downloading", installation=FakeInstallation(failure=failure))
    for view in (seen(page), seen(page, "zh")):
        assert 'role="alert"' in view[CARD] and "/home" not in view[CARD] and view[STEPS] == ""
    view = seen(page, "zh", OPERATOR)
    assert "没有；详情见 /home/me/log" in view[CARD] and "解决后请点击“重试”" in view[CARD]
    assert 'data-act="retry"' in view[STEPS] and "https://" not in view[CARD] and "<progress" not in view[CARD]
    host.downloading, host.progress = True, Progress("downloading", "model.gguf", 1_000_000_000, 4_000_000_000)
    assert "(25 %)" in seen(page)[CARD]  # it goes on


def test_a_model_that_answers_needs_no_card() -> None:
    page, _ = arrival("ready")
    view = seen(page, "zh")
    assert view[CARD] == view[STEPS] == view[MODELS] == "" and "Esc" in view[FOOT]
    assert view[BEATS].value == SLOW_BEAT and view[BEATS].active


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("trouble", [AWAY, NotWritable(folder="/home/me/models", why="x"), CannotLoad("/home/me/a")])
def test_visitors_read_why_there_is_no_model_but_nothing_of_the_machine(language: str, trouble: SetupError) -> None:
    view = seen(arrival("failed", trouble)[0], language)
    assert 'role="alert"' in view[CARD] and trouble.brief(language) in view[CARD]
    assert "/home" not in view[CARD] and view[STEPS] == ""


def test_the_operator_reads_what_to_do_and_where_files_go() -> None:
    view = seen(arrival("failed", AWAY)[0], peer=OPERATOR)
    assert "hub.example cannot be reached" in view[CARD] and "/home/me/models/Qwen3-VL-8B-Instruct-GGUF" in view[CARD]
    assert "https://hf-mirror.com/" in view[CARD] and "modelscope.cn" in view[CARD]
    assert 'data-act="retry"' in view[STEPS]
    view = seen(arrival("failed", CannotLoad("no memory"))[0], "zh", OPERATOR)
    assert "模型无法加载：no memory" in view[CARD] and "https://" not in view[CARD]


def test_a_download_in_trouble_says_why_while_it_goes_on() -> None:
    page, host = arrival("downloading")
    host.downloading, host.progress = True, Progress("retrying", "a.gguf", trouble=AWAY)
    assert "cannot be downloaded just now" in seen(page)[CARD] and "/home" not in seen(page)[CARD]
    assert "/home/me/models" in seen(page, peer=OPERATOR)[CARD]


def test_a_stopped_download_is_no_alarm() -> None:
    view = seen(arrival("failed", Cancelled())[0], peer=OPERATOR)
    assert "is stopped" in view[CARD] and "alert" not in view[CARD] and "Continue the download" in view[STEPS]


def test_a_model_that_is_not_to_be_loaded_after_all_is_no_alarm() -> None:
    view = seen(arrival("failed", Stopped())[0], "zh", OPERATOR)
    assert (
        "没有加载 Qwen3-VL-8B-Instruct" in view[CARD] and "alert" not in view[CARD] and "加载</button>" in view[STEPS]
    )
    page, _ = arrival("ready", Stopped())
    assert "answers on" in seen(page, peer=OPERATOR)[CARD] and seen(page)[CARD] == ""


@pytest.mark.parametrize(
    ("state", "downloading", "installation", "button"),
    [
        ("starting", False, None, "Stop loading"),
        ("downloading", True, None, "Stop the download"),
        ("downloading", True, FakeInstallation(), "Stop the download"),
        ("downloading", False, FakeInstallation(), ""),  # the model waits for the engine, which is wanted in any case
        ("ready", False, None, "Stop loading"),  # another one, beside the one that answers
    ],
)
def test_the_operator_can_stop_what_is_under_way(
    state: str, downloading: bool, installation: Installation | None, button: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Keeper, "busy", True)
    page, host = arrival(state, installation=installation)
    host.downloading = downloading
    assert re.findall("<button[^>]*>([^<]*)", seen(page, peer=OPERATOR)[STEPS]) == ([button] if button else [])
    assert seen(page)[STEPS] == ""


def test_another_model_on_its_way_is_told_beside_the_one_that_answers() -> None:
    page, host = arrival("ready", name="4b")
    host.coming = catalogue.find("8b")
    assert "Qwen3-VL-8B-Instruct is on its way; Qwen3-VL-4B-Instruct answers meanwhile" in seen(page)[CARD]
    host.coming, host.trouble = None, CannotLoad("no memory")
    assert seen(page)[CARD] == ""
    assert "no memory" in seen(page, peer=OPERATOR)[CARD]


class CountingKeeper(Keeper):
    begun = 0

    def begin(self) -> None:
        self.begun += 1


@pytest.mark.parametrize(("peer", "begun"), [(OPERATOR, 1), ("203.0.113.7", 0)])
def test_only_the_operator_can_try_again(peer: str, begun: int) -> None:
    _, host = arrival("failed", AWAY)
    keeper = CountingKeeper(host)
    page = Arrival(keeper, Operators())
    click = gr.EventData(None, {"act": "retry"})
    run(page.act(click, request(peer=peer)))
    assert keeper.begun == begun


@pytest.mark.parametrize("data", [None, [], {"act": 1}, {"act": "unknown"}, {}])
def test_odd_clicks_do_nothing(data: object) -> None:
    _, host = arrival("failed", AWAY)
    keeper = CountingKeeper(host)
    run(Arrival(keeper, Operators()).act(gr.EventData(None, data), request(peer=OPERATOR)))
    assert keeper.begun == 0


def test_the_operator_sees_what_each_model_takes_and_whether_it_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qwen_vl_app.keeper.room_bytes", lambda host: 9_000_000_000)
    page, _ = arrival("ready")
    html = seen(page, peer=OPERATOR)[MODELS]
    found = [re.sub(r"(<[^>]+>|\s)+", " ", row.split("</tr>")[0]) for row in html.split("<tr")[2:]]
    found = [row.partition("> ")[2].strip() or row for row in found]
    assert "about 9 GB" in html and len(found) == 12
    assert "Qwen3-VL-8B-Instruct Q4_K_M, 4 bit 6.19 GB 8.47 GB fits answers now" in found[0]
    assert "Q8_0, 8 bit 9.87 GB 12.15 GB too large Use" in found[1] and "not known" in found[5]
    assert found[0].count("Use") == 0 and "Demo" in found[9]
    assert found[10:] == ["F16, 16 bit 1.16 GB 8.47 GB fits answers now", "Q8_0, 8 bit 0.75 GB 8.06 GB fits Use"]
    assert 'data-quant="Q4_K_M" data-projector="Q8_0"' in html and html.count("data-projector") == 1
    assert "放得下" in seen(page, "zh", OPERATOR)[MODELS] and seen(page)[MODELS] == ""


class NotingKeeper(Keeper):
    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self.done: list[tuple[str, ...]] = []

    async def choose(self, name: str, quant: str, projector: str = "") -> None:
        self.done.append(("use", name, quant, projector))

    async def delete(self, name: str, quant: str) -> None:
        self.done.append(("delete", name, quant))
        raise SetupError("a.gguf: no permission")


def test_only_the_operator_can_choose_and_delete() -> None:
    keeper = NotingKeeper(arrival("ready")[1])
    page = Arrival(keeper, Operators("word"))
    use, delete = ({"act": act, "model": "4b", "quant": "Q8_0", "projector": "F16"} for act in ("use", "delete"))
    for data in (use, delete):
        run(page.act(gr.EventData(None, data), request()))
        run(page.act(gr.EventData(None, data), request(operator="wrong")))
    assert keeper.done == []
    run(page.act(gr.EventData(None, use), request(operator="word")))
    with pytest.raises(gr.Error, match="no permission"):
        run(page.act(gr.EventData(None, delete), request(operator="word")))
    assert keeper.done == [("use", "4b", "Q8_0", "F16"), ("delete", "4b", "Q8_0")]


def test_a_question_that_waits_ends_with_the_reason_and_stays_in_its_box(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qwen_vl_app.ui.answering.BEAT", 0.01)
    page, engine = desk("ok")
    engine.state = "downloading"

    async def waits() -> tuple[list[Any], str]:
        async def fails() -> None:
            await asyncio.sleep(0.05)
            engine.state, page.host.trouble = "failed", AWAY

        failing, views_ = asyncio.create_task(fails()), []
        try:
            async for view in page.submit("a.png", "What?", Talk(), "ask", None, {}, (), None, request()):
                views_.append(view)
        except gr.Error as error:
            return views_, error.message
        finally:
            await failing
        return views_, ""

    seen_, message = run(waits())
    assert "hub.example cannot be reached" in message and "/home" not in message
    assert message in last(seen_, STATUS) and not engine.requests
    assert all(view[3] == gr.skip() for view in seen_)  # the box still holds the question
