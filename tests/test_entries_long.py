"""A long screenshot from every side: page, command line and `/v1` ask about its pieces, in order, and say so."""

import asyncio
import json
import re
from pathlib import Path

import httpx2
import pytest
from PIL import Image as PillowImage

from qwen_vl_app import catalogue, describing, media
from qwen_vl_app.chat import Image
from qwen_vl_app.describing import Wanted
from qwen_vl_app.host import Host
from qwen_vl_app.settings import Settings
from qwen_vl_app.tasks import TASKS
from qwen_vl_app.ui.desk import Desk
from qwen_vl_app.ui.past import Past, exchanges_in
from qwen_vl_app.ui.results import Results
from qwen_vl_app.ui.talk import Exchange, Talk
from tests.conftest import Loop
from tests.desk import CHAT, STATUS, TALK, last, request, run, views
from tests.fake_engine import PROMPT_TOKENS, FakeEngine
from tests.serving import api_app, data_url, image_part, served
from tests.test_cli import app

SIZE = (1080, 12_000)
BOX = '[{"bbox_2d":[0,400,1000,420],"text_content":"line"}]'


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("long") / "long.png"
    PillowImage.linear_gradient("L").resize(SIZE).save(path)
    return path


def host_of(answers: list[str]) -> tuple[Host, FakeEngine]:
    engine = FakeEngine(answers)
    return Host(Settings(max_short_side=384), catalogue.find("8b"), engine), engine


def tops(engine: FakeEngine) -> list[int]:
    """How bright the top of the pictures of all requests is: the gradient tells where they are cut."""
    return [part.rgb[0] for asked in engine.requests for part in asked.messages[-1].parts if isinstance(part, Image)]


def parts_of(long: Path) -> int:
    host, _ = host_of(["ok"])
    return len(run(host.pieces(long, long.name, "fine")))


def test_the_page_reads_it_part_by_part_and_says_so(long: Path) -> None:
    parts = parts_of(long)
    host, engine = host_of([f"{at}a\n{at}b\n{at + 1}a" for at in range(parts)])
    page = Desk(host)
    before = Talk(str(long), (Exchange("What?", "A gradient."),))
    seen = run(views(page.submit(str(long), TASKS["read"].words[0], before, "read", None, {}, (), None, request())))
    assert len(engine.requests) == parts > 2 and tops(engine) == sorted(tops(engine))
    assert all(len(asked.messages) == 1 for asked in engine.requests)  # the words before it would cost room
    shown = [view[STATUS] for view in seen if isinstance(view[STATUS], str)]
    assert [f"Part {part} of {parts}" in "".join(shown) for part in range(1, parts + 1)] == [True] * parts
    assert f"Read in {parts} parts" in shown[-1] and f"{parts} tokens" in shown[-1]
    exchange = last(seen, TALK).exchanges[-1]
    assert exchange.answer == "\n".join(f"{at}a\n{at}b" for at in range(parts)) + f"\n{parts}a"
    assert exchange.pieces == parts and "0b" in last(seen, CHAT)[-1]["content"][0]["text"]


def test_stop_keeps_what_was_read(long: Path) -> None:
    host, engine = host_of(["one two", "three four five", "six"])
    page = Desk(host)

    async def stopped() -> list[object]:
        seen = []
        question = TASKS["read"].words[0]
        async for view in page.submit(str(long), question, Talk(), "read", None, {}, (), None, request()):
            seen.append(view)
            if "Part 2" in str(view[STATUS]):
                await page.stop(request())
        return seen

    seen = asyncio.run(stopped())
    assert len(engine.requests) == 2
    assert last(seen, TALK).exchanges[-1].answer.startswith("one two")  # type: ignore[arg-type]
    assert "Stopped" in last(seen, STATUS)  # type: ignore[arg-type]


def test_its_places_are_shown_where_they_are_in_the_whole(long: Path) -> None:
    host, engine = host_of([BOX])
    page = Desk(host)
    seen = run(views(page.submit(str(long), TASKS["spot"].words[0], Talk(), "spot", None, {}, (), None, request())))
    talk = last(seen, TALK)
    pieces = run(host.pieces(long, long.name, "fine"))
    record = json.loads(json.dumps(run(Past(page).record(talk))))
    assert exchanges_in(record) == talk.exchanges  # it comes back from the history as it is
    card, _ = run(Results(page.album).show(talk, {}, request()))
    assert f'viewBox="0 0 {SIZE[0]} {SIZE[1]}"' in card
    shown = [float(top) for top in re.findall(r'<rect x="[\d.]+" y="([\d.]+)"', card)]
    assert shown == pytest.approx([piece.to_original(0, 400)[1] for piece in pieces], abs=2)
    assert len(engine.requests) == len(pieces)


def test_a_question_of_ones_own_is_asked_once_about_the_whole(long: Path) -> None:
    host, engine = host_of(["Today."])
    seen = run(views(Desk(host).submit(str(long), "Which date?", Talk(), "read", None, {}, (), None, request())))
    assert len(engine.requests) == 1 and last(seen, TALK).exchanges[-1].pieces == 0


def test_the_command_line_prints_the_whole_text_and_counts_the_parts(
    long: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = parts_of(long)
    host, _ = host_of([f"{at}a\n{at}b\n{at + 1}a" for at in range(parts)])
    run(describing._describe(host, [str(long)], Wanted(TASKS["read"], "", "zh")))
    printed = capsys.readouterr()
    assert printed.out == "\n".join(f"{at}a\n{at}b" for at in range(parts)) + f"\n{parts}a\n"
    assert printed.err.splitlines() == [f"第 {part} 部分，共 {parts} 部分" for part in range(1, parts + 1)]


def test_v1_answers_once_with_the_sum(loop: Loop, long: Path) -> None:
    parts = parts_of(long)
    host, engine = host_of([BOX])
    body = {"task": "spot", "messages": [{"role": "user", "content": [image_part(data_url(long.read_bytes()))]}]}
    with served(loop, api_app(host)) as url:
        whole = httpx2.post(f"{url}/v1/chat/completions", json=body, timeout=60).json()
        asked = len(engine.requests)
        stream = httpx2.post(f"{url}/v1/chat/completions", json=body | {"stream": True}, timeout=60).text
    assert asked == parts and whole["usage"]["prompt_tokens"] == parts * PROMPT_TOKENS
    message = whole["choices"][0]["message"]
    assert (message["width"], message["height"]) == SIZE and len(message["places"]) == parts
    assert message["places"][-1]["bbox"][1] > SIZE[1] * 0.8
    assert f": part {parts}/{parts} writing" in stream and stream.count('"finish_reason":"stop"') == 1


def test_the_demo_is_asked_about_every_part(tmp_path: Path) -> None:
    path = tmp_path / "tall.png"
    PillowImage.new("RGB", (224, 880), "white").save(path)
    parts = len(asyncio.run(media.open_tiles(path, path.name, catalogue.find("demo").budget, 768)))
    done = app("describe", str(path), "--model", "demo", "--task", "read")
    assert done.returncode == 0 and parts > 1, done.stderr
    said = [line for line in done.stderr.splitlines() if line.startswith("part ")]
    assert said == [f"part {part} of {parts}" for part in range(1, parts + 1)]
