"""The evaluator's benchmark runs, finds equal results, and keeps its record."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.record import read_record

ROOT = Path(__file__).resolve().parents[2]


def test_quick_run_prints_json_and_keeps_its_record(tmp_path):
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "evaluator.py", "--quick", "--results", tmp_path],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    line = json.loads(done.stdout.splitlines()[-1])
    assert line["identical"] is True
    assert line["noise_levels"] > line["smooth_levels"] > 1
    record = read_record(tmp_path / "evaluator.json")
    assert [row["map"] for row in record.rows] == ["smooth", "rough", "noise"]
    assert record.row("rough")["ratio"] == pytest.approx(line["rough"], rel=0.01, abs=0.06)
    assert record.settings == {"side": 64, "thresholds": 10, "repeats": 1}
    assert "numba" in record.machine
