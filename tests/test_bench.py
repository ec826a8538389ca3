"""The bench measures a running server; here only that its numbers are there and belong together, never how large."""

import json

import pytest

from qwen_vl_app import bench, bench_client
from qwen_vl_app.bench_client import Timed
from qwen_vl_app.errors import SetupError
from qwen_vl_app.settings import Settings


def test_rates_and_gaps_of_an_answer() -> None:
    timed = Timed(stamps=[1.0, 1.5, 3.0], tokens=3)
    assert timed.first == 1.0
    assert timed.gaps == [0.5, 1.5]
    assert timed.rate == 1.0


def test_a_table_and_one_json_line(capsys: pytest.CaptureFixture[str]) -> None:
    here = {"decode_1": 50.0, "native_decode_1": 100.0}
    bench.print_results({"here": here, "there": {"decode_1": 25.0}}, rounds=5)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["median", "of", "5", "rounds", "here", "there", "ratio"]
    assert lines[1].split() == ["decode_1", "50", "25", "2.00"]
    assert json.loads(lines[-1])["here"]["overhead_us_per_token"] == pytest.approx(10_000)


def test_two_pictures_are_never_the_same() -> None:
    assert bench_client.picture(1) != bench_client.picture(2)


@pytest.mark.slow
def test_it_measures_this_program(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "STREAMS", (2,))
    assert bench.run(Settings(model="demo", ctx_size=2048), against="", rounds=1) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])["here"]
    assert found["peak_memory_mb"] > 50
    assert {"decode_1", "decode_2", "gap_ratio", "overhead_us_per_token"} <= set(found)


def test_a_server_that_does_not_answer_is_said_so() -> None:
    with pytest.raises(SetupError, match="does not answer as it should"):
        bench._rounds({"there": "http://127.0.0.1:9"}, 0)
