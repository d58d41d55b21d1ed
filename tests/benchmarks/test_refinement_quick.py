"""The refinement benchmark runs, finds agreeing results, and keeps its record."""

import json

import pytest

from benchmarks import refinement
from benchmarks.record import read_record


@pytest.mark.slow
def test_quick_run_of_one_part_prints_json_and_keeps_its_record(tmp_path, capsys):
    assert refinement.main(["--quick", "--only", "ncut196", "--results", str(tmp_path)]) == 0
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert line["identical"] is True
    assert line["ncut196"] > 1
    assert line["ncut196_fallbacks"] == 0
    assert "ncut900" not in line
    (row,) = read_record(tmp_path / "refinement.json").rows
    assert (row["part"], row["least"]) == ("ncut196", 10)
    assert row["ratio"] == pytest.approx(line["ncut196"], rel=0.01, abs=0.06)


@pytest.mark.slow
def test_quick_run_of_arm_and_sgrm_agrees_with_the_straightforward_forms(capsys):
    assert refinement.main(["--quick", "--only", "arm", "sgrm_exact", "sgrm_fast"]) == 0
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert line["identical"] is True
    assert line["arm"] > 1
    assert line["sgrm_exact_chain_images_per_second"] > 0
    assert line["sgrm_fast_chain_iterations"] > 1


def test_an_unknown_part_is_refused(capsys):
    with pytest.raises(SystemExit, match="2"):
        refinement.main(["--quick", "--only", "ncut"])
    assert "ncut196" in capsys.readouterr().err
