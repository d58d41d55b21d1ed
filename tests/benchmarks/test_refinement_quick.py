"""The refinement benchmark runs, finds agreeing results, and writes only the block it owns."""

import json

import pytest

from benchmarks import refinement


def test_quick_run_of_one_part_prints_json_and_replaces_its_block(tmp_path, capsys):
    docs = tmp_path / "benchmarks.md"
    docs.write_text("# Title\n<!-- refinement:begin -->\nstale\n<!-- refinement:end -->\nend\n")
    assert refinement.main(["--quick", "--only", "ncut196", "--docs", str(docs)]) == 0
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
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
