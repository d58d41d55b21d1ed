"""check_dataset.py: finds what is wrong with the data of a config."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
CONFIG = """
train_dataloader = dict(dataset=dict(type="RepeatDataset", times=2, dataset=dict(
    type="wsol_mm.CUB", data_root="{root}", split="train", pipeline=[dict(type="Nowhere")])))
test_dataloader = dict(dataset=dict(
    type="wsol_mm.CUB", data_root="{root}", split="test", test_mode=True, lazy_init=True))
"""


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location(
        "check_dataset", ROOT / "tools/misc/check_dataset.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def data(tmp_path):
    """A config over a CUB layout of 60 images, half of them for test."""
    root = tmp_path / "birds"
    ids = range(1, 61)
    (root / "images/001.A").mkdir(parents=True)
    noise = np.random.default_rng(0).integers(0, 256, (30, 40, 3)).astype(np.uint8)
    for k in ids:
        Image.fromarray(noise).save(root / f"images/001.A/{k}.jpg")
    lists = {
        "images": [f"{k} 001.A/{k}.jpg" for k in ids],
        "image_class_labels": [f"{k} 1" for k in ids],
        "classes": ["1 001.A"],
        "train_test_split": [f"{k} {k % 2}" for k in ids],
        "bounding_boxes": [f"{k} 1 2 20 10" for k in ids],
    }
    for name, rows in lists.items():
        (root / f"{name}.txt").write_text("\n".join(rows))
    config = tmp_path / "config.py"
    config.write_text(CONFIG.format(root=root))
    return config, root


def test_sound_data(tool, data, capsys):
    assert tool.main([str(data[0])]) == 0
    out = capsys.readouterr().out
    assert "train: 30 images, 1 classes of 30 to 30 images, boxes are not read; 0 problems" in out
    assert "test: 30 images, 1 classes of 30 to 30 images, 30 boxes, 0 images without" in out
    assert "val: " in out
    assert "has no val_dataloader" in out
    assert out.rstrip().endswith("no problems")


def test_problems_are_counted_and_the_first_ones_listed(tool, data, capsys):
    config, root = data
    for k in range(2, 52, 2):
        (root / f"images/001.A/{k}.jpg").write_bytes(b"broken")
    assert tool.main([str(config)]) == 1
    out = capsys.readouterr().out
    assert "test: 30 images" in out
    assert out.count(": not an image") == 20
    assert "… and 5 more" in out
    assert out.rstrip().endswith("25 problems")
    assert tool.main([str(config), "--split", "train"]) == 0


def test_lists_that_cannot_be_read_are_a_problem(tool, data, capsys):
    config, root = data
    (root / "bounding_boxes.txt").unlink()
    assert tool.main([str(config)]) == 1
    out = capsys.readouterr().out
    assert "test: cannot be read" in out
    assert "bounding_boxes.txt does not exist: get CUB_200_2011.tgz" in out


def test_an_image_of_two_splits_is_a_problem(tool, data, capsys):
    option = "test_dataloader.dataset.split=train"
    assert tool.main([str(data[0]), "--cfg-options", option]) == 1
    assert "1.jpg: is read for train and for test; keep them apart" in capsys.readouterr().out


def test_other_data_sets_and_empty_configs_are_named(tool, tmp_path, capsys):
    config = tmp_path / "config.py"
    config.write_text("train_dataloader = dict(dataset=dict(type='CocoDataset'))")
    assert tool.main([str(config)]) == 1
    assert "train: CocoDataset is not a data set of wsol_mm" in capsys.readouterr().out
    config.write_text("a = 1")
    assert tool.main([str(config)]) == 1
    assert "names no data set" in capsys.readouterr().out


FOLDERS = """
train_dataloader = dict(dataset=dict(
    type="wsol_mm.FolderWSOL", data_root="{root}", split="train", boxes=None, pipeline=[]))
test_dataloader = dict(dataset=dict(
    type="wsol_mm.FolderWSOL", data_root="{other}", split="test", boxes=None, test_mode=True,
    images="{images}", classes={classes}))
model = dict(head=dict(num_classes={size}))
"""


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({}, ""),
        ({"classes": ["dog", "cat"]}, "class 'dog' has number 0 in the test data, but is number 1"),
        ({"size": 3}, "train: 2 classes, but model.head.num_classes is 3"),
        ({"other": "elsewhere"}, "class 'dog' has number 0 in the test data, but is number 1 in"),
    ],
)
def test_classes_that_differ_between_splits_are_a_problem(tool, tmp_path, capsys, changes, problem):
    noise = np.random.default_rng(0).integers(0, 256, (30, 40, 3)).astype(np.uint8)
    for name in (
        "here/train/cat/a",
        "here/train/dog/b",
        "here/test/dog/c",
        "elsewhere/train/dog/d",
    ):
        path = tmp_path / f"{name}.png"
        path.parent.mkdir(parents=True)
        noise[0] += 1
        Image.fromarray(noise).save(path)
    settings = {"root": tmp_path / "here", "other": "here", "images": "{split}", "classes": None}
    settings |= {"size": 2, **changes}
    settings["other"] = tmp_path / settings["other"]
    if changes.get("other"):
        settings["images"] = "train"
    config = tmp_path / "config.py"
    config.write_text(FOLDERS.format(**settings))
    assert tool.main([str(config)]) == (1 if problem else 0)
    assert problem in capsys.readouterr().out
