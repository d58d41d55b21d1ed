"""A localizer's head gets as many classes as the data set lists."""

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

from wsol_mm.apis.class_count import take_classes_from_data


def three_birds(folder):
    """CUB's layout with three classes of one training image each."""
    (folder / "images").mkdir(parents=True)
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(folder / "images/a.png")
    lists = {
        "images.txt": "1 a.png\n",
        "image_class_labels.txt": "1 7\n",
        "train_test_split.txt": "1 1\n",
        "classes.txt": "7 007.Auklet\n9 009.Blackbird\n12 012.Gull\n",
    }
    for name, text in lists.items():
        (folder / name).write_text(text)
    return str(folder)


def config(data_root, **model):
    dataset = {"type": "wsol_mm.CUB", "data_root": data_root, "split": "train"}
    loader = {"dataset": dataset}
    return Config(
        {
            "classes_from_data": True,
            "model": model,
            "data_preprocessor": {"num_classes": 200},
            "train_dataloader": loader,
            "test_dataloader": loader,
        }
    )


def test_head_teachers_and_preprocessor_follow_the_data(tmp_path, capsys):
    root = three_birds(tmp_path / "birds")
    teacher = {"config": {"head": {"num_classes": 200}}, "checkpoint": None}
    cfg = config(root, head={"num_classes": 200, "in_channels": 8}, cls_teacher=teacher)
    assert take_classes_from_data(cfg) == [
        "model.head.num_classes",
        "model.cls_teacher.config.head.num_classes",
    ]
    assert cfg.model.head == {"num_classes": 3, "in_channels": 8}
    assert cfg.model.cls_teacher.config.head.num_classes == 3
    assert cfg.data_preprocessor.num_classes == 3
    assert f"classes_from_data: 3 in {root}: model.head.num_classes" in capsys.readouterr().out
    assert take_classes_from_data(cfg) == []


def test_nothing_happens_unless_the_config_says_so(tmp_path):
    cfg = config(str(tmp_path / "missing"), head={"num_classes": 200})
    cfg.classes_from_data = False
    assert take_classes_from_data(cfg) == []
    assert cfg.model.head.num_classes == 200


def test_a_test_alone_needs_no_training_data(tmp_path):
    cfg = config(str(tmp_path / "missing"), head={"num_classes": 200})
    with pytest.raises(FileNotFoundError, match="missing does not exist"):
        take_classes_from_data(cfg)
    cfg.test_dataloader = {
        "dataset": {**cfg.train_dataloader.dataset, "data_root": three_birds(tmp_path / "birds")}
    }
    assert take_classes_from_data(cfg) == ["model.head.num_classes"]
