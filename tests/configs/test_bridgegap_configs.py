"""BridgeGap and EIL configs: the fact sheet's values, sizes, parameter groups, schedules."""

from pathlib import Path

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import HOOKS, MODELS, PARAM_SCHEDULERS, DefaultScope

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
VGG, RESNET = 14_714_688 + 4_719_616, 25_557_032 - 2049 * 1000
LITE0 = 3_371_008
SIZES = {
    # trunk, conv6 and classifier; the losses and the dropout have no parameters
    "bridgegap/vgg16_cub": (VGG + 1025 * 200, 224, 14),
    "bridgegap/vgg16_ilsvrc": (VGG + 1025 * 1000, 224, 14),
    "bridgegap/resnet50_cub": (RESNET + 2049 * 200, 224, 28),
    "bridgegap/resnet50_cub_released": (RESNET + 2049 * 200, 224, 28),
    "bridgegap/resnet50_ilsvrc": (RESNET + 2049 * 1000, 224, 28),
    "bridgegap/efficientnet_lite0_cub": (LITE0 + 1281 * 200, 224, 14),
    "bridgegap/resnet18_toy": (717_990, 96, 12),
    "eil/vgg16_cub": (VGG + 1025 * 200, 224, 14),
    "eil/vgg16_cub_align": (VGG + 1025 * 200, 224, 14),
    "eil/efficientnet_lite0_cub": (LITE0 + 1281 * 200, 224, 14),
    "eil/resnet18_toy": (717_990, 96, 12),
}


def build(cfg, device):
    with device, DefaultScope.overwrite_default_scope("mmpretrain"):
        return MODELS.build(cfg.model)


def test_every_config_is_listed_above():
    paths = [path for folder in ("bridgegap", "eil") for path in (CONFIGS / folder).glob("*.py")]
    assert {f"{path.parent.name}/{path.stem}" for path in paths} == set(SIZES)


@pytest.mark.parametrize("name", SIZES)
def test_parameters_map_size_and_branch(name, load_config, meta_device):
    cfg = load_config(f"{name}.py")
    parameters, size, side = SIZES[name]
    model = build(cfg, meta_device)
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters
    (feature,) = model.extract_feat(torch.zeros(2, 3, size, size, device=meta_device))
    assert feature.shape[2:] == (side, side)
    # what is shared behind the dropout: conv5_1 to conv6, or the rest of the last stage
    shapes = []
    branch = model.get_submodule(cfg.model.erasing.after)
    branch.register_forward_hook(lambda *args: shapes.append(args[2].shape[2]))
    model.extract_feat(torch.zeros(2, 3, size, size, device=meta_device))
    assert shapes == [28 if "vgg" in name else side]


@pytest.mark.parametrize(
    ("name", "sim", "norm", "drop", "taus", "p", "rule"),
    [
        ("vgg16_cub", 0.5, 0.15, 3, (0.6, 0.1), 0.5, "fine_grained"),
        ("resnet50_cub", 0.5, 0.05, 2, (0.4, 0.2), 0.25, "fine_grained"),
        ("resnet50_ilsvrc", 8, 1, 2, (0.28, 0.25), 0.25, "general"),
        ("vgg16_ilsvrc", 8, 1, 2, (0.28, 0.25), 0.25, "general"),
        ("efficientnet_lite0_cub", 0.5, 0.15, 3, (0.6, 0.1), 0.5, "fine_grained"),
        ("resnet18_toy", 0.17, 0.93, 1.85, (0.22, 0.17), 0.46, "fine_grained"),
    ],
)
def test_losses_have_the_authors_values(
    name, sim, norm, drop, taus, p, rule, load_config, meta_device
):
    model = build(load_config(f"bridgegap/{name}.py"), meta_device)
    head, erasing = model.head, model.erasing
    assert head.loss_sim.loss_weight == sim
    assert (head.loss_sim.tau_fg, head.loss_sim.tau_bg) == taus
    assert (head.loss_norm.loss_weight, head.loss_norm.rule) == (norm, rule)
    assert (erasing.loss, erasing.loss_weight, erasing.batch_norm) == ("consistency", drop, "clean")
    layer = erasing.layer
    assert (layer.threshold, layer.drop_prob) == (0.83 if name == "resnet18_toy" else 0.8, p)
    assert layer.relative


@pytest.mark.parametrize("name", [name for name in SIZES if name.startswith("eil/")])
def test_eil_erases_all_above_the_threshold_and_classifies_twice(name, load_config, meta_device):
    model = build(load_config(f"{name}.py"), meta_device)
    erasing = model.erasing
    assert (erasing.loss, erasing.loss_weight) == ("classification", 1)
    assert (erasing.layer.threshold, erasing.layer.drop_prob) == (0.7, 1)
    assert hasattr(model.head, "loss_sim") == name.endswith("_align")


@pytest.mark.parametrize(
    ("name", "rate", "decay", "fast", "factor"),
    [
        ("bridgegap/vgg16_cub", 4e-3, 5e-4, ("backbone.conv6.", "head."), 5),
        ("bridgegap/vgg16_ilsvrc", 2e-5, 5e-4, ("backbone.conv6.", "head."), 5),
        ("bridgegap/resnet50_cub", 2e-3, 1e-4, ("head.",), 10),
        ("bridgegap/resnet50_ilsvrc", 1e-5, 1e-4, ("head.",), 10),
        ("bridgegap/efficientnet_lite0_cub", 2e-3, 1e-4, ("head.",), 10),
        ("eil/vgg16_cub", 4e-3, 5e-4, ("backbone.conv6.", "head."), 5),
    ],
)
def test_rates_of_each_parameter(name, rate, decay, fast, factor, load_config, meta_device):
    cfg = load_config(f"{name}.py")
    model = build(cfg, meta_device)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    optimizer = build_optim_wrapper(model, cfg.optim_wrapper).optimizer
    assert (optimizer.defaults["momentum"], optimizer.defaults["nesterov"]) == (0.9, True)
    assert optimizer.defaults["weight_decay"] == decay
    rates = {
        names[id(parameter)]: group["lr"]
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    assert len(rates) == len(names)
    for parameter, value in rates.items():
        assert value == pytest.approx(rate * (factor if parameter.startswith(fast) else 1)), (
            parameter
        )


@pytest.mark.parametrize(
    ("name", "epochs", "lowered", "gamma", "warm", "batches"),
    [
        ("bridgegap/vgg16_cub", 70, (41, 61), 0.2, 20, (32, 64)),
        ("bridgegap/resnet50_cub", 70, (41, 61), 0.2, 20, None),
        ("bridgegap/vgg16_ilsvrc", 40, (11, 31), 0.1, 5, None),
        ("bridgegap/resnet50_ilsvrc", 30, (21, 31), 0.1, 14, None),
        ("eil/vgg16_cub", 70, (41, 61), 0.2, None, None),
        ("eil/vgg16_cub_align", 70, (41, 61), 0.2, 20, (32, 64)),
    ],
)
def test_schedule(name, epochs, lowered, gamma, warm, batches, load_config):
    cfg = load_config(f"{name}.py")
    assert cfg.train_cfg.max_epochs == epochs
    assert cfg.train_dataloader.batch_size == 32
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = PARAM_SCHEDULERS.build(cfg.param_scheduler, default_args={"optimizer": optimizer})
    for epoch in range(1, epochs + 1):
        expected = gamma ** sum(epoch >= start for start in lowered)
        assert optimizer.param_groups[0]["lr"] == pytest.approx(expected), epoch
        optimizer.step()
        scheduler.step()
    if warm is None:
        assert "warm_stage" not in cfg.default_hooks
        return
    hook = HOOKS.build(cfg.default_hooks.warm_stage)
    assert (hook.epochs, hook.losses) == (warm, ["head.loss_sim", "head.loss_norm"])
    assert hook.batch_size == batches


def test_the_warm_stage_switches_modules_that_exist(load_config, meta_device):
    for name in SIZES:
        cfg = load_config(f"{name}.py")
        model = build(cfg, meta_device)
        for loss in cfg.default_hooks.get("warm_stage", {}).get("losses", []):
            assert model.get_submodule(loss).enabled, (name, loss)


def test_the_imagenet_classifier_is_kept_on_ilsvrc_by_resnet_only(load_config):
    for name in SIZES:
        head = load_config(f"{name}.py").model.head
        assert ("init_cfg" in head) == (name == "bridgegap/resnet50_ilsvrc"), name
