"""studies/toy/cl_dilemma.py: what is finished is drawn, what is not is said."""

import json
import runpy
from dataclasses import replace
from pathlib import Path

import pytest

from studies.harness.store import result_file
from studies.toy.causal import guidance_trials

TOOL = Path(__file__).resolve().parents[3] / "studies/toy/cl_dilemma.py"


@pytest.fixture
def main():
    return runpy.run_path(str(TOOL))["main"]


def test_finished_seeds_are_drawn(main, tmp_path, capsys):
    trials = guidance_trials("0.95")
    for seed, name in ((0, "CI-CAM"), (1, "CI-CAM"), (0, "both experts")):
        content = {"metrics": {"top1_cls": 90.0 + seed, "gt_known": 60.0}}
        file = result_file(replace(trials[name], seed=seed), tmp_path)
        file.write_text(json.dumps(content))
    main(["--results", str(tmp_path), "--out", str(tmp_path / "p.png")])
    assert (tmp_path / "p.png").stat().st_size > 1000
    lines = capsys.readouterr().out.splitlines()
    assert "co-occurrence 0.95, CI-CAM: 2 of 3 seeds" in lines
    assert "co-occurrence 0.95, both experts: 1 of 3 seeds" in lines
    assert "co-occurrence 0, CI-CAM: 0 of 3 seeds" in lines


def test_nothing_finished_is_one_line(main, tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["--results", str(tmp_path), "--out", str(tmp_path / "p.png")])
    assert capsys.readouterr().err.startswith(
        f"error: no result in {tmp_path}: run python -m studies"
    )
    assert not (tmp_path / "p.png").exists()
