"""The evaluator's benchmark runs, finds equal results, and keeps its record."""

import json

import pytest

from benchmarks.evaluator import main
from benchmarks.record import read_record


def test_quick_run_prints_json_and_keeps_its_record(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["evaluator", "--quick", "--results", str(tmp_path)])
    assert not main()
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert line["identical"] is True
    assert line["noise_levels"] > line["smooth_levels"] > 1
    record = read_record(tmp_path / "evaluator.json")
    assert [row["map"] for row in record.rows] == ["smooth", "rough", "noise"]
    assert record.row("rough")["ratio"] == pytest.approx(line["rough"], rel=0.01, abs=0.06)
    assert record.settings == {"side": 64, "thresholds": 10, "repeats": 1}
    assert "numba" in record.machine
