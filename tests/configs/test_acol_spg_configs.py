"""ACoL and SPG configs: sizes, searched values, taps, parameter groups, metafiles, quoted rows."""

from pathlib import Path

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, DefaultScope

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
CLASSES = {"cub": 200, "ilsvrc": 1000, "openimages30k": 100, "toy": 6}


def conv(inner, outer, kernel=3):
    return inner * outer * kernel**2 + outer


def hidden(inner, width=1024):
    return conv(inner, width) + conv(width, width)


def mask_branches(inner_1, inner_2, last, width=512):
    """B1's and B2's own convolutions, what they share, and C."""
    own = conv(inner_1, width) + conv(inner_2, width)
    return own + conv(width, width) + conv(width, 1, 1) + conv(last, width) + conv(width, 1, 1)


# Trunks as in test_cam_configs.py; everything behind them, without the classifier(s).
TRUNK = {
    "vgg16": 14_714_688,
    "resnet50": 25_557_032 - 2049 * 1000,
    "inception_v3": 8_965_856,
    "resnet18": 717_990 - 129 * 6,
    "efficientnet_lite0": 3_371_008,
}
HEAD = {
    ("acol", "vgg16"): 2 * hidden(512),
    ("acol", "resnet50"): 2 * hidden(2048),
    ("acol", "inception_v3"): 2 * hidden(768),
    ("acol", "resnet18"): 2 * hidden(128, 64),
    ("acol", "efficientnet_lite0"): 0,
    ("spg", "vgg16"): hidden(512) + mask_branches(512, 512, 1024),
    ("spg", "resnet50"): mask_branches(1024, 1024, 2048),
    ("spg", "inception_v3"): hidden(768) + mask_branches(288, 768, 1024),
    ("spg", "resnet18"): mask_branches(64, 64, 128, 64),
    ("spg", "efficientnet_lite0"): mask_branches(112, 192, 1280),
}
CLASSIFIER = {
    **{("acol", net): (2, 1024) for net in ("vgg16", "resnet50", "inception_v3")},
    ("acol", "resnet18"): (2, 64),
    ("acol", "efficientnet_lite0"): (2, 1280),
    ("spg", "vgg16"): (1, 1024),
    ("spg", "resnet50"): (1, 2048),
    ("spg", "inception_v3"): (1, 1024),
    ("spg", "resnet18"): (1, 128),
    ("spg", "efficientnet_lite0"): (1, 1280),
}
LITE0 = "efficientnet_lite0_cub"
NAMES = [
    f"{method}/{net}_{data}"
    for method in ("acol", "spg")
    for net in ("vgg16", "resnet50", "inception_v3")
    for data in ("cub", "ilsvrc", "openimages30k")
] + [f"{method}/{name}" for method in ("acol", "spg") for name in ("resnet18_toy", LITE0)]


def parts(name):
    """(method, net), data set."""
    method, rest = name.split("/")
    net, data = rest.rsplit("_", 1)
    return (method, net), data


def parameters(name):
    key, data = parts(name)
    number, width = CLASSIFIER[key]
    return TRUNK[key[1]] + HEAD[key] + number * (width + 1) * CLASSES[data]


def build(cfg, device):
    with device, DefaultScope.overwrite_default_scope("mmpretrain"):
        return MODELS.build(cfg.model)


def test_every_config_is_named_here():
    found = {f"{m}/{path.stem}" for m in ("acol", "spg") for path in (CONFIGS / m).glob("*.py")}
    assert found == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_parameters_taps_and_map_size_are_cams(name, load_config, meta_device):
    (method, _), data = parts(name)
    cfg = load_config(f"{name}.py")
    model = build(cfg, meta_device)
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters(name)
    size = 96 if data == "toy" else 224
    feats = model.extract_feat(torch.zeros(2, 3, size, size, device=meta_device))
    (cam,) = build(load_config(f"cam/{name.split('/')[1]}.py"), meta_device).extract_feat(
        torch.zeros(2, 3, size, size, device=meta_device)
    )
    assert feats[-1].shape[2:] == cam.shape[2:]
    assert model.head.num_classes == CLASSES[data] == cfg.data_preprocessor.num_classes
    if method == "spg":
        widths = (model.head.branch_1.in_channels, model.head.branch_2.in_channels)
        assert (feats.taps["b1"].shape[1], feats.taps["b2"].shape[1]) == widths
        assert model.head.mask_size == size


def test_dropout_before_the_convolutions_is_spgs_and_not_acols(load_config, meta_device):
    for method, dropout in (("acol", 0.0), ("spg", 0.5)):
        head = build(load_config(f"{method}/inception_v3_cub.py"), meta_device).head
        assert {m.p for m in head.modules() if isinstance(m, torch.nn.Dropout)} == {dropout}


@pytest.mark.parametrize(
    ("name", "fast"),
    [
        ("acol/vgg16_cub", ("head.",)),
        ("acol/resnet50_cub", ("backbone.layer4.",)),
        ("acol/inception_v3_cub", ("head.",)),
        (
            "spg/vgg16_cub",
            ("head.", *(f"backbone.features.{i}." for i in (10, 11, 12, 14, 15, 16))),
        ),
        ("spg/resnet50_cub", ("backbone.layer4.",)),
        ("spg/inception_v3_cub", ("head.",)),
    ],
)
def test_what_learns_ten_times_as_fast(name, fast, load_config, meta_device):
    cfg = load_config(f"{name}.py")
    model = build(cfg, meta_device)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    base = cfg.optim_wrapper.optimizer.lr
    rates = {
        names[id(parameter)]: group["lr"]
        for group in build_optim_wrapper(model, cfg.optim_wrapper).optimizer.param_groups
        for parameter in group["params"]
    }
    assert len(rates) == len(names)
    for prefix in fast:
        assert any(parameter.startswith(prefix) for parameter in rates)
    for parameter, rate in rates.items():
        assert rate == pytest.approx(base * (10 if parameter.startswith(fast) else 1)), parameter


@pytest.mark.parametrize("name", NAMES)
def test_all_but_the_method_is_cams(name, load_config):
    """Data, schedule and rate, but where one was searched; never its ImageNet classifier."""
    cfg = load_config(f"{name}.py")
    cam = load_config(f"cam/{name.split('/')[1]}.py")
    assert "init_cfg" not in cfg.model.head
    ours, theirs = dict(cfg.optim_wrapper.optimizer), dict(cam.optim_wrapper.optimizer)
    if name.endswith("_cub") or name == "acol/resnet18_toy":
        del ours["lr"], theirs["lr"]
    assert ours == theirs
    for key in set(cfg) - {"model", "optim_wrapper"}:
        assert cfg[key] == cam[key], key


@pytest.mark.parametrize("method", ["acol", "spg"])
def test_readmes_benchmark_row_is_cams_plus_what_kg_ci_cam_quotes(method):
    """Two sources of the same numbers agree: the benchmark's table, and KG-CI-CAM's differences."""
    printed = {"acol": (-6.3, -0.5, 3.5), "spg": (-7.4, -0.8, -2.6)}[method]
    readme = (CONFIGS / method / "README.md").read_text()
    for net, cam, change in zip(
        ("vgg16", "inception_v3", "resnet50"), (63.7, 56.7, 63.0), printed, strict=True
    ):
        (row,) = (line for line in readme.splitlines() if line.startswith(f"| [{net}_cub]"))
        assert float(row.split("|")[4]) == pytest.approx(cam + change, abs=0.01)
        assert f"{change:+.1f}" in readme
