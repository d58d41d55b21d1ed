"""The stages of KG-CI-CAM: their order, what a restart skips or goes on with, table and picture."""

import json

import cv2
import pytest

from wsol_mm.apis import guidance_stages as module
from wsol_mm.apis.experiments import TrialError
from wsol_mm.apis.guidance_stages import (
    draw_dilemma,
    guidance_stages,
    guidance_table,
    run_stage,
)

NUMBERS = {"top1_cls": 90.0, "top1_loc": 60.5, "gt_known": 66.6, "max_box_acc_v2": 50.0}


@pytest.fixture
def calls(monkeypatch):
    """Tools that leave the files of a training of three epochs; ``calls.fails`` breaks one."""

    class Tools:
        fails = ""
        seen = []

        def __init__(self, log, lock, threads):
            self.folder = log.parent

        def run(self, tool, *words):
            Tools.seen.append((tool, self.folder.name, [str(word) for word in words]))
            if tool == Tools.fails:
                raise TrialError(tool)
            if tool == "train.py":
                (self.folder / "20260101/vis_data").mkdir(parents=True, exist_ok=True)
                rows = [{"loss": 1.0, "time": t} for t in (9.0, 0.2, 0.1)] + [{"wsol/x": 1.0}]
                text = "\n".join(map(json.dumps, rows))
                (self.folder / "20260101/vis_data/scalars.json").write_text(text)
                metric = stage_metric(self.folder)
                (self.folder / f"best_{metric}_epoch_2.pth").touch()
            else:
                out = self.folder / "test/numbers.json"
                out.parent.mkdir()
                out.write_text(json.dumps({f"wsol/{key}": v for key, v in NUMBERS.items()}))

    Tools.seen = []
    monkeypatch.setattr(module, "_Stages", Tools)
    return Tools


def stage_metric(folder):
    return {"cls_expert": "wsol_top1_cls", "loc_expert": "wsol_gt_known"}.get(
        folder.name, "wsol_top1_loc"
    )


def test_experts_come_before_the_student_that_reads_them(tmp_path):
    stages = guidance_stages("resnet18_toy", tmp_path, ["a.b=1"], baselines=True)
    names = [stage.name for stage in stages]
    assert names == [
        "CAM",
        "NL-CCAM",
        "CI-CAM",
        "classification expert",
        "localization expert",
        "KG-CI-CAM",
    ]
    assert len({stage.folder for stage in stages}) == 6
    assert all(stage.config.is_file() for stage in stages)
    assert all(stage.options == ("a.b=1",) for stage in stages[:-1])
    assert stages[-1].options == (
        "a.b=1",
        f"model.cls_teacher.checkpoint={tmp_path}/cls_expert/best_wsol_top1_cls_*.pth",
        f"model.loc_teacher.checkpoint={tmp_path}/loc_expert/best_wsol_gt_known_*.pth",
    )
    assert len(guidance_stages("vgg16_ilsvrc", tmp_path)) == 3
    with pytest.raises(FileNotFoundError, match=r"network 'vgg19': expected one of .*vgg16_cub"):
        guidance_stages("vgg19", tmp_path)


def test_what_is_done_is_not_done_again(tmp_path, calls):
    stages = guidance_stages("resnet18_toy", tmp_path)
    for stage in stages:
        result = run_stage(stage)
        assert result == {"metrics": NUMBERS, "epoch": 2, "step_seconds": 0.2}
    done = [(tool, folder) for tool, folder, _ in calls.seen]
    assert done == [
        (tool, folder)
        for folder in ("cls_expert", "loc_expert", "student")
        for tool in ("train.py", "test.py")
    ]
    assert all(("--resume" in words) == (tool == "train.py") for tool, _, words in calls.seen)
    assert [run_stage(stage)["metrics"] for stage in stages] == [NUMBERS] * 3
    assert len(calls.seen) == 6


def test_a_broken_training_is_resumed_and_a_broken_test_repeated(tmp_path, calls):
    stage = guidance_stages("resnet18_toy", tmp_path)[0]
    for tool in ("train.py", "test.py"):
        calls.fails = tool
        with pytest.raises(TrialError):
            run_stage(stage)
    calls.fails = ""
    run_stage(stage)
    assert [tool for tool, *_ in calls.seen] == ["train.py", "train.py", "test.py", "test.py"]


def test_other_settings_in_the_same_folder_are_refused(tmp_path, calls):
    run_stage(guidance_stages("resnet18_toy", tmp_path)[0])
    with pytest.raises(ValueError, match="was begun with another config or other options"):
        run_stage(guidance_stages("resnet18_toy", tmp_path, ["train_cfg.max_epochs=2"])[0])
    with pytest.raises(ValueError, match="was begun with another config"):
        run_stage(guidance_stages("resnet18_toy", tmp_path)[0], no_pretrained=True)


def test_table_and_picture(tmp_path):
    other = {**NUMBERS, "top1_cls": 80.0, "max_box_acc_v2": None}
    results = {
        "CI-CAM": {"metrics": NUMBERS, "epoch": 2, "step_seconds": 0.2},
        "KG-CI-CAM": {"metrics": other, "epoch": 3, "step_seconds": 0.25},
    }
    assert guidance_table(results).splitlines()[2:] == [
        "| CI-CAM | 90.0 | 60.5 | 66.6 | 50.0 | 2 | 0.200 |",
        "| KG-CI-CAM | 80.0 | 60.5 | 66.6 | - | 3 | 0.250 |",
    ]
    draw_dilemma(results, tmp_path / "dilemma.png")
    assert cv2.imread(str(tmp_path / "dilemma.png")).std() > 0
