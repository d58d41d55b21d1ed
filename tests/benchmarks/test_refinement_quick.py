"""The refinement benchmark runs, finds agreeing results, and writes only the block it owns."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks import refinement

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments):
    return subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "refinement.py", *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def test_quick_run_of_one_part_prints_json_and_replaces_its_block(tmp_path):
    docs = tmp_path / "benchmarks.md"
    docs.write_text("# Title\n<!-- refinement:begin -->\nstale\n<!-- refinement:end -->\nend\n")
    done = run("--quick", "--only", "ncut196", "--docs", docs)
    assert done.returncode == 0, done.stderr
    line = json.loads(done.stdout.splitlines()[-1])
    assert line["identical"] is True
    assert line["ncut196"] > 1
    assert line["ncut196_fallbacks"] == 0
    assert "ncut900" not in line
    text = docs.read_text()
    assert "stale" not in text
    assert text.startswith("# Title\n<!-- refinement:begin -->\n")
    assert text.endswith("<!-- refinement:end -->\nend\n")
    assert "| `ncut196`: " in text
    assert "numba" in text


def test_quick_run_of_arm_and_sgrm_agrees_with_the_straightforward_forms(capsys):
    threads = torch.get_num_threads()
    try:
        assert refinement.main(["--quick", "--only", "arm", "sgrm_exact", "sgrm_fast"]) == 0
    finally:
        torch.set_num_threads(threads)
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert line["identical"] is True
    assert line["arm"] > 1
    assert line["sgrm_exact_chain_images_per_second"] > 0
    assert line["sgrm_fast_chain_iterations"] > 1


def test_an_unknown_part_is_refused(capsys):
    with pytest.raises(SystemExit, match="2"):
        refinement.main(["--quick", "--only", "ncut"])
    assert "ncut196" in capsys.readouterr().err
