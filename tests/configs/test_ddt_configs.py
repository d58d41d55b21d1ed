"""DDT configs: descriptors, what trains, the view of the fit, metafile."""

from pathlib import Path

import pytest
import torch
from mmengine.registry import MODELS, DefaultScope

DDT = Path(__file__).resolve().parents[2] / "configs" / "ddt"
SHAPES = {
    "vgg16_cub": (448, 512, 14),
    "vgg16_ilsvrc": (448, 512, 14),
    "efficientnet_lite0_cub": (224, 1280, 14),
    "resnet18_toy": (96, 128, 12),
}


def build(cfg, device):
    with device, DefaultScope.overwrite_default_scope("mmpretrain"):
        return MODELS.build(cfg.model)


@pytest.mark.parametrize("name", SHAPES)
def test_descriptors_and_what_trains(name, load_config, meta_device):
    cfg = load_config(f"ddt/{name}.py")
    model = build(cfg, meta_device)
    size, channels, side = SHAPES[name]
    (feats,) = model.extract_feat(torch.zeros(1, 3, size, size, device=meta_device))
    assert feats.shape == (1, channels, side, side)
    assert model.head.components.shape == (cfg.data_preprocessor.num_classes, channels)
    model.train()
    trained = {n for n, parameter in model.named_parameters() if parameter.requires_grad}
    assert trained == {"head.fc.weight", "head.fc.bias"}
    norms = [m for m in model.backbone.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert not any(norm.training for norm in norms)


@pytest.mark.parametrize("name", SHAPES)
def test_the_fit_sees_what_the_test_sees_but_no_truth(name, load_config):
    cfg = load_config(f"ddt/{name}.py")
    (hook,) = cfg.custom_hooks
    seen = [step for step in cfg.test_dataloader.dataset.pipeline if "LoadMasks" not in step.type]
    assert hook.type == "wsol_mm.FitDDTHook"
    assert hook.pipeline == seen
    assert cfg.val_evaluator.normalization == cfg.test_evaluator.normalization == "max"
