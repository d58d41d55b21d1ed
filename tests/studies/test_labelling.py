"""The study of tools/label.py: its AUROC, its files, and the config of docs/label.md on a CPU."""

import json
import runpy
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studies.labelling.confidence import OURS, auroc, table
from studies.labelling.retinanet import config_of_the_page, prepare, quality
from wsol_mm import Localizer
from wsol_mm.apis.image_labels import read_label_csv

ROOT = Path(__file__).resolve().parents[2]


@settings(deadline=None)  # the first call imports scipy
@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=2))
def test_auroc_counts_pairs(rows):
    good = [value for value, is_good in rows if is_good]
    bad = [value for value, is_good in rows if not is_good]
    if not good or not bad:
        return
    pairs = [(g > b) + 0.5 * (g == b) for g in good for b in bad]
    values, flags = (np.array(column) for column in zip(*rows, strict=True))
    assert auroc(values.astype(float), flags.astype(bool)) == pytest.approx(np.mean(pairs))


def test_table_has_a_row_for_each_measure():
    rng = np.random.default_rng(0)
    ious = rng.random(60)
    rows = [{"luck": float(rng.random()), OURS: float(iou)} for iou in ious]
    lines = table(rows, ious, 6).splitlines()
    assert lines[-1] == f"| {OURS} | 1.00 [1.00, 1.00] | 1.00 [1.00, 1.00] |"
    assert lines[-2].startswith("| luck | 0.")


@pytest.fixture
def birds(tmp_path):
    """Two classes in CUB's layout: a bright rectangle on grey, six training and two test images."""
    root = tmp_path / "birds"
    lists = {
        name: [] for name in ("images", "image_class_labels", "train_test_split", "bounding_boxes")
    }
    for number in range(8):
        label = number % 2
        name = f"{label + 1:03d}.Kind/{number}.jpg"
        picture = np.full((72, 96, 3), 90, np.uint8)
        picture[20:60, 30:70, 2 * label] = 255
        (root / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(root / "images" / name), picture)
        for key, value in zip(
            lists, (name, label + 1, int(number < 6), "30 20 40 40"), strict=True
        ):
            lists[key].append(f"{number + 1} {value}")
    for key, lines in lists.items():
        (root / f"{key}.txt").write_text("\n".join(lines))
    (root / "classes.txt").write_text("1 001.Kind\n2 002.Kind")
    return root


def test_classes_go_in_and_true_boxes_stay_aside(birds, tmp_path):
    prepare(birds, tmp_path / "work")
    data = read_label_csv(birds / "images", tmp_path / "work" / "train.csv")
    assert data.classes == ("001.Kind", "002.Kind")
    assert len(data.images) == 6
    true = json.loads((tmp_path / "work" / "true_test.json").read_text())
    assert [entry["bbox"] for entry in true["annotations"]] == [[30, 20, 40, 40]] * 2
    assert [entry["category_id"] for entry in true["annotations"]] == [1, 2]
    made = json.loads(json.dumps(true))
    assert quality(made, true) == 100
    made["annotations"][0]["bbox"] = [0, 0, 40, 40]
    assert quality(made, true) == 50
    del made["annotations"][1]
    assert quality(made, true) == 0


@pytest.mark.slow
def test_the_config_of_the_page_trains_tests_and_localizes(birds, tmp_path, monkeypatch):
    prepare(birds, tmp_path)
    text = config_of_the_page()
    for old, new in (
        ('"photographs/"', f'"{birds}/images/"'),
        ('"test_photographs/"', f'"{birds}/images/"'),
        ('"boxes.json"', f'"{tmp_path}/true_train.json"'),
        ('"true_boxes.json"', f'"{tmp_path}/true_test.json"'),
        ("    bbox_head=dict(", "    test_cfg=dict(score_thr=0.0),\n    bbox_head=dict("),
        ("max_epochs=12", "max_epochs=1"),
        ("times=4", "times=1"),
        ("num_workers=2", "num_workers=0"),
        ("batch_size=8", "batch_size=3"),
        ("(320, 256), (320, 384)", "(64, 64), (96, 96)"),
        ("scale=(320, 320)", "scale=(96, 96)"),
    ):
        assert old in text
        text = text.replace(old, new)
    config = tmp_path / "retinanet.py"
    config.write_text(text)

    def tool(name, *words):
        monkeypatch.setattr(sys, "argv", [name, *map(str, words)])
        runpy.run_path(str(ROOT / name), run_name="__main__")

    name = ("--cfg-options", "experiment_name=labelling_")  # mmengine's last a second
    tool("tools/train.py", config, "--work-dir", tmp_path / "run", *name)
    weights = tmp_path / "run" / "epoch_1.pth"
    out = tmp_path / "numbers.json"
    tool("tools/test.py", config, weights, "--work-dir", tmp_path / "test", "--out", out)
    assert 0 <= json.loads(out.read_text())["coco/bbox_mAP_50"] <= 1
    localizer = Localizer(str(config), str(weights), device="cpu", show_progress=False)
    assert localizer.classes == ("001.Kind", "002.Kind")
    (every,) = localizer(birds / "images/001.Kind/0.jpg", objects="all", threshold=0.0)
    assert every.boxes.min() >= 0
    assert (every.boxes.max(axis=0) <= (96, 72, 96, 72)).all()
    (asked,) = localizer(birds / "images/001.Kind/0.jpg", labels="002.Kind", threshold=0.0)
    assert set(asked.names) == {"002.Kind"}
