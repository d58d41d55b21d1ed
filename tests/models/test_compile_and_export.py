"""Localizers as one graph: `torch.compile` without a break, `torch.export` to a program."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from torch import nn

import wsol_mm.models  # noqa: F401

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
METHODS = ["cam", "nl_ccam", "ci_cam", "bridgegap", "spg"]  # inserted layers, pool, branch, taps


class ScoresAndMaps(nn.Module):
    """What inference needs of a localizer."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, images, labels):
        feats = self.model.extract_feat(images)
        return self.model.head(feats), self.model.head.localization_maps(feats, labels)


def localizer(method):
    cfg = Config.fromfile(CONFIGS / method / "resnet18_toy.py").model
    cfg.backbone.base_channels //= 4
    for key in ("in_channels", "branch_in_channels"):
        if key in cfg.head:
            wide = cfg.head[key]
            cfg.head[key] = wide // 4 if isinstance(wide, int) else [width // 4 for width in wide]
    for entry in cfg.get("layers", []):
        entry.layer.channels //= 4
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        network = MODELS.build(cfg)
    for name, buffer in network.named_buffers():
        if "pool" in name:
            nn.init.normal_(buffer)
    return ScoresAndMaps(network).eval()


def inputs(seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, 3, 64, 64, generator=generator), torch.tensor([[0, 1], [2, 5]])


@pytest.fixture(autouse=True)
def fresh_compiler():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@torch.no_grad()
@pytest.mark.parametrize("method", METHODS)
def test_compiles_whole(method):
    model = localizer(method)
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    for seed in (0, 1):
        for ours, plain in zip(compiled(*inputs(seed)), model(*inputs(seed)), strict=True):
            torch.testing.assert_close(ours, plain)
    assert compiled(*inputs(0))[0].std() > 0


@torch.no_grad()
@pytest.mark.parametrize("method", METHODS)
def test_exports(method):
    model = localizer(method)
    program = torch.export.export(model, inputs(0)).module()
    for ours, plain in zip(program(*inputs(1)), model(*inputs(1)), strict=True):
        torch.testing.assert_close(ours, plain)
    assert not any(type(module).__module__.startswith("wsol_mm") for module in program.modules())
