"""KG-CI-CAM's trainings: who is trained from whom, on what data, and their table and picture."""

import json

import cv2
import pytest
from mmengine.config import Config

from studies.guidance.stages import (
    draw_dilemma,
    expert,
    from_scratch,
    guidance_stages,
    guidance_table,
    on_data,
    step_seconds,
    student,
)
from studies.harness.trial import resolved_config, trial_key, write_config

NUMBERS = {"top1_cls": 90.0, "top1_loc": 60.5, "gt_known": 66.6, "max_box_acc_v2": 50.0}
STAMP = {"protocol": {"name": "p"}, "normalization": "minmax", "threshold": {"source": "val"}}


def result(**metrics):
    return {"metrics": {**NUMBERS, **metrics}, "epoch": 2, "stamp": STAMP}


def test_a_student_reads_the_checkpoints_of_the_experts_beside_it(tmp_path):
    stages = guidance_stages("resnet18_toy", {"train_cfg.max_epochs": 3}, baselines=True)
    assert list(stages) == [
        "CAM",
        "NL-CCAM",
        "CI-CAM",
        "classification expert",
        "localization expert",
        "KG-CI-CAM",
    ]
    assert {resolved_config(trial).train_cfg.max_epochs for trial in stages.values()} == {3}
    last = stages["KG-CI-CAM"]
    assert trial_key(last.sources()["cls_expert"]) == trial_key(stages["classification expert"])
    assert trial_key(last.sources()["loc_expert"]) == trial_key(stages["localization expert"])
    files = {name: tmp_path / name for name in ("data", "cls_expert", "loc_expert")}
    cfg = Config.fromfile(write_config(resolved_config(last), tmp_path / "c.py", files))
    assert cfg.model.cls_teacher.checkpoint == str(tmp_path / "cls_expert")
    assert cfg.model.loc_teacher.checkpoint == str(tmp_path / "loc_expert")
    assert len(guidance_stages("vgg16_ilsvrc")) == 3
    with pytest.raises(FileNotFoundError, match=r"network 'vgg19': expected one of .*vgg16_cub"):
        guidance_stages("vgg19")


@pytest.mark.parametrize("kinds", [("cls",), ("loc",), ("cls", "loc")])
def test_only_the_named_experts_guide(kinds):
    trial = student("resnet18_toy", {kind: expert("resnet18_toy", kind) for kind in kinds})
    model = resolved_config(trial).model
    for kind in ("cls", "loc"):
        teacher = model[f"{kind}_teacher"]
        assert teacher is None if kind not in kinds else teacher.checkpoint == f"{{{kind}_expert}}"
    assert set(trial.inputs) == {f"{kind}_expert" for kind in kinds}


def test_toy_scenes_are_drawn_and_other_data_read_where_the_config_says():
    toy, birds = expert("resnet18_toy", "cls"), expert("vgg16_cub", "cls")
    assert on_data(toy, None).data_root is None
    assert on_data(toy, "here").data_root == "here"
    assert on_data(birds, None).data_root == "data/CUB_200_2011"
    assert on_data(birds, "there").data_root == "there"


def test_from_scratch_holds_for_the_teachers_too():
    stage = from_scratch(guidance_stages("vgg16_cub")["KG-CI-CAM"])
    for trial in (stage, *stage.inputs.values()):
        assert resolved_config(trial).model.backbone.init_cfg is None
    assert resolved_config(stage).model.cls_teacher.config.backbone.init_cfg is None
    assert resolved_config(guidance_stages("vgg16_cub")["KG-CI-CAM"]).model.backbone.init_cfg


def test_the_fastest_interval_of_all_logs_of_a_folder(tmp_path):
    assert step_seconds(tmp_path) is None
    for part, times in (("1", (9.0, 0.2)), ("2", (0.1,))):
        (tmp_path / part / "vis_data").mkdir(parents=True)
        rows = [{"loss": 1.0, "time": time} for time in times] + [{"wsol/x": 1.0, "time": 50.0}]
        text = "\n".join(map(json.dumps, rows))
        (tmp_path / part / "vis_data/scalars.json").write_text(text)
    assert step_seconds(tmp_path) == 0.1


def test_the_table_says_what_numbers_belong_to():
    other = result(top1_cls=80.0)
    del other["metrics"]["max_box_acc_v2"]
    results = {"CI-CAM": result(trivial_centre_iou50=33.3), "KG-CI-CAM": other}
    lines = guidance_table(results, {"CI-CAM": 0.2, "KG-CI-CAM": 0.25}).splitlines()
    assert lines[0].endswith("| s per step | times CI-CAM |")
    assert lines[2:4] == [
        "| CI-CAM | 90.0 | 60.5 | 66.6 | 50.0 | 2 | 0.200 | 1.00 |",
        "| KG-CI-CAM | 80.0 | 60.5 | 66.6 | - | 2 | 0.250 | 1.25 |",
    ]
    assert "best centred box has GT-known 33.3" in lines[-1]
    assert "Stamp: protocol p" in lines[-1]
    unknown = guidance_table(results, {"CI-CAM": None, "KG-CI-CAM": 0.25})
    assert "| 2 | - | - |" in unknown
    assert "| 2 | 0.250 | - |" in unknown


def test_the_picture_leaves_out_what_has_no_result(tmp_path):
    def drawn(panels):
        draw_dilemma(panels, tmp_path / "p.png")
        return cv2.imread(str(tmp_path / "p.png"))

    one = drawn({"": {"a": [result()], "b": []}})
    two = drawn({"": {"a": [result()], "b": [result(gt_known=50.0), result(gt_known=40.0)]}})
    assert one.std() > 0
    assert one.shape == two.shape
    assert (one != two).any()
    assert drawn({"x": {"a": [result()]}, "y": {"b": [result()]}}).shape[1] > one.shape[1]
