"""The evaluator's benchmark runs, finds equal results, and writes only the block it owns."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_quick_run_prints_json_and_replaces_its_block(tmp_path):
    docs = tmp_path / "benchmarks.md"
    docs.write_text(
        "# Title\n<!-- evaluator:begin -->\nstale numbers\n<!-- evaluator:end -->\nend\n"
    )
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "evaluator.py", "--quick", "--docs", docs],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    line = json.loads(done.stdout.splitlines()[-1])
    assert line["identical"] is True
    assert line["noise_levels"] > line["smooth_levels"] > 1
    text = docs.read_text()
    assert "stale" not in text
    assert text.startswith("# Title\n<!-- evaluator:begin -->\n")
    assert text.endswith("<!-- evaluator:end -->\nend\n")
    assert "| noise: every pixel random |" in text
    assert "numba" in text
