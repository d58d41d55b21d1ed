"""wend_joint.py: its table on results as trials give them, and what is computed only once."""

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.config import Config

from studies.harness import run as experiments
from studies.harness.trial import PseudoBoxes, resolved_config, trial_key
from studies.toy.detectors import CAM, DETECTORS
from studies.toy.wend_figures import Prediction
from wsol_mm.functional.image_record import BoxRecord

TOOL = Path(__file__).resolve().parents[3] / "studies/toy/wend_joint.py"
NAMES = ["CAM (maps)", "SCR", *(n for name in DETECTORS for n in (name, f"{name} + WE"))]
NMS = "score from 0.05, NMS at 0.5, at most 9"


@pytest.fixture
def tool():
    spec = importlib.util.spec_from_file_location("wend_joint", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def result_of(trial, broken):
    """A result as run_trial gives it: 50 for the CAM, 60 for the others, plus the seed."""
    if any(part in trial.config for part in broken):
        return None
    maps = "/cam/" in trial.config
    value = (50.0 if maps else 60.0) + trial.seed
    metrics = {"gt_known": value, "max_box_acc_v2": value + 1}
    metrics |= {"trivial_centre": 30.0, "trivial_centre_iou50": 35.0, "trivial_whole": 10.0}
    metrics |= {"trivial_whole_iou50": 5.0}
    if maps:
        metrics |= {"top1_cls": 98.0, "top1_loc": value - 2}
    else:
        metrics |= {"multi_gt_known": 80.0, "mean_boxes": 2.5, "multi_box_acc_v2": 70.0}
        metrics |= {"coco_ap": 20.25, "coco_ap50": 30.25} if trial.dials else {}
    return {
        "metrics": metrics,
        "stamp": {"protocol": {"name": "wsolevaluation"}},
        "history": {"1": {"gt_known": 20.0}, "2": {"gt_known": value}},
        "train_seconds": None if "fcos" in trial.config else 40.4,
        "seed": trial.seed,
        "machine": {"processor": "abacus"},
    }


@pytest.fixture
def joint(tool, monkeypatch, tmp_path):
    """Runs the tool with faked trainings; returns its exit code."""
    calls, broken, trained = [], set(), []
    photo = tmp_path / "photo.png"
    cv2.imwrite(str(photo), np.full((32, 32, 3), 128, np.uint8))

    def run_trials(wanted, root, jobs):
        trained.extend(wanted)
        for trial in wanted:
            folder = experiments.trial_folder(trial, root) / "train"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "best_x_epoch_2.pth").touch()
        return [result_of(trial, broken) for trial in wanted]

    def run_tool(name, *words):
        words = [str(word) for word in words]
        calls.append((name, words))
        out = Path(words[words.index("--out" if name == "joint_eval.py" else "--dump-scores") + 1])
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps({"top1_loc": 55.5}))

    def predict(config, checkpoint):
        assert checkpoint.name == "best_x_epoch_2.pth"
        assert config == checkpoint.parents[1] / "config.py"
        calls.append(("predict", [config.parent.name]))
        box = np.array([[4.0, 4, 20, 20]])
        return {f"{n}.jpg": Prediction(str(photo), box, box, np.ones(1)) for n in range(4)}

    def load_records(file):
        assert file.parent.name.startswith("test-")
        ious, scores = np.array([0.2, 0.6, 0.9]), np.array([0.9, 0.8, 0.1])
        keys = {"gt_label": 0, "num_gt": 1, "box_iou": ious, "box_score": scores}
        return [BoxRecord(img_id="a", **keys)], {}

    half = {"a": np.array([[0.0, 0, 10, 5]])}
    fakes = {
        "run_trials": run_trials,
        "run_tool": run_tool,
        "predict": predict,
        "load_records": load_records,
        "read_boxes": lambda _: (half, {}),
        "true_boxes": lambda *_: {"a": np.array([[0.0, 0, 10, 10]])},
        "training_file": lambda config: Path(config.parent.name[-1]),
    }
    for name, fake in fakes.items():
        monkeypatch.setattr(tool, name, fake)

    def call(*words):
        return tool.main(["--out", str(tmp_path), *map(str, words)])

    call.calls, call.broken, call.trained = calls, broken, trained
    return call


def cells(text):
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    head, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0]: dict(zip(head, row, strict=True)) for row in rows}


def test_one_table_with_every_method(joint, tmp_path):
    assert joint("--seeds", 0, 2) == 0
    text = (tmp_path / "wend_joint.md").read_text()
    found = cells(text)
    assert list(found) == [*NAMES, "best centred box", "whole image"]
    assert found["CLN"] == {
        "method": "CLN",
        "GT-known, top box": "61.0 ± 1.4",
        "GT-known, all boxes": "80.0 ± 0.0",
        "best 2 boxes": "100.0 ± 0.0",
        "score cut at 2 boxes per image": "100.0 ± 0.0",
        "boxes per image": "2.5 ± 0.0",
        "its training boxes, IoU .5": "100.0 ± 0.0",
        "their area ratio": "0.50 ± 0.00",
        "Top-1 Loc": "55.5 ± 0.0",
        "MaxBoxAccV2, top box": "62.0 ± 1.4",
        "MaxBoxAccV2, all boxes": "70.0 ± 0.0",
        "boxes counted": found["CLN + WE"]["boxes counted"],
        "training, s": "40",
        "parameters, M": found["CLN + WE"]["parameters, M"],
        "seeds": "2",
    }
    cam = found["CAM (maps)"]
    assert cam["Top-1 Loc"] == "49.0 ± 1.4"
    assert cam["GT-known, all boxes"] == cam["boxes per image"] == ""
    assert cam["boxes counted"] == found["SCR"]["boxes counted"] == "one"
    assert found["FCOS"]["training, s"] == ""  # it was cut off
    assert found["best centred box"]["GT-known, top box"] == "35.0 ± 0.0"
    assert found["best centred box"]["MaxBoxAccV2, top box"] == "30.0 ± 0.0"
    assert found["whole image"]["Top-1 Loc"] == ""
    assert "Top-1 Cls 98.0" in text
    assert "protocol wsolevaluation, percent" in text
    assert text.count("processor abacus") == 1


@pytest.mark.parametrize(
    ("model", "rule"),
    [
        ({"bbox_head": {}}, "one"),
        ({"test_cfg": {"score_thr": 0.05, "nms": {"iou_threshold": 0.5}, "max_per_img": 9}}, NMS),
        (
            {
                "test_cfg": {
                    "rpn": {"nms": {"iou_threshold": 0.7}},
                    "rcnn": {"score_thr": 0.05, "nms": {"iou_threshold": 0.5}, "max_per_img": 9},
                }
            },
            NMS,
        ),
        ({"num_queries": 30, "test_cfg": {"max_per_img": 20}}, "all 20 queries"),
    ],
)
def test_the_rule_of_several_boxes_is_the_configs(tool, model, rule):
    assert tool.box_rule(Config({"model": model})) == rule


def test_parameters_are_the_models(tool):
    cfg = resolved_config(DETECTORS["FCOS"])
    one = tool.parameters(cfg)
    cfg.model.detector.bbox_head.num_classes = 3
    # a class more is a 3x3 filter and a bias
    channels = cfg.model.detector.bbox_head.feat_channels
    assert tool.parameters(cfg) - one == 2 * (9 * channels + 1)


def test_boxes_are_joined_with_the_cams_scores_of_the_same_seed_once(joint, tmp_path):
    joint("--seeds", 0, 1)
    dumps = [words for name, words in joint.calls if name == "test.py"]
    joins = [words for name, words in joint.calls if name == "joint_eval.py"]
    assert len(dumps) == 2
    assert len(joins) == 2 * (len(NAMES) - 1)
    for words in joins:
        boxes, scores = (words[words.index(key) + 1] for key in ("--boxes", "--scores"))
        seed = Path(boxes).parents[1].name[-5:]
        assert Path(scores).parent.name == f"cam-resnet18_toy-{_cam_key(seed)}-{seed}"
        assert Path(boxes).name == "result_wsol_records.npz"
    count = len(joint.calls)
    joint("--seeds", 0, 1)
    assert {name for name, _ in joint.calls[count:]} == {"predict"}


def _cam_key(seed):
    return trial_key(replace(CAM, seed=int(seed[-1])), test=False)[:8]


def test_the_figures_show_the_first_seed_and_every_eta(tool, joint, tmp_path, monkeypatch):
    panels = []
    monkeypatch.setattr(tool, "plot_curves", lambda found, _: panels.append(found))
    joint("--seeds", 1, 0, "--etas", 1, 0.25, "--images", 2)
    (found,) = panels
    assert [list(lines) for lines in found.values()] == [
        ["SCR", "BCD", "BCD + WE"],
        ["eta 1", "eta 0.25"],
    ]
    line = found["BCD + WE by eta"]["eta 1"]
    assert (line.epochs, line.mean, line.high) == ([1, 2], [20.0, 60.5], [20.0, 61.0])
    shown = [words[0] for name, words in joint.calls if name == "predict"]
    assert [name.rpartition("-")[2] for name in shown] == ["seed1", "seed1"]
    assert [name.partition("_")[0] for name in shown] == ["psol-scr", "wend-faster"]
    text = (tmp_path / "wend_joint.md").read_text()
    assert text.count("](wend_joint_curves.png)") == text.count("](wend_joint_boxes.jpg)") == 1


def test_dials_name_the_files_and_reach_every_trial(joint, tmp_path):
    document = tmp_path / "docs" / "effects.md"
    assert joint("--seeds", 0, "--write-docs", document, "--", "--objects", 3) == 0
    assert {trial.dials for trial in joint.trained} == {("--objects", "3")}
    text = document.read_text()
    assert cells(text)["FCOS"]["AP"] == "20.2"
    assert cells(text)["FCOS"]["AP50"] == "30.2"
    assert cells(text)["CAM (maps)"]["AP"] == ""
    assert text.startswith("<!-- wend_joint_objects_3:begin -->")
    assert "dials --objects 3" in text
    assert "`python -m studies.toy.wend_joint --seeds 0 -- --objects 3`" in text
    for name in ("wend_joint_objects_3_curves.png", "wend_joint_objects_3_boxes.jpg"):
        assert f"]({name})" in text
        assert 0 < (document.parent / name).stat().st_size < 300_000


def test_a_failed_method_leaves_the_table_but_no_figures(joint, tmp_path):
    joint.broken.add("cln")
    document = tmp_path / "docs" / "effects.md"
    assert joint("--seeds", 0, "--write-docs", document) == 1
    assert not document.exists()
    text = (tmp_path / "wend_joint.md").read_text()
    assert cells(text)["CLN"]["seeds"] == "0"
    assert cells(text)["FCOS"]["GT-known, top box"] == "60.0"
    assert "](wend" not in text
    assert not list(tmp_path.glob("*.jpg"))


def test_nothing_measured_is_no_crash(joint, tmp_path):
    joint.broken.add("toy")
    assert joint("--seeds", 0) == 1
    assert set(cells((tmp_path / "wend_joint.md").read_text())) >= set(NAMES)


def test_shortened_trials_shorten_what_they_take_from_others(tool):
    detr = tool.shortened(DETECTORS["Deformable DETR"], 1)
    boxes = detr.inputs["boxes"]
    assert isinstance(boxes, PseudoBoxes)
    for trial in (detr, boxes.maker, detr.inputs["cam"]):
        cfg = resolved_config(trial)
        assert (cfg.train_cfg.max_epochs, cfg.train_cfg.val_interval) == (1, 1)
    assert boxes.maker == tool.shortened(CAM, 1)


def test_a_failed_tool_is_named(tool, tmp_path, monkeypatch):
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools/bad.py").write_text("import sys; sys.exit(f'first\\nno {sys.argv[1]}')")
    monkeypatch.setattr(tool, "ROOT", tmp_path)
    with pytest.raises(RuntimeError, match=r"^bad\.py ended with 1: no scores$"):
        tool.run_tool("bad.py", "scores")
