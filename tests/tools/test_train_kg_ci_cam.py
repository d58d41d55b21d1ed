"""tools/train_kg_ci_cam.py: the order of its stages, what it leaves, and errors as one line."""

import runpy
from pathlib import Path

import pytest

from wsol_mm.apis import guidance_stages

TOOL = Path(__file__).resolve().parents[2] / "tools" / "train_kg_ci_cam.py"


@pytest.fixture
def tool(monkeypatch):
    """The tool's main, and the stages that it ran."""
    ran = []

    def run_stage(stage, *, no_pretrained=False):
        ran.append((stage.folder.name, no_pretrained))
        metrics = dict.fromkeys(guidance_stages.METRICS, 10.0 * len(ran))
        return {"metrics": metrics, "epoch": 1, "step_seconds": 0.1}

    monkeypatch.setattr(guidance_stages, "run_stage", run_stage)
    return runpy.run_path(str(TOOL))["main"], ran


def test_runs_every_stage_in_order_and_leaves_table_and_picture(tool, tmp_path, capsys):
    main, ran = tool
    main(["resnet18_toy", "--baselines", "--no-pretrained", "--out", str(tmp_path / "out")])
    folders = ["cam", "nl_ccam", "ci_cam", "cls_expert", "loc_expert", "student"]
    assert ran == [(folder, True) for folder in folders]
    table = (tmp_path / "out/table.md").read_text()
    assert len(table.splitlines()) == 2 + 6
    assert (tmp_path / "out/dilemma.png").stat().st_size > 1000
    shown = capsys.readouterr().out
    assert shown.startswith("[1/6] CAM: ")
    assert shown.endswith(table)


def test_an_unknown_network_is_one_line(tool, tmp_path, capsys):
    main, ran = tool
    with pytest.raises(SystemExit, match="2"):
        main(["resnet18", "--out", str(tmp_path)])
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: network 'resnet18': expected one of inception_v3_cub, ")
    assert not ran
