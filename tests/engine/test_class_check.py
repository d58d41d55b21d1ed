"""Data, network and checkpoint count the same classes, or nothing runs."""

import logging

import pytest
import torch
from mmengine.logging import MMLogger
from mmengine.registry import DATASETS, MODELS
from mmengine.runner import Runner
from torch import nn
from toy_training import ToyNet, ToyScenes, config

from wsol_mm.engine.class_check import check_names, check_sizes, data_classes, head_sizes


@MODELS.register_module()
class HeadedNet(ToyNet):
    """A toy network with a head that says how many classes it has."""

    def __init__(self, num_classes=2):
        super().__init__()
        self.head = nn.Identity()
        self.head.num_classes = num_classes


@DATASETS.register_module()
class NamedScenes(ToyScenes):
    """Toy images with given class names."""

    def __init__(self, classes, train=True):
        super().__init__(train)
        self.metainfo = {"classes": classes}


def test_heads_of_classifiers_and_detectors_are_found():
    def module(**parts):
        result = nn.Module()
        for name, part in parts.items():
            setattr(result, name, part)
        return result

    classifying = module(num_classes=7)
    assert head_sizes(module(head=classifying)) == {"head": 7}
    assert head_sizes(module(bbox_head=classifying, rpn_head=module(num_classes=1))) == {
        "bbox_head": 7
    }
    stages = nn.ModuleList([classifying, classifying])
    assert head_sizes(module(roi_head=module(bbox_head=stages))) == {"roi_head.bbox_head": 7}
    assert head_sizes(module(head=nn.Identity())) == {}


@pytest.mark.parametrize("size", [1, 3])
def test_both_directions_are_refused(size):
    with pytest.raises(ValueError, match=rf"training data have 2 classes \(a, b\), .* is {size}"):
        check_sizes(HeadedNet(size), ("a", "b"), "training")
    check_sizes(HeadedNet(2), ("a", "b"), "training")
    check_sizes(HeadedNet(size), (), "training")


def test_names_must_have_their_numbers():
    trained = ("cat", "cow", "dog")
    check_names(("cat", "cow"), trained, "test", "x")  # lacks the last one
    check_names((), trained, "test", "x")
    with pytest.raises(ValueError, match=r"'dog' has number 1 in the test data, but is number 2"):
        check_names(("cat", "dog"), trained, "test", "the checkpoint")
    with pytest.raises(ValueError, match=r"'eel' has number 2 in the test data, but is none of"):
        check_names(("cat", "cow", "eel"), trained, "test", "the checkpoint")


def test_lists_without_a_common_name_are_warned_of():
    said = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())
    logger = MMLogger.get_current_instance()
    logger.addHandler(handler)
    check_names(("n01", "n02"), ("tench", "goldfish"), "test", "the checkpoint")
    logger.removeHandler(handler)
    assert said == [
        "the test data and the checkpoint name no class alike (n01; tench): whether they are "
        "numbered alike is not known"
    ]


def test_classes_of_wrapped_and_plain_data():
    assert data_classes(NamedScenes(("a", "b"))) == ("a", "b")
    assert data_classes(torch.utils.data.TensorDataset()) == ()


def runner_of(folder, classes, val_classes=None, size=2, **changes):
    cfg = config(folder, model={"type": "HeadedNet", "num_classes": size}, **changes)
    for split, names in (("train", classes), ("val", val_classes or classes)):
        cfg[f"{split}_dataloader"]["num_workers"] = 0
        data = {"type": "NamedScenes", "classes": names, "train": split == "train"}
        cfg[f"{split}_dataloader"]["dataset"] = data
    cfg["test_dataloader"], cfg["test_cfg"] = cfg["val_dataloader"], {}
    cfg["test_evaluator"] = cfg["val_evaluator"]
    cfg["train_cfg"] = {"by_epoch": True, "max_epochs": 1}
    return Runner(**cfg, experiment_name=folder.name)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"classes": ("a", "b", "c")}, "the training data have 3 classes"),
        ({"classes": ("a", "b"), "val_classes": ("b", "a")}, r"'b' has number 0 in the validation"),
        ({"classes": ("a", "b"), "val_classes": ("a",)}, "the validation data have 1 classes"),
        ({"classes": ("a", "b"), "size": 5}, r"model.head.num_classes is 5: set it to 2"),
    ],
)
def test_training_stops_before_the_first_step(tmp_path, names, message):
    runner = runner_of(tmp_path / f"classes_{len(message)}", **names)
    with pytest.raises(ValueError, match=message):
        runner.train()
    assert runner.iter == 0


def test_a_test_is_compared_with_what_the_checkpoint_was_trained_on(tmp_path):
    trained = runner_of(tmp_path / "trained", ("a", "b"))
    trained.train()
    checkpoint = str(tmp_path / "trained/epoch_1.pth")
    runner_of(tmp_path / "same", ("a", "b"), load_from=checkpoint).test()
    for name, classes in (("turned", ("b", "a")), ("other", ("a", "c"))):
        runner = runner_of(tmp_path / name, classes, load_from=checkpoint)
        with pytest.raises(
            ValueError, match=r"in the test data, but is .* in the checkpoint: give"
        ):
            runner.test()
