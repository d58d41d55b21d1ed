"""The gallery: the first image of each class, its map and box; what is not trained is said."""

import cv2
import numpy as np
import pytest
import torch
from mmengine.registry import MODELS, DefaultScope

from studies.harness.run import trial_folder
from studies.harness.store import keep
from studies.harness.trial import resolved_config
from studies.photographs import gallery
from studies.photographs.rows import Bench, Row
from tools.dataset_converters import make_toy
from wsol_mm.datasets.toy import ToyScenes  # noqa: F401 - registered

NARROW = {"model.backbone.base_channels": 4, "model.head.in_channels": 32}
TOY = "configs/{}/resnet18_toy.py"
ROWS = (Row("CAM", TOY.format("cam"), NARROW), Row("BridgeGap", TOY.format("bridgegap"), NARROW))


@pytest.fixture
def bench(tmp_path):
    sizes = ["--train", "6", "--val", "6", "--test", "12", "--size", "64"]
    make_toy.main(["--out", str(tmp_path / "data/toy"), *sizes])
    bench = Bench("toy scenes", "toy", ROWS)
    trial = bench.trial(ROWS[0], 0, tmp_path / "data")
    folder = trial_folder(trial, tmp_path) / "train"
    folder.mkdir(parents=True)
    cfg = resolved_config(trial)
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        torch.manual_seed(0)
        model = MODELS.build(cfg.model.to_dict())
    torch.save({"state_dict": model.state_dict(), "meta": {}}, folder / "epoch_1.pth")
    (folder / "last_checkpoint").write_text(str(folder / "epoch_1.pth"))
    result = {"metrics": {}, "stamp": {"threshold": {"value": 0.3}}}
    keep(tmp_path / "kept/toy.jsonl", [(trial, result)])
    return bench


def test_every_class_has_a_line_and_what_is_not_trained_is_said(bench, tmp_path, capsys):
    out = tmp_path / "docs/gallery.jpg"
    drawn = gallery.draw_gallery(bench, ROWS, out, root=tmp_path, kept=tmp_path / "kept")
    assert drawn == 1
    assert "left out: BridgeGap" in capsys.readouterr().out
    classes = len(gallery.first_of_each_class(bench.trial(ROWS[0], 0, tmp_path / "data")))
    picture = cv2.imread(str(out))
    step = gallery.SIDE + 6
    assert picture.shape == (24 + classes * step, 2 * step + 6, 3)
    image, overlay = picture[30:150, 10:130], picture[30:150, 10 + step : 130 + step]
    assert np.abs(image.astype(int) - overlay).mean() > 10  # a map lies over it
    strip = cv2.imread(str(out.with_name("gallery_cam.jpg")))
    assert strip.shape == (24 + step, classes * step + 6, 3)


def test_nothing_trained_draws_nothing(bench, tmp_path):
    out = tmp_path / "docs/gallery.jpg"
    rows = ROWS[1:]
    assert gallery.draw_gallery(bench, rows, out, root=tmp_path, kept=tmp_path / "kept") == 0
    assert not out.exists()


def test_images_are_the_first_of_each_class(bench, tmp_path):
    found = gallery.first_of_each_class(bench.trial(ROWS[0], 0, tmp_path / "data"))
    labels = [info["gt_label"] for info in found]
    assert labels == sorted(set(labels))
    assert len(labels) == 6
    assert all(gallery.true_boxes(info).shape == (1, 4) for info in found)
