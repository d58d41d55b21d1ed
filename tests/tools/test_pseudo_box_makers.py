"""DDT and C2AM from training to a pseudo-box file, on a handful of toy scenes."""

import json

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from tool_runs import ROOT, call, make_scenes, overrides

from wsol_mm.datasets.box_file import read_pseudo_boxes


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        return make_scenes(patch, tmp_path_factory.mktemp("toy") / "scenes", 8, 6, 6)


@pytest.mark.parametrize("maker", ["ddt", "c2am"])
def test_from_training_to_a_file_of_boxes(maker, data, monkeypatch, tmp_path):
    config = ROOT / f"configs/{maker}/resnet18_toy.py"
    words = overrides(data)
    call(monkeypatch, "train.py", config, "--work-dir", tmp_path, "--no-pretrained", *words)
    checkpoint = tmp_path / "epoch_1.pth"
    state = torch.load(checkpoint, weights_only=False)["state_dict"]
    if maker == "ddt":
        assert state["head.fitted"].any()
        lengths = state["head.components"].norm(dim=1)
        assert set(lengths.round(decimals=4).tolist()) <= {0.0, 1.0}
        assert lengths.any()
        assert not (tmp_path / "ddt").exists() or not list((tmp_path / "ddt").rglob("*.npy"))
    else:
        assert state["head.votes"][1] == 8
    out = tmp_path / "boxes.json"
    words = ["--work-dir", tmp_path, "--threshold", "0.1", "--out", out, *overrides(data)]
    call(monkeypatch, "pseudo_boxes.py", config, checkpoint, *words)
    content = json.loads(out.read_text())
    assert content["info"]["maker"] == f"{maker}/resnet18_toy"
    assert content["info"]["threshold_source"] == "fixed"
    assert content["info"]["box_rule"]["normalization"] == "max"
    assert len(content["images"]) == 8
    assert content["annotations"]


@pytest.fixture
def detector(tmp_path):
    """A toy FCOS that nobody trained."""
    cfg = Config.fromfile(ROOT / "configs/wend/fcos_r18_toy.py").model
    cfg.detector.test_cfg.score_thr = 0.0
    with DefaultScope.overwrite_default_scope("mmdet"):
        state = MODELS.build(cfg).state_dict()
    torch.save({"state_dict": state}, tmp_path / "fcos.pth")
    return ROOT / "configs/wend/fcos_r18_toy.py", tmp_path / "fcos.pth"


def test_a_detector_relabels_without_a_threshold(detector, data, monkeypatch, tmp_path):
    files = {}
    for number, boxes in enumerate(("largest", "all")):
        files[boxes] = tmp_path / f"{boxes}.json"
        words = ["--boxes", boxes, "--out", files[boxes], "--work-dir", tmp_path / str(number)]
        changes = {"model.detector.test_cfg.score_thr": 0.0}
        call(monkeypatch, "pseudo_boxes.py", *detector, *words, *overrides(data, **changes))
    best, every = (json.loads(file.read_text()) for file in files.values())
    assert best["info"]["threshold_source"] == every["info"]["threshold_source"] == "score"
    assert best["info"]["box_rule"] == {"score_threshold": 0.0, "components": "largest"}
    assert len(best["annotations"]) == 8
    assert len(every["annotations"]) > 16
    for content in (best, every):
        assert all(0 < box["score"] < 1 for box in content["annotations"])
    tops = {box["image_id"]: box["bbox"] for box in reversed(every["annotations"])}
    assert tops == {box["image_id"]: box["bbox"] for box in best["annotations"]}
    # and a detector can be trained on what it wrote
    read = read_pseudo_boxes(str(files["all"]), {image["file_name"] for image in every["images"]})
    assert sum(map(len, read.values())) == len(every["annotations"])


def test_thresholds_of_maps_and_of_scores_are_told_apart(
    detector, data, monkeypatch, tmp_path, capsys
):
    words = ["--out", tmp_path / "x.json", "--work-dir", tmp_path, *overrides(data)]
    with pytest.raises(SystemExit):
        call(monkeypatch, "pseudo_boxes.py", *detector, "--threshold", "0.3", *words)
    assert "--threshold 0.3: a detector has no map" in capsys.readouterr().err
    cam = ROOT / "configs/cam/resnet18_toy.py"
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        state = MODELS.build(Config.fromfile(cam).model).state_dict()
    torch.save({"state_dict": state}, tmp_path / "cam.pth")
    words = ["--out", tmp_path / "y.json", "--work-dir", tmp_path, *overrides(data)]
    with pytest.raises(SystemExit):
        call(
            monkeypatch, "pseudo_boxes.py", cam, tmp_path / "cam.pth", "--score-threshold", 0.3,
            *words,
        )  # fmt: skip
    assert "--score-threshold 0.3: maps have no scores" in capsys.readouterr().err
