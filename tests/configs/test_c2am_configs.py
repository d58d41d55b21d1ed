"""C2AM configs: maps, what trains, the paper's numbers, metafile."""

from pathlib import Path

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, DefaultScope

C2AM = Path(__file__).resolve().parents[2] / "configs" / "c2am"
NAMES = sorted(path.stem for path in C2AM.glob("*.py"))
SHAPES = {"resnet18_toy": (96, 12, (64, 128)), "efficientnet_lite0_cub": (224, 14, (1280,))}


def build(cfg, device):
    with device, DefaultScope.overwrite_default_scope("mmpretrain"):
        return MODELS.build(cfg.model)


@pytest.mark.parametrize("name", NAMES)
def test_maps_have_one_size(name, load_config, meta_device):
    cfg = load_config(f"c2am/{name}.py")
    model = build(cfg, meta_device)
    size, side, widths = SHAPES.get(name, (448, 28, (1024, 2048)))
    feats = model.extract_feat(torch.zeros(1, 3, size, size, device=meta_device))
    assert [tuple(feat.shape) for feat in feats] == [(1, width, side, side) for width in widths]
    assert model.head.pre_logits(feats).shape[1] == model.head.in_channels
    assert model.head(feats).shape == (1, cfg.data_preprocessor.num_classes)
    assert cfg.val_evaluator.normalization == cfg.test_evaluator.normalization == "max"


@pytest.mark.parametrize(("name", "batch", "epochs"), [("cub", 16, 20), ("ilsvrc", 256, 5)])
def test_values_of_the_paper(name, batch, epochs, load_config):
    cfg = load_config(f"c2am/resnet50_{name}.py")
    model = build(cfg, torch.device("cpu"))
    model.train()
    # scale and shift of batch norms stay, statistics go on
    norms = [m for m in model.backbone.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert not any(p.requires_grad for norm in norms for p in norm.parameters())
    assert all(norm.training for norm in norms)
    optimizer = build_optim_wrapper(model, cfg.optim_wrapper).optimizer
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    assert optimizer.defaults["momentum"] == 0
    for key, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert rates[id(parameter)] == pytest.approx(0.1 if ".fc." in key else 1e-4), key
    assert cfg.auto_scale_lr.base_batch_size == batch
    assert cfg.train_dataloader.batch_size == min(batch, 64)
    assert cfg.train_cfg.max_epochs == cfg.param_scheduler[0].end == epochs
    assert cfg.param_scheduler[0].power == 0.9
    assert model.head.alpha == 0.05
    assert [hook.type for hook in cfg.custom_hooks] == ["wsol_mm.PolarityVoteHook"]
