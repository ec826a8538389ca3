"""The command line, as a person meets it: what it prints, where, and its exit status."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from qwen_vl_app import cli, tasks
from tests.conftest import ROOT
from tests.scenes import overlap, png
from training import world

SEED = 9204


def app(*words: str, language: str = "C.UTF-8") -> "subprocess.CompletedProcess[str]":
    environ = {**os.environ, "LC_ALL": language}
    return subprocess.run([sys.executable, "app.py", *words], cwd=ROOT, capture_output=True, text=True, env=environ)


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    """A drawn picture as a file."""
    file = tmp_path / "scene 场景.png"
    file.write_bytes(png(SEED, shapes=1))
    return file


def test_a_picture_is_described_in_the_language_of_the_locale(scene: Path) -> None:
    shape = world.scene(SEED, n=1).shapes[0]
    english = app("describe", str(scene), "--model", "demo")
    assert english.returncode == 0, english.stderr
    assert shape.colour in english.stdout
    chinese = app("describe", str(scene), "--model", "demo", language="zh_CN.UTF-8")
    assert any("\u4e00" <= letter <= "\u9fff" for letter in chinese.stdout)


def test_a_task_is_done_and_two_pictures_are_compared(scene: Path) -> None:
    boxes = app("describe", str(scene), "--model", "demo", "--task", "find")
    assert boxes.returncode == 0 and tasks.found(boxes.stdout).places, boxes.stderr
    compared = app("describe", str(scene), str(scene), "--model", "demo", "--task", "compare")
    assert "icture 2" in compared.stdout and compared.stdout.count("\n") == 1


def test_a_part_of_a_picture_is_asked_about_and_its_places_are_those_of_the_whole(tmp_path: Path) -> None:
    shape, sides = world.scene(3, n=1).shapes[0], world.scene(3, n=1).boxes((224, 224))[0]
    sheet = Image.new("RGB", (672, 448), "white")
    for at in ((0, 0), (448, 224)):
        sheet.paste(world.draw(world.scene(9 if at[0] else 3, n=1), (224, 224)), at)
    sheet.save(tmp_path / "sheet.png")
    left = [str(tmp_path / "sheet.png"), "--model", "demo", "--region", "224,224,0,0"]  # any two corners
    said = app("describe", *left)
    assert shape.colour in said.stdout and "two" not in said.stdout.lower(), said.stderr
    places = tasks.found(app("describe", *left, "--task", "find").stdout).places
    [place] = tasks.in_pixels(places, tasks.Whole(672, 448))
    assert overlap(place.at, [side * 224 for side in sides]) > 0.5


def test_a_part_that_is_none_is_refused(scene: Path) -> None:
    outside = app("describe", str(scene), "--model", "demo", "--region", "5000,0,6000,90", language="zh_CN.UTF-8")
    assert outside.returncode == 1 and "区域" in outside.stderr and scene.name in outside.stderr
    words = app("describe", str(scene), "--model", "demo", "--region", "left,top")
    assert words.returncode == 1 and "LEFT,TOP,RIGHT,BOTTOM" in words.stderr and "Traceback" not in words.stderr


def test_one_bad_file_does_not_keep_the_others_from_being_described(scene: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.png"
    wrong.write_bytes(b"no picture")
    done = app("describe", str(wrong), str(tmp_path / "nowhere.png"), str(scene), "--model", "demo")
    assert done.returncode == 1
    assert done.stderr.count("error:") == 2
    assert world.scene(SEED, n=1).shapes[0].colour in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["describe", "x.png", "--model", "70b"], "70b"),
        (["--port", "http"], "--port: 'http' is not a whole number"),
        (["describe", "x.png", "--model", "demo", "--models-dir", "/nowhere"], "model.gguf"),
    ],
)
def test_a_start_that_cannot_be_is_one_line_and_no_traceback(words: list[str], said: str) -> None:
    done = app(*words)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_download_says_where_the_files_are() -> None:
    done = app("download", "--model", "demo")
    assert done.returncode == 0, done.stderr
    assert [Path(line).name for line in done.stdout.split()] == ["model.gguf", "mmproj.gguf"]


def test_flags_alone_serve_the_page() -> None:
    assert cli.parser().parse_args(["serve", "--port", "1"]).run is cli._serve
    assert cli.parser().parse_args(["bench", "media"]).what == "media"


@pytest.mark.parametrize(("locale", "language"), [("zh_CN.UTF-8", "zh"), ("en_GB", "en"), ("", "en")])
def test_the_locale_tells_the_language(locale: str, language: str) -> None:
    assert cli.language({"LANG": locale}) == language
    assert cli.language({"LANG": "en_US", "LC_ALL": locale}) == language
