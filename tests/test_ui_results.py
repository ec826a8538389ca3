"""What follows an answer: places on the picture, tables, files; and the choice of tasks before it."""

import base64
import io
import json
import re
from pathlib import Path

import pytest
from PIL import Image as PillowImage

from qwen_vl_app import catalogue, tasks
from qwen_vl_app.errors import EmptyRequest, SecondPictureNeeded
from qwen_vl_app.host import Host
from qwen_vl_app.settings import Settings
from qwen_vl_app.tasks import TASKS
from qwen_vl_app.ui import choice, findings
from qwen_vl_app.ui.album import Album
from qwen_vl_app.ui.asked import asking
from qwen_vl_app.ui.results import PALETTE, Results
from qwen_vl_app.ui.talk import Exchange, Talk
from tests.desk import request, run
from tests.fake_engine import FakeEngine

BOXES = '```json\n[{"bbox_2d":[250,250,750,500],"label":"<b>red"},{"point_2d":[500,500],"label":"star"}]\n```'


@pytest.fixture
def results() -> Results:
    return Results(Album(Host(Settings(), catalogue.find("demo"), FakeEngine())))


@pytest.fixture
def picture(tmp_path: Path) -> str:
    path = tmp_path / "a picture.png"
    PillowImage.new("RGB", (640, 320), "white").save(path)
    return str(path)


def talk(picture: str, answer: str, task: str = "find", question: str = "Find") -> Talk:
    return Talk(picture, (Exchange(question, answer, task=task),))


def downloaded(files: str, title: str) -> str:
    found = re.search(rf'base64,([^"]*)">{title}<', files)
    assert found
    return base64.b64decode(found[1]).decode()


def test_places_are_shown_in_pixels_of_the_original(results: Results, picture: str) -> None:
    card, files = run(results.show(talk(picture, BOXES), {}, request()))
    assert 'viewBox="0 0 640 320"' in card and "Places found: 2" in card and "<b>red" not in card
    places = json.loads(downloaded(files, "JSON"))["places"]
    assert places[0]["bbox"] == pytest.approx([160, 80, 480, 160], abs=1)
    assert places[1]["point"] == pytest.approx([320, 160], abs=1)
    assert downloaded(files, "YOLO").startswith("0 0.5000")
    assert len(json.loads(downloaded(files, "COCO"))["annotations"]) == 2


def test_the_drawn_picture_has_the_boxes_where_they_belong(results: Results, picture: str) -> None:
    both = talk(picture, BOXES)
    _, files = run(results.show(both, {}, request("zh")))
    assert "标注图" in run(results.draw(both, files, {}, request("zh")))
    with PillowImage.open(Path(picture).with_name("a picture-places.png")) as drawn:
        assert drawn.size == (640, 320)
        left = [x for x in range(640) if "#{:02x}{:02x}{:02x}".format(*drawn.getpixel((x, 140))) == PALETTE[0]]
        assert left and min(left) == pytest.approx(160, abs=3) and max(left) == pytest.approx(480, abs=3)
        assert "#{:02x}{:02x}{:02x}".format(*drawn.getpixel((320, 160))) == PALETTE[1]


def test_what_could_not_be_read_is_said(results: Results, picture: str) -> None:
    card, _ = run(results.show(talk(picture, BOXES.replace("[500,500]", "[5]")[:-8]), {}, request()))
    assert "1 item(s) of the answer could not be read" in card or "ends in the middle" in card
    card, files = run(results.show(talk(picture, "Nothing of that kind is here."), {}, request()))
    assert (card, files) == ("", "") and run(results.draw(talk(picture, "No."), "", {}, request())) == ""


def test_fields_become_a_table(results: Results, picture: str) -> None:
    answer = '```json\n{"NAME":"A1","SUM":"=1+1"}\n```'
    card, files = run(results.show(talk(picture, answer, "pairs"), {}, request()))
    assert '<th scope="row">NAME</th><td>A1</td>' in card
    assert json.loads(downloaded(files, "JSON")) == {"NAME": "A1", "SUM": "=1+1"}
    assert "'=1+1" in downloaded(files, "CSV")


def test_a_medical_question_gets_the_plain_remark(results: Results, picture: str) -> None:
    card, _ = run(results.show(talk(picture, "A lung.", "ask", "这张X光片正常吗？"), {}, request("zh")))
    assert tasks.NO_DIAGNOSIS[1] in card
    assert run(results.show(talk(picture, "A dog.", "ask", "What is it?"), {}, request())) == ("", "")


def test_paths_are_quoted_in_addresses() -> None:
    assert findings.address('/tmp/a b"#.png') == "gradio_api/file=/tmp/a%20b%22%23.png"


@pytest.mark.parametrize(("language", "title"), [("en", "Find things"), ("zh", "框出物体")])
def test_tasks_are_offered_in_the_persons_language(language: str, title: str) -> None:
    offered, _ = choice.offer(request(language))
    assert (title, "find") in offered["choices"] and len(offered["choices"]) == len(TASKS)


def test_choosing_a_task_shows_what_it_takes() -> None:
    box, second, sets = choice.pick_task("find", request("zh"))
    assert box["placeholder"] == "要找什么；留空则找出所有物体" and not second["visible"] and not sets["visible"]
    assert choice.pick_task("compare", request())[1]["visible"]
    assert choice.pick_task("pairs", request())[2]["visible"]
    assert "统一社会信用代码" in choice.pick_fields("licence", request("zh"))


def test_the_browser_knows_what_each_task_asks_and_what_nobody_typed() -> None:
    facts = choice.facts("en")
    assert facts["ready"]["read"] == "Read all the text in the image." and facts["ready"]["find"] == ""
    assert {TASKS["read"].prompt("en"), TASKS["describe"].prompt("zh")} <= set(facts["unasked"])


def test_a_task_needs_its_pictures() -> None:
    with pytest.raises(SecondPictureNeeded):
        asking(Talk("a.png"), TASKS["compare"], "", "en")
    assert asking(Talk("a.png", second="b.png"), TASKS["compare"], "", "en").question == "Compare the two pictures."
    with pytest.raises(EmptyRequest):
        asking(Talk(), TASKS["find"], "circle", "en")


def test_long_prompts_are_shown_by_their_title() -> None:
    asked = asking(Talk("a.png"), TASKS["find"], "红色圆形", "zh")
    assert asked.title == "框出物体: 红色圆形" and asked.question == "请框出红色圆形，以JSON格式输出bbox坐标。"
    assert asking(Talk("a.png"), TASKS["read"], "", "zh").title == ""
    aspects = asking(Talk("a.png"), TASKS["ask"], "请从五个方面描述", "zh")
    assert aspects.task == "aspects" and "光线" in (aspects.schema or "")


def test_a_picture_drawn_on_is_as_large_as_the_original(results: Results, tmp_path: Path) -> None:
    file = io.BytesIO()
    turned = PillowImage.new("RGB", (300, 200), "white")
    exif = PillowImage.Exif()
    exif[0x0112] = 6
    turned.save(file, "JPEG", exif=exif)
    path = tmp_path / "turned.jpg"
    path.write_bytes(file.getvalue())
    one = talk(str(path), '[{"bbox_2d":[0,0,500,500],"label":"角"}]')
    _, files = run(results.show(one, {}, request()))
    assert "turned-places.png" in run(results.draw(one, files, {}, request()))
    with PillowImage.open(tmp_path / "turned-places.png") as drawn:
        assert drawn.size == (200, 300)
