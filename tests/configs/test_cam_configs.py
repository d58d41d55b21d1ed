"""CAM configs: published sizes of the networks, sizes of their maps, parameter groups, schedule."""

from pathlib import Path

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, DefaultScope

CAM = Path(__file__).resolve().parents[2] / "configs" / "cam"


def build(cfg, device):
    with device, DefaultScope.overwrite_default_scope("mmpretrain"):
        return MODELS.build(cfg.model)


@pytest.mark.parametrize(
    ("name", "parameters", "size", "side"),
    [
        # torchvision's trunk + conv6 + classifier
        ("vgg16_cub", 14_714_688 + 4_719_616 + 1025 * 200, 224, 14),
        ("vgg16_ilsvrc", 14_714_688 + 4_719_616 + 1025 * 1000, 224, 14),
        ("vgg16_openimages30k", 14_714_688 + 4_719_616 + 1025 * 100, 224, 14),
        # published: 25.557032 M with 1000 classes
        ("resnet50_cub", 25_557_032 - 2049 * 800, 224, 28),
        ("grad_cam_resnet50_cub", 25_557_032 - 2049 * 800, 224, 28),
        ("layer_cam_resnet50_cub", 25_557_032 - 2049 * 800, 224, 28),
        ("resnet50_ilsvrc", 25_557_032, 224, 28),
        ("resnet50_openimages30k", 25_557_032 - 2049 * 900, 224, 14),
        # trunk up to Mixed_6e + two 3x3 convolutions + classifier
        ("inception_v3_cub", 8_965_856 + 7_078_912 + 9_438_208 + 1025 * 200, 224, 28),
        ("inception_v3_ilsvrc", 8_965_856 + 7_078_912 + 9_438_208 + 1025 * 1000, 224, 28),
        ("inception_v3_openimages30k", 8_965_856 + 7_078_912 + 9_438_208 + 1025 * 100, 224, 28),
        ("inception_v3_299_cub", 8_965_856 + 769 * 200, 299, 17),
        # published: 28.681 M with 1000 classes
        ("densenet161_cub", 28_681_000 - 2209 * 800, 224, 7),
        # timm's trunk of 3.371008 M
        ("efficientnet_lite0_cub", 3_371_008 + 1281 * 200, 224, 14),
        ("efficientnet_lite0_ilsvrc", 3_371_008 + 1281 * 1000, 224, 14),
        ("efficientnet_lite0_pets", 3_371_008 + 1281 * 3, 224, 14),
        ("efficientnet_lite0_tiny_imagenet", 3_371_008 + 1281 * 30, 128, 16),
        ("efficientnet_lite0_in1k", 3_371_008 + 1281 * 1000, 224, 14),
        ("resnet18_toy", 717_990, 96, 12),
    ],
)
def test_parameters_and_map_size(name, parameters, size, side, load_config, meta_device):
    cfg = load_config(f"cam/{name}.py")
    model = build(cfg, meta_device)
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters
    features = model.extract_feat(torch.zeros(2, 3, size, size, device=meta_device))
    assert model.head.pre_logits(features).shape[2:] == (side, side)
    assert model.head.num_classes == cfg.data_preprocessor.num_classes


def test_every_cam_config_is_listed_above():
    (mark,) = test_parameters_and_map_size.pytestmark
    assert {row[0] for row in mark.args[1]} == {path.stem for path in CAM.glob("*.py")}


@pytest.mark.parametrize(
    ("name", "fast"),
    [
        ("vgg16_cub", ("backbone.conv6.", "head.")),
        ("resnet50_cub", ("backbone.layer4.", "head.")),
        ("inception_v3_cub", ("head.",)),
        ("densenet161_cub", ("head.",)),
        ("efficientnet_lite0_cub", ("head.",)),
    ],
)
def test_new_layers_learn_ten_times_as_fast(name, fast, load_config, meta_device):
    cfg = load_config(f"cam/{name}.py")
    model = build(cfg, meta_device)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    base = cfg.optim_wrapper.optimizer.lr
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    assert wrapper.optimizer.defaults["nesterov"]
    assert wrapper.optimizer.defaults["momentum"] == 0.9
    rates = {
        names[id(parameter)]: group["lr"]
        for group in wrapper.optimizer.param_groups
        for parameter in group["params"]
    }
    assert len(rates) == len(names)
    for parameter, rate in rates.items():
        assert rate == pytest.approx(base * (10 if parameter.startswith(fast) else 1)), parameter


@pytest.mark.parametrize(
    ("name", "epochs", "lowered"),
    [("resnet50_cub", 50, (15, 30, 45)), ("resnet50_openimages30k", 10, (3, 6, 9))],
)
def test_rate_is_lowered_at_the_start_of_the_benchmarks_epochs(name, epochs, lowered, load_config):
    from mmengine.registry import PARAM_SCHEDULERS

    cfg = load_config(f"cam/{name}.py")
    assert cfg.train_cfg.max_epochs == epochs
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = PARAM_SCHEDULERS.build(cfg.param_scheduler, default_args={"optimizer": optimizer})
    for epoch in range(1, epochs + 1):
        expected = 0.1 ** sum(epoch >= start for start in lowered)
        assert optimizer.param_groups[0]["lr"] == pytest.approx(expected), epoch
        optimizer.step()
        scheduler.step()


def test_who_keeps_the_imagenet_classifier(load_config):
    keeps = {"resnet50_ilsvrc", "efficientnet_lite0_ilsvrc", "efficientnet_lite0_in1k"}
    for path in CAM.glob("*.py"):
        model = load_config(f"cam/{path.name}").model
        assert ("init_cfg" in model.head) == (path.stem in keeps), path.stem
        if path.stem in keeps:
            assert model.head.init_cfg.checkpoint == model.backbone.init_cfg.checkpoint
            assert model.head.init_cfg.prefix == "head."
