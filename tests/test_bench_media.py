"""The picture benchmark, on small pictures."""

import json

import pytest

from qwen_vl_app import bench_media


def test_table_and_json_tell_the_same(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(bench_media, "SIZES", ((1200, 900),))
    assert bench_media.run(rounds=1) == 0
    *table, last = capsys.readouterr().out.splitlines()
    results = json.loads(last)
    assert results["rounds"] == 1
    for row, name in zip(table[1:], ("1 Mpx JPEG", "1 Mpx PNG", "1 Mpx HEIF"), strict=True):
        assert row.startswith(name) and f"{results[name]['ratio']:.2f}" in row
        assert results[name]["ratio"] == pytest.approx(results[name]["here"] / results[name]["plain"])
