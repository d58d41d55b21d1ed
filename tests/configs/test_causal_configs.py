"""NL-CCAM and CI-CAM configs: sizes, maps, rates, schedules, and what each variant changes."""

from pathlib import Path

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, PARAM_SCHEDULERS, DefaultScope

from wsol_mm.evaluation.protocols import get_protocol
from wsol_mm.models.heads import CombinationalCAMHead

CONFIGS = Path(__file__).resolve().parents[2] / "configs"


def block(channels):
    """Parameters of a non-local block: four 1x1 convolutions with bias, and a batch norm."""
    reduced = channels // 8
    return 2 * (channels + 1) * reduced + 2 * (channels + 1) * channels + 2 * channels


VGG = 14_714_688
VGG_CUB = VGG + sum(map(block, (128, 256, 512, 512)))
VGG_ILSVRC = VGG + sum(map(block, (256, 512, 512)))
VGG_ILSVRC += 512 * 9 * 1024 + 1024 + 1024 * 9 * 1024 + 1024
INCEPTION = 8_965_856 + sum(map(block, (192, 288, 768)))
RESNET = 25_557_032 - 2049 * 1000 + sum(map(block, (512, 1024, 2048)))
LITE0 = 3_371_008 + block(1280)
TOY = 717_990 - 129 * 6 + sum(map(block, (32, 64, 128)))

# config, parameters of the backbone, channels, classes, image, map
NETWORKS = [
    ("vgg16_cub", VGG_CUB, 512, 200, 224, 14),
    ("vgg16_ilsvrc", VGG_ILSVRC, 1024, 1000, 224, 14),
    ("inception_v3_cub", INCEPTION, 768, 200, 299, 17),
    ("inception_v3_ilsvrc", INCEPTION, 768, 1000, 299, 17),
    ("resnet50_cub", RESNET, 2048, 200, 224, 14),
    ("resnet50_ilsvrc", RESNET, 2048, 1000, 224, 14),
    ("efficientnet_lite0_cub", LITE0, 1280, 200, 224, 14),
    ("resnet18_toy", TOY, 128, 6, 96, 12),
]
CONTROLS = ("gaussian", "zero", "shuffled", "averaged", "one_branch")
VARIANTS = {
    "vgg16_cub": ("paper", "released", "centre_crop", "two_pass", "one_branch", "class_maps"),
    "inception_v3_cub": ("two_pass",),
    "vgg16_ilsvrc": ("two_pass", "one_branch"),
    "resnet18_toy": CONTROLS,
    "efficientnet_lite0_cub": (*CONTROLS, "oracle"),
}

FIXED_POOL = {"model.head.context_pool.type", "model.head.context_pool.rate"}
ONE_BRANCH = {"model.head.type", "model.head.context_pool", "model.head.loss.loss_weight"}
OTHER_TEST = {
    "test_dataloader.dataset.pipeline",
    "test_evaluator.protocol",
    "test_evaluator.threshold",
    "test_pipeline",
}


def parameters(method, name):
    for stem, backbone, channels, classes, *_ in NETWORKS:
        if name == stem or name.removeprefix(f"{stem}_") in VARIANTS.get(stem, ()):
            one_branch = method == "nl_ccam" or name.endswith("one_branch")
            projection = 0 if one_branch else (classes + 1) * channels
            return backbone + (channels + 1) * classes + projection
    raise LookupError(f"{method}/{name} is not listed above")


def build(cfg, device):
    with device, DefaultScope.overwrite_default_scope("mmpretrain"):
        return MODELS.build(cfg.model)


@pytest.mark.parametrize("method", ["nl_ccam", "ci_cam"])
@pytest.mark.parametrize("network", NETWORKS, ids=lambda row: row[0])
def test_parameters_and_map_size(method, network, load_config, meta_device):
    name, *_, classes, size, side = network
    cfg = load_config(f"{method}/{name}.py")
    model = build(cfg, meta_device)
    count = sum(parameter.numel() for parameter in model.parameters())
    assert count == parameters(method, name)
    features = model.head.pre_logits(
        model.extract_feat(torch.zeros(2, 3, size, size, device=meta_device))
    )
    assert features.shape[2:] == (side, side)
    assert model.head.num_classes == cfg.data_preprocessor.num_classes == classes
    if method == "ci_cam":
        pool = model.head.context_pool
        assert pool.contexts.shape == (classes, side, side)
        data = name.rsplit("_", 1)[1]
        rate = 0.2 if "lite0" in name else {"cub": 0.01, "ilsvrc": 0.001, "toy": 0.1}[data]
        assert pool.rate == rate
        assert (pool.update_on, pool.update_order) == ("correct", "after")


@pytest.mark.parametrize("method", ["nl_ccam", "ci_cam"])
def test_only_the_classifier_learns_at_the_full_rate_on_cub_with_vgg(
    method, load_config, meta_device
):
    cfg = load_config(f"{method}/vgg16_cub.py")
    model = build(cfg, meta_device)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    assert type(wrapper.optimizer) is torch.optim.Adam
    assert wrapper.optimizer.defaults["betas"] == (0.9, 0.999)
    assert wrapper.optimizer.defaults["weight_decay"] == 0
    for group in wrapper.optimizer.param_groups:
        for parameter in group["params"]:
            name = names.pop(id(parameter))
            full = name.startswith("head.fc.")
            assert group["lr"] == pytest.approx(5e-4 if full else 5e-5), name
    assert not names


@pytest.mark.parametrize(
    ("name", "rate", "batch", "epochs", "steps"),
    [
        ("vgg16_cub", 5e-4, 6, 100, lambda e: 0.5 ** (e // 14)),
        ("inception_v3_cub", 1e-4, 6, 100, lambda e: 0.5 ** (e // 50) * (0.1 if e >= 85 else 1)),
        ("resnet50_cub", 1.25e-4, 6, 100, lambda e: 0.5 ** (e // 50)),
        ("vgg16_ilsvrc", 1e-4, 40, 20, lambda e: 0.1 ** (e // 10)),
        ("inception_v3_ilsvrc", 9e-5, 128, 20, lambda e: 0.1 ** (e // 10)),
        ("resnet50_ilsvrc", 1e-4, 32, 20, lambda e: 0.1 ** (e // 10)),
    ],
)
@pytest.mark.parametrize("method", ["nl_ccam", "ci_cam"])
def test_schedule(method, name, rate, batch, epochs, steps, load_config):
    cfg = load_config(f"{method}/{name}.py")
    assert cfg.train_cfg.max_epochs == epochs
    assert cfg.train_dataloader.batch_size == cfg.auto_scale_lr.base_batch_size == batch
    assert cfg.optim_wrapper.optimizer.lr == rate
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedulers = [
        PARAM_SCHEDULERS.build(settings, default_args={"optimizer": optimizer})
        for settings in cfg.param_scheduler
    ]
    for epoch in range(epochs):
        expected = (1 - epoch / epochs) ** 0.9 * steps(epoch)
        assert optimizer.param_groups[0]["lr"] == pytest.approx(expected), epoch
        optimizer.step()
        for scheduler in schedulers:
            scheduler.step()


@pytest.mark.parametrize(
    ("name", "short", "crop"), [("vgg16_cub", 304, 224), ("inception_v3_cub", 450, 299)]
)
def test_training_crops_from_the_resized_short_side(name, short, crop, load_config):
    from mmengine.registry import TRANSFORMS

    import wsol_mm.datasets  # noqa: F401

    steps = load_config(f"ci_cam/{name}.py").train_dataloader.dataset.pipeline[1:3]
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        resize, cut = map(TRANSFORMS.build, steps)
    import numpy as np

    image = {"img": np.zeros((600, 400, 3), np.uint8), "img_shape": (600, 400)}
    resized = resize(image)
    assert resized["img"].shape[:2] == (short * 3 // 2, short)
    assert cut(resized)["img"].shape[:2] == (crop, crop)


@pytest.mark.parametrize(
    ("name", "short", "crop"),
    [("vgg16_cub", 304, 224), ("inception_v3_cub", 450, 299), ("vgg16_ilsvrc", 240, 224)],
)
def test_two_passes_rank_on_a_centre_crop_of_the_resized_short_side(name, short, crop, load_config):
    cfg = load_config(f"ci_cam/{name}_two_pass.py")
    load, view, *rest = cfg.test_dataloader.dataset.pipeline
    assert view == {"type": "wsol_mm.RankingView", "short_side": short, "crop_size": crop}
    assert [load, *rest] == load_config(f"ci_cam/{name}.py").test_pipeline
    assert rest[0] == {"type": "wsol_mm.Resize", "scale": (crop, crop)}
    protocol = get_protocol(cfg.test_evaluator.protocol)
    assert (protocol.frame, protocol.ranking) == (crop, "second_view")
    assert cfg.val_dataloader == load_config(f"ci_cam/{name}.py").val_dataloader


def difference(left, right, prefix=""):
    """Dotted keys whose values differ between two configs."""
    for key in sorted(set(left) | set(right)):
        first, second = left.get(key), right.get(key)
        if isinstance(first, dict) and isinstance(second, dict):
            yield from difference(first, second, f"{prefix}{key}.")
        elif first != second:
            yield f"{prefix}{key}"


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("resnet18_toy_gaussian", FIXED_POOL),
        ("resnet18_toy_zero", FIXED_POOL),
        ("resnet18_toy_shuffled", {"model.head.context_pool.type"}),
        ("resnet18_toy_averaged", {"model.head.context_pool.type"}),
        ("resnet18_toy_one_branch", ONE_BRANCH),
        (
            "efficientnet_lite0_cub_oracle",
            {*FIXED_POOL, "train_dataloader.dataset.supervision", "custom_hooks"},
        ),
        (
            "vgg16_cub_one_branch",
            {*ONE_BRANCH, "optim_wrapper.paramwise_cfg.custom_keys.head.context_pool"},
        ),
        ("vgg16_ilsvrc_one_branch", ONE_BRANCH),
        (
            "vgg16_cub_paper",
            {
                "model.head.context_pool.update_on",
                "model.head.context_pool.update_order",
                "model.head.combination.name",
                "model.head.combination.split",
                "optim_wrapper.optimizer.betas",
                "test_evaluator.protocol",
                "test_evaluator.threshold",
            },
        ),
        ("vgg16_cub_released", {"test_evaluator.protocol", "test_evaluator.threshold"}),
        ("vgg16_cub_centre_crop", OTHER_TEST),
        *(
            (f"{stem}_two_pass", {"model.type", *OTHER_TEST})
            for stem in ("vgg16_cub", "inception_v3_cub", "vgg16_ilsvrc")
        ),
    ],
)
def test_variants_change_what_they_say_and_nothing_else(name, keys, load_config):
    stem = next(stem for stem in VARIANTS if name.startswith(stem))
    parent = load_config(f"ci_cam/{stem}.py").to_dict()
    assert set(difference(parent, load_config(f"ci_cam/{name}.py").to_dict())) == keys


def test_class_maps_differ_in_the_ranks_alone(load_config):
    parent = load_config("nl_ccam/vgg16_cub.py").to_dict()
    own = load_config("nl_ccam/vgg16_cub_class_maps.py").to_dict()
    assert list(difference(parent, own)) == ["model.head.ranks"]
    assert own["model"]["head"]["ranks"] == "label"


@pytest.mark.parametrize("network", NETWORKS, ids=lambda row: row[0])
def test_ci_cam_is_nl_ccam_with_another_head(network, load_config):
    ours = load_config(f"ci_cam/{network[0]}.py").to_dict()
    base = load_config(f"nl_ccam/{network[0]}.py").to_dict()
    for key in difference(ours, base):
        assert key.startswith(
            ("model.head.", "optim_wrapper.paramwise_cfg.custom_keys.head.context_pool")
        )


@pytest.mark.parametrize(
    "network", ["resnet18_toy", "efficientnet_lite0_cub", "vgg16_cub", "vgg16_ilsvrc"]
)
def test_one_branch_has_the_loss_of_two_equal_branches(network, load_config, meta_device):
    one = build(load_config(f"ci_cam/{network}_one_branch.py"), meta_device).head
    two = build(load_config(f"ci_cam/{network}.py"), meta_device).head
    assert type(one) is CombinationalCAMHead
    assert one.loss_module.loss_weight == two.loss_module.loss_weight * (1 + two.rho) == 2.0


def test_the_toy_pool_remembers_the_share_of_a_training_that_cubs_does(load_config):
    """1 / rate of a class's updates: one per image where batches hold few images of a class."""
    cub, toy = (load_config(f"ci_cam/{name}.py") for name in ("vgg16_cub", "resnet18_toy"))
    images, classes = 600, 6  # what make_toy.py draws
    batch = toy.train_dataloader.batch_size
    assert batch / classes > 5  # so a step is one update of each class
    updates = {
        "cub": 30 * cub.train_cfg.max_epochs,
        "toy": images / batch * toy.train_cfg.max_epochs,
    }
    shares = [
        1 / cfg.model.head.context_pool.get("rate", 0.01) / updates[name]
        for name, cfg in (("cub", cub), ("toy", toy))
    ]
    assert shares[1] == pytest.approx(shares[0], rel=0.5)
