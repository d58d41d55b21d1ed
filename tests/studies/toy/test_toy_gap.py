"""toy_gap.py: the conditions on the dials, and rows that are kept."""

import importlib.util
import json
from pathlib import Path

import pytest

TOOL = Path(__file__).resolve().parents[3] / "studies/toy/gap.py"
RIGHT = {"top1_cls": 98.0, "centred": 30.0, "cam": 60.0, "detector": 95.0, "cam_seconds": 60.0}


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("toy_gap", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("change", "messages"),
    [
        ({}, []),
        ({"cam": 35.0}, []),
        ({"cam": 34.9}, ["CAM 34.9 < best centred box 30.0 + 5"]),
        ({"detector": 74.9}, ["CAM 60.0 > detector 74.9 - 15"]),
        ({"top1_cls": 89.0}, ["Top-1 89.0 is below 90"]),
    ],
)
def test_verdict(tool, change, messages):
    assert tool.verdict([{**RIGHT, **change}]) == messages


def test_the_mean_over_seeds_decides(tool):
    rows = [{**RIGHT, "cam": 20.0}, {**RIGHT, "cam": 52.0}]
    assert tool.verdict(rows) == []
    assert "| mean | 98.0 | 30.0 | 36.0 | 95.0 | 60.0 |" in tool.table([0, 1], rows)


def test_finished_seeds_are_read_and_other_dials_refused(tool, tmp_path, capsys):
    dials = ["--part-size", "0.3"]
    for seed, cam in ((0, 60.0), (1, 90.0)):
        folder = tmp_path / f"seed{seed}"
        folder.mkdir()
        row = {**RIGHT, "cam": cam}
        (folder / "row.json").write_text(json.dumps({"dials": dials, "row": row}))
    assert tool.main(["--out", str(tmp_path), "--seeds", "0", "--", *dials]) == 0
    assert "the dials are right" in capsys.readouterr().out
    assert tool.main(["--out", str(tmp_path), "--seeds", "1", "--", *dials]) == 1
    assert "CAM 90.0 > detector 95.0 - 15" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="choose another --out"):
        tool.main(["--out", str(tmp_path), "--seeds", "0"])
