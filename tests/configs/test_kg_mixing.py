"""Somebody else's configs: a pool of theirs, students and teachers of MMPretrain."""

import itertools
import json
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from test_mixing import call

NUMBERS = itertools.count()
CONFIG = """
_base_ = "wsol_mm::kg_ci_cam/resnet18_toy.py"
model = dict(
    backbone=dict(_delete_=True, type="ConvNeXt", arch="atto", gap_before_final_norm=False),
    layers=[
        dict(after="backbone.stages.2", layer=dict(type="wsol_mm.NonLocalBlock", channels=160)),
    ],
    head=dict(in_channels=320, context_pool=dict(size=3)),
    cls_teacher=dict(
        config=dict(
            _delete_=True,
            type="ImageClassifier",
            backbone=dict(type="EfficientNet", arch="b0"),
            neck=dict(type="GlobalAveragePooling"),
            head=dict(type="LinearClsHead", num_classes=6, in_channels=1280),
            data_preprocessor=dict(mean=[127.5] * 3, std=[127.5] * 3, to_rgb=True),
        ),
        checkpoint="efficientnet.pth",
    ),
    loc_teacher=dict(checkpoint="experts/best_*.pth"),
)
"""


# A student of MMPretrain's own parts with MMPretrain's own metric.
PLAIN = """
_base_ = "wsol_mm::kg_ci_cam/resnet18_toy.py"
model = dict(
    layers=[],
    neck=dict(_delete_=True, type="GlobalAveragePooling"),
    head=dict(
        _delete_=True,
        type="LinearClsHead",
        num_classes=6,
        in_channels=128,
        loss=dict(type="CrossEntropyLoss"),
    ),
    cls_teacher=dict(checkpoint="cls.pth"),
    loc_teacher=dict(checkpoint="loc.pth"),
)
val_evaluator = dict(_delete_=True, type="Accuracy", topk=(1,))
test_evaluator = val_evaluator
default_hooks = dict(checkpoint=dict(save_best="accuracy/top1"))
"""
POOLED = """
_base_ = "wsol_mm::ci_cam/resnet18_toy.py"
custom_imports = dict(imports=["my_pool"])
model = dict(head=dict(context_pool=dict(_delete_=True, type="MyPool", factor=0.5)))
"""
MY_POOL = """
from mmpretrain.registry import MODELS
from torch import nn


@MODELS.register_module(force=True)
class MyPool(nn.Module):
    update_order = "after"

    def __init__(self, num_classes, channels, factor):
        super().__init__()
        self.factor = factor
        self.gates = nn.Embedding(num_classes, channels)
        self.updates = 0

    def forward(self, features, scores):
        gates = self.gates(scores.argmax(dim=1))[:, :, None, None]
        return features * (1 + self.factor * gates)

    def update(self, maps, predicted, labels):
        self.updates += 1
"""


@pytest.fixture
def options(tmp_path, monkeypatch):
    """Words for both tools; the process stands in a folder with the config and scenes."""
    monkeypatch.chdir(tmp_path)
    sizes = ("--train", 6, "--val", 6, "--test", 6)
    call(monkeypatch, "dataset_converters/make_toy.py", "--out", "scenes", *sizes)
    Path("mine.py").write_text(CONFIG)
    found = [f"{split}_dataloader.dataset.data_root=scenes" for split in ("train", "val", "test")]
    found += [f"{split}_dataloader.num_workers=0" for split in ("train", "val", "test")]
    found += ["train_dataloader.batch_size=6", "train_cfg.max_epochs=1"]
    return ("--cfg-options", *found, f"experiment_name=kg_mix_{next(NUMBERS)}")


def save_teachers():
    """Weights of the two networks that the config names; returns those of the EfficientNet."""
    model = Config.fromfile("mine.py").model
    Path("experts").mkdir()
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        cls = MODELS.build(model.cls_teacher.config)
        loc = MODELS.build(model.loc_teacher.config)
    torch.save({"state_dict": cls.state_dict()}, "efficientnet.pth")
    torch.save({"state_dict": loc.state_dict()}, "experts/best_wsol_gt_known_epoch_3.pth")
    return cls.state_dict()


def test_trains_one_step_resumes_and_tests(options, monkeypatch):
    cls = save_teachers()
    call(monkeypatch, "train.py", "mine.py", "--work-dir", "out", *options)
    log = next(Path("out").rglob("vis_data/scalars.json")).read_text().splitlines()
    (row,) = (json.loads(line) for line in log if "loss_cls_guidance" in line)
    for name in ("loss", "loss_cls_guidance", "loss_loc_guidance"):
        assert torch.tensor(row[name]).isfinite(), name
        assert row[name] > 0, name
    state = torch.load("out/epoch_1.pth", weights_only=False)["state_dict"]
    assert {"head.context_pool.contexts", "layers.0.layer.query.weight"} <= set(state)
    assert not set(cls) & set(state) - {"head.fc.weight", "head.fc.bias"}
    assert not any("teacher" in key for key in state)
    more = [*options[:-1], "train_cfg.max_epochs=2", f"experiment_name=kg_mix_{next(NUMBERS)}"]
    call(monkeypatch, "train.py", "mine.py", "--work-dir", "out", "--resume", *more)
    assert Path("out/epoch_2.pth").is_file()
    out = Path("numbers.json").resolve()
    last = [*options[:-1], f"experiment_name=kg_mix_{next(NUMBERS)}"]
    words = ("mine.py", "out/epoch_2.pth", "--work-dir", "out", "--out", out, *last)
    call(monkeypatch, "test.py", *words)
    assert 0 <= json.loads(out.read_text())["wsol/gt_known"] <= 100


def scalars(key):
    """The one row of the log with a key."""
    log = next(Path("out").rglob("vis_data/scalars.json")).read_text().splitlines()
    (row,) = (json.loads(line) for line in log if key in line)
    return row


def test_a_plain_resnet_learns_from_two_teachers_and_is_tested(options, monkeypatch):
    Path("mine.py").write_text(PLAIN)
    model = Config.fromfile("mine.py").model
    for kind in ("cls", "loc"):
        with DefaultScope.overwrite_default_scope("mmpretrain"):
            teacher = MODELS.build(model[f"{kind}_teacher"].config)
        torch.nn.init.normal_(teacher.head.fc.weight)
        torch.save({"state_dict": teacher.state_dict()}, f"{kind}.pth")
    call(monkeypatch, "train.py", "mine.py", "--work-dir", "out", *options)
    row = scalars("loss_cls_guidance")
    assert all(row[name] > 0 for name in ("loss", "loss_cls_guidance", "loss_loc_guidance"))
    state = torch.load("out/epoch_1.pth", weights_only=False)["state_dict"]
    assert {"head.fc.weight", "backbone.conv1.weight"} <= set(state)
    assert not any("teacher" in key for key in state)
    out = Path("numbers.json").resolve()
    last = [*options[:-1], f"experiment_name=kg_mix_{next(NUMBERS)}"]
    words = ("mine.py", "out/epoch_1.pth", "--work-dir", "out", "--out", out, *last)
    call(monkeypatch, "test.py", *words)
    assert 0 <= json.loads(out.read_text())["accuracy/top1"] <= 100


def test_ci_cam_with_a_pool_beside_the_config(options, monkeypatch):
    monkeypatch.syspath_prepend(Path.cwd())
    Path("my_pool.py").write_text(MY_POOL)
    Path("mine.py").write_text(POOLED)
    call(monkeypatch, "train.py", "mine.py", "--work-dir", "out", *options)
    row = scalars("loss_first")
    assert row["enhancement"] > 0
    assert -1 <= row["map_correlation"] <= 1
    state = torch.load("out/epoch_1.pth", weights_only=False)["state_dict"]
    assert state["head.context_pool.gates.weight"].shape == (6, 128)
    out = Path("numbers.json").resolve()
    last = [*options[:-1], f"experiment_name=kg_mix_{next(NUMBERS)}"]
    words = ("mine.py", "out/epoch_1.pth", "--work-dir", "out", "--out", out, *last)
    call(monkeypatch, "test.py", *words)
    assert 0 <= json.loads(out.read_text())["wsol/gt_known"] <= 100


def test_a_missing_teacher_is_one_line(options, monkeypatch, capsys):
    with pytest.raises(SystemExit, match="2"):
        call(monkeypatch, "train.py", "mine.py", "--work-dir", "out", *options)
    (line,) = (line for line in capsys.readouterr().err.splitlines() if "error:" in line)
    assert "model.cls_teacher.checkpoint='efficientnet.pth': there is no such file" in line
