"""studies.guidance: the order of its trainings, what it leaves, and errors as one line."""

import runpy
from pathlib import Path

import pytest

from studies.guidance import stages as guidance_stages
from studies.harness import run as experiments
from studies.harness.run import TrialError

TOOL = Path(__file__).resolve().parents[3] / "studies/guidance/__main__.py"
STAMP = {"protocol": {"name": "p"}, "normalization": "minmax", "threshold": {"source": "val"}}


@pytest.fixture
def tool(monkeypatch):
    """The tool's main, and the trials that it ran; ``ran.fails`` breaks one."""

    class Ran(list):
        fails = ""

    ran = Ran()

    def run_trial(trial, root):
        if Path(trial.config).parent.name == ran.fails:
            raise TrialError("train.py ended with 1")
        ran.append(trial)
        metrics = dict.fromkeys(guidance_stages.STAGE_COLUMNS, 10.0 * len(ran))
        return {"metrics": metrics, "epoch": 1, "stamp": STAMP}

    monkeypatch.setattr(experiments, "run_trial", run_trial)
    return runpy.run_path(str(TOOL))["main"], ran


def test_runs_every_training_in_order_and_leaves_table_and_picture(tool, tmp_path, capsys):
    main, ran = tool
    words = ["--cfg-options", "train_cfg.max_epochs=2", "--data-root", "scenes"]
    main(["resnet18_toy", "--baselines", "--out", str(tmp_path / "out"), *words])
    configs = [Path(trial.config) for trial in ran]
    assert [config.parent.name for config in configs] == [
        *("cam", "nl_ccam", "ci_cam"),
        *3 * ["kg_ci_cam"],
    ]
    assert [config.stem[13:] for config in configs[3:]] == ["cls_expert", "loc_expert", ""]
    assert all(trial.options["train_cfg.max_epochs"] == 2 for trial in ran)
    assert all(trial.data_root == "scenes" for trial in ran)
    table = (tmp_path / "out/table.md").read_text()
    assert sum(line.startswith("|") for line in table.splitlines()) == 2 + 6
    assert (tmp_path / "out/dilemma.png").stat().st_size > 1000
    shown = capsys.readouterr().out
    assert shown.startswith("[1/6] CAM: ")
    assert "Top-1 Cls 10.0, Top-1 Loc 10.0" in shown
    assert table in shown


def test_what_is_finished_before_a_failure_is_shown(tool, tmp_path, capsys):
    main, ran = tool
    ran.fails = "kg_ci_cam"
    with pytest.raises(SystemExit, match="2"):
        main(["resnet18_toy", "--baselines", "--out", str(tmp_path / "out")])
    assert capsys.readouterr().err.startswith("error: TrialError: train.py ended with 1")
    assert "| CI-CAM | 30.0 |" in (tmp_path / "out/table.md").read_text()


def test_no_pretrained_reaches_every_training(tool, tmp_path):
    main, ran = tool
    main(["vgg16_cub", "--no-pretrained", "--out", str(tmp_path / "out")])
    assert [trial.options["model.backbone.init_cfg"] for trial in ran] == [None] * 3
    assert {trial.data_root for trial in ran} == {"data/CUB_200_2011"}


def test_an_unknown_network_is_one_line(tool, tmp_path, capsys):
    main, ran = tool
    with pytest.raises(SystemExit, match="2"):
        main(["resnet18", "--out", str(tmp_path)])
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: network 'resnet18': expected one of ")
    assert "inception_v3_cub, " in line
    assert not ran
