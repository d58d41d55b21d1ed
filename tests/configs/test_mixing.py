"""Somebody else's config mixes BridgeGap, ADL and CutMix on a backbone that none of ours knows."""

import itertools
import json
import runpy
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
NUMBERS = itertools.count()

CONFIG = """
_base_ = "wsol_mm::cam/resnet18_toy.py"
{imports}
model = dict(
    type="wsol_mm.WSOLClassifier",
    backbone=dict(_delete_=True, {backbone}),
    layers=[dict(after="{adl}", layer=dict(type="wsol_mm.ADL", drop_rate=0.5, threshold=0.9))],
    erasing=dict(
        after="{erasing}",
        layer=dict(type="wsol_mm.AttentiveDropout", threshold=0.8, drop_prob=0.5),
        loss="consistency",
        loss_weight=2.0,
    ),
    head=dict(
        type="wsol_mm.AlignmentHead",
        in_channels={channels},
        loss_sim=dict(type="wsol_mm.SimilarityLoss", tau_fg=0.4, tau_bg=0.2, loss_weight=0.5),
        loss_norm=dict(type="wsol_mm.NormLoss", rule="general", loss_weight=0.1),
    ),
)
data_preprocessor = dict(batch_augments=dict(augments=[dict(type="CutMix", alpha=1.0)]))
"""
# A network of MMPretrain's that no config of ours uses, and one that lives beside the config.
CONVNEXT = {
    "imports": "",
    "backbone": 'type="ConvNeXt", arch="atto", gap_before_final_norm=False',
    "adl": "backbone.stages.1",
    "erasing": "backbone.stages.2",
    "channels": 320,
}
MINE = {
    "imports": 'custom_imports = dict(imports=["my_net"])',
    "backbone": 'type="MyNet", width=8',
    "adl": "backbone.stem",
    "erasing": "backbone.body.0",
    "channels": 16,
}
MY_NET = """
from mmpretrain.models.backbones.base_backbone import BaseBackbone
from mmpretrain.registry import MODELS
from torch import nn


@MODELS.register_module(force=True)
class MyNet(BaseBackbone):
    def __init__(self, width):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, width, 4, stride=4), nn.ReLU())
        self.body = nn.Sequential(
            nn.Sequential(nn.Conv2d(width, 2 * width, 3, stride=2, padding=1), nn.ReLU()),
            nn.Sequential(nn.Conv2d(2 * width, 2 * width, 3, padding=1), nn.ReLU()),
        )

    def forward(self, x):
        return (self.body(self.stem(x)),)
"""


def call(monkeypatch, tool, *words):
    """Run a tool in this process."""
    monkeypatch.setattr(sys, "argv", [tool, *map(str, words)])
    try:
        runpy.run_path(str(ROOT / "tools" / tool), run_name="__main__")
    except SystemExit as end:
        if end.code:
            raise


def count_calls(monkeypatch, owner, name):
    """The arguments of every call from now on."""
    calls = []
    plain = getattr(owner, name)

    def counted(*args, **kwargs):
        calls.append(args)
        return plain(*args, **kwargs)

    monkeypatch.setattr(owner, name, counted)
    return calls


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("toy") / "scenes"
    with pytest.MonkeyPatch.context() as patch:
        sizes = ("--train", 6, "--val", 6, "--test", 6)
        call(patch, "dataset_converters/make_toy.py", "--out", folder, *sizes)
    return folder


@pytest.mark.parametrize("parts", [CONVNEXT, MINE], ids=["convnext", "a net beside the config"])
def test_trains_one_step_and_tests(parts, data, tmp_path, monkeypatch):
    from mmpretrain.models.utils.batch_augments import CutMix

    from wsol_mm.models.layers import adl, attentive_dropout

    monkeypatch.chdir(tmp_path)  # away from the repository
    monkeypatch.syspath_prepend(tmp_path)
    Path("my_net.py").write_text(MY_NET)
    config = Path("mixed.py")
    config.write_text(CONFIG.format(**parts))
    options = [f"{split}_dataloader.dataset.data_root={data}" for split in ("train", "val", "test")]
    options += [f"{split}_dataloader.num_workers=0" for split in ("train", "val", "test")]
    options += ["train_dataloader.batch_size=6", "train_cfg.max_epochs=1"]

    mixed = count_calls(monkeypatch, CutMix, "mix")
    attended = count_calls(monkeypatch, adl, "attention_dropout")
    dropped = count_calls(monkeypatch, attentive_dropout, "attentive_drop_mask")
    words = ("--cfg-options", *options, f"experiment_name=mix_{next(NUMBERS)}")
    call(monkeypatch, "train.py", config, "--work-dir", "out", *words)
    # one step: each acted once, on the six images; erasing saw them as ADL left them
    assert [len(calls) for calls in (mixed, attended, dropped)] == [1, 1, 1]
    assert len(mixed[0][1]) == len(attended[0][0]) == len(dropped[0][0]) == 6
    log = next(Path("out").rglob("vis_data/scalars.json")).read_text().splitlines()
    (row,) = (json.loads(line) for line in log if "loss_sim" in line)
    for name in ("loss", "loss_sim", "loss_norm", "loss_erasing"):
        assert torch.tensor(row[name]).isfinite(), name
    assert row["loss_erasing"] > 0

    words = ("--cfg-options", *options, f"experiment_name=mix_{next(NUMBERS)}")
    out = Path("numbers.json").resolve()
    call(
        monkeypatch, "test.py", config, "out/epoch_1.pth", "--work-dir", "out", "--out", out, *words
    )
    numbers = json.loads(out.read_text())
    assert 0 <= numbers["wsol/gt_known"] <= 100
    assert 0 <= numbers["wsol/top1_loc"] <= numbers["wsol/top1_cls"]
    # at test nothing of it acts
    assert [len(calls) for calls in (mixed, attended, dropped)] == [1, 1, 1]


@pytest.mark.parametrize(
    ("head", "losses"),
    [
        (
            {"type": "wsol_mm.ACoLHead", "in_channels": 16, "hidden_channels": (8, 8)},
            {"loss", "loss_second", "loss_erasing"},
        ),
        (
            {
                "type": "wsol_mm.SPGHead",
                "in_channels": 16,
                "branch_in_channels": (8, 16),
                "branch_channels": 8,
                "mask_size": 32,
            },
            {"loss", "loss_b2", "loss_b1", "loss_c", "loss_erasing"},
        ),
    ],
    ids=["acol", "spg"],
)
@pytest.mark.parametrize("erased", ["consistency", "classification"])
def test_acol_and_spg_mix_with_the_same_parts(head, losses, erased):
    from mmengine.registry import MODELS, DefaultScope
    from mmpretrain.structures import DataSample

    namespace = {"__name__": "my_net"}
    exec(MY_NET, namespace)
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        model = MODELS.build(
            dict(
                type="wsol_mm.WSOLClassifier",
                backbone=dict(type="MyNet", width=8),
                taps=dict(b1="backbone.stem", b2="backbone.body.0"),
                layers=[dict(after="backbone.stem", layer=dict(type="wsol_mm.ADL"))],
                erasing=dict(
                    after="backbone.body.0",
                    layer=dict(type="wsol_mm.AttentiveDropout", drop_prob=1.0),
                    loss=erased,
                ),
                head=dict(num_classes=6, **head),
                data_preprocessor=dict(
                    num_classes=6, batch_augments=dict(augments=[dict(type="CutMix", alpha=1.0)])
                ),
            )
        )
        torch.manual_seed(0)
        samples = [DataSample().set_gt_label(label) for label in (1, 0)]
        batch = {"inputs": list(torch.rand(2, 3, 32, 32)), "data_samples": samples}
        found = model(**model.data_preprocessor(batch, training=True), mode="loss")
    assert set(found) == losses
    sum(found.values()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
