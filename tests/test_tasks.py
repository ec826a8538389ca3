"""What people ask for: prompts, schemas, places read from answers, exports."""

import csv
import io
import json

import pytest

from qwen_vl_app import tasks
from qwen_vl_app.chat import Sampling
from qwen_vl_app.tasks import TASKS, Place, exports, found
from training.prompts import PROMPTS

LIVELY = Sampling(temperature=0.7, presence_penalty=1.5, seed=5)
BOX = '{"bbox_2d": [100, 200, 300, 400], "label": "red circle"}'
POINT = '{"point_2d": [500, 250], "label": "star"}'
BOX_AT, POINT_AT = Place((100, 200, 300, 400), "red circle"), Place((500, 250), "star")


@pytest.mark.parametrize("task", [task for task in TASKS.values() if task is not tasks.ASK], ids=lambda task: task.name)
def test_every_task_speaks_both_languages(task: tasks.Task) -> None:
    english, chinese = task.prompt("en"), task.prompt("zh")
    assert english and not any("\u4e00" <= letter <= "\u9fff" for letter in english)
    assert any("\u4e00" <= letter <= "\u9fff" for letter in chinese)
    assert "{}" not in english + chinese.replace("{}", "" if task.listed else "{}")
    assert len(task.title) == len(task.words) == 2 and (task.hint is None or len(task.hint) == 2)


@pytest.mark.parametrize(
    ("task", "trained", "given"),
    [
        ("describe", "describe", ""),
        ("detail", "detail", ""),
        ("read", "read", ""),
        ("spot", "spot", ""),
        ("find", "boxes", ""),
        ("find", "boxes_of", "{thing}"),
        ("point", "points", ""),
        ("point", "points_of", "{thing}"),
        ("keywords", "keywords", ""),
        ("summary", "summary", ""),
        ("compare", "compare", ""),
        ("pairs", "pairs", ""),
    ],
)
def test_the_demo_model_knows_these_prompts(task: str, trained: str, given: str) -> None:
    for language in ("en", "zh"):
        prompt = TASKS[task].prompt(language, given)  # type: ignore[arg-type]
        assert prompt.replace("{…}", "{keys}") in PROMPTS[trained][language]


def test_an_own_question_takes_the_prompts_place_but_words_go_into_it() -> None:
    assert TASKS["read"].question("en", "What does the sign say?") == "What does the sign say?"
    assert TASKS["read"].question("zh") == "请读出图中的所有文字。"
    assert TASKS["find"].question("zh", "红色圆形") == "请框出红色圆形，以JSON格式输出bbox坐标。"


def test_what_is_right_or_wrong_is_sampled_greedily() -> None:
    assert TASKS["read"].sampling(LIVELY) == Sampling(seed=5)
    assert TASKS["copy"].sampling(LIVELY) == LIVELY


def test_fields_are_asked_for_by_name_and_held_to() -> None:
    task = TASKS["pairs"]
    assert task.prompt("zh", "姓名， 日期、日期") == '提取图中的关键信息，按以下格式输出：{"姓名": "", "日期": ""}'
    schema = json.loads(task.schema("zh", "姓名， 日期") or "")
    assert schema["required"] == ["姓名", "日期"] == list(schema["properties"])
    assert task.schema("en") is None and "{…}" in task.prompt("en")
    assert len(json.loads(TASKS["aspects"].schema("zh") or "")["required"]) == 6


@pytest.mark.parametrize("asked", ["请从五个方面描述", "从6个方面分析这张图", "Describe it under Five Aspects"])
def test_the_aspects_are_known_by_their_usual_names(asked: str) -> None:
    assert tasks.meant(asked) is TASKS["aspects"]
    assert tasks.meant("描述这五个人") is None


def test_a_medical_question_is_known() -> None:
    assert tasks.is_medical("这张X光片有什么病变？") and tasks.is_medical("Is this rash serious?")
    assert not tasks.is_medical("Describe this picture.") and not tasks.is_medical("What is in the trash?")


@pytest.mark.parametrize(
    ("answer", "places", "lost", "cut"),
    [
        (f"```json\n[{BOX},\n{POINT}]\n```", (BOX_AT, POINT_AT), 0, False),
        (f"Here: {BOX} and {POINT}.", (BOX_AT, POINT_AT), 0, False),
        (f"[{BOX},\n{POINT[:20]}", (BOX_AT,), 0, True),
        (f"[{BOX},", (BOX_AT,), 0, True),
        (f'[{BOX}, {{"bbox_2d": [1, 2, 3], "label": "x"}}, {{junk}}]', (BOX_AT,), 2, False),
        ("[{'bbox_2d': [100, 200, 300, 400], 'text_content': 'red circle'}]", (BOX_AT,), 0, False),
        ('[{"bbox_2d": [300, 400, 100, 200], "label": "red circle"}]', (BOX_AT,), 0, False),
        ('[{"bbox_2d": [-5, 0, 1200, 99.5], "label": "a"}]', (Place((0, 0, 1000, 99.5), "a"),), 0, False),
        ('[{"point_2d": [true, 1], "label": "a"}]', (), 1, False),
        ("```json\n[]\n```", (), 0, False),
        ("There is nothing of that kind.", (), 0, False),
        ("", (), 0, False),
        ("{" * 5000, (), 0, True),
    ],
)
def test_places_are_read_item_by_item(answer: str, places: tuple[Place, ...], lost: int, cut: bool) -> None:
    assert found(answer) == tasks.Found(places, lost, cut)


@pytest.mark.parametrize(
    ("answer", "read"),
    [
        (
            '```json\n{"姓名":"天地","数量":3,"x":null,"y":["a"]}\n```',
            {"姓名": "天地", "数量": "3", "x": "", "y": '["a"]'},
        ),
        ('{"NAME": "A1", "DATE": "2", "PRI', {"NAME": "A1", "DATE": "2"}),
        ("nothing", {}),
        ("", {}),
    ],
)
def test_fields_are_read_also_from_a_cut_answer(answer: str, read: dict[str, str]) -> None:
    assert tasks.fields(answer) == read


def test_exports_say_the_same_in_four_forms() -> None:
    places, size = (Place((64.0, 48.0, 320.0, 240.0), "red circle"), Place((32.0, 24.0), "=cmd")), (640, 480)
    plain = json.loads(exports.as_json(places, "a.png", size))
    assert plain["width"] == 640 and plain["places"][0] == {"label": "red circle", "bbox": [64.0, 48.0, 320.0, 240.0]}
    assert plain["places"][1]["point"] == [32.0, 24.0]
    coco = json.loads(exports.as_coco(places, "a.png", size))
    assert coco["annotations"][0]["bbox"] == [64.0, 48.0, 256.0, 192.0] and coco["annotations"][0]["area"] == 49152.0
    assert [category["name"] for category in coco["categories"]] == ["red circle", "=cmd"]
    yolo = exports.as_yolo(places, size).splitlines()
    assert yolo[0] == "0 0.300000 0.300000 0.400000 0.400000" and yolo[-1] == "# 1: =cmd"
    rows = list(csv.reader(io.StringIO(exports.as_csv(places).removeprefix("\ufeff"))))
    assert rows[1] == ["red circle", "64.0", "48.0", "320.0", "240.0"] and rows[2][0] == "'=cmd"
