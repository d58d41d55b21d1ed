"""LCAR configs: sizes, what trains, the paper's settings, the ablation, the cache, the metafile."""

from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.registry import MODELS, DefaultScope

from wsol_mm.models.refiners import SeedSign, build_refiners

CONFIGS = Path(__file__).resolve().parents[2] / "configs"

# ViT-S/16 without a classifier, as published; patches of 8 px, class token, positions, 4 blocks of
# width 96 and 192, final norm.
VIT_S = 22_050_664 - 385 * 1000
TOY = 193 * 96 + 96 + 145 * 96 + 4 * (4 * 96 + 97 * 288 + 97 * 96 + 97 * 192 + 193 * 96) + 192
# teacher's block, its linear layer on both tokens, student's on the patches
SIZES = {
    "vit_small_p16_cub": VIT_S + 769 * 1536 + 1537 * 768 + (769 + 385) * 200,
    "vit_small_p16_ilsvrc": VIT_S + (769 + 385) * 1000,
    "vit_tiny_toy": TOY + 193 * 384 + 385 * 192 + (193 + 97) * 6,
}
VARIANTS = ("sd_cam_{}", "sd_cam_{}_cached", "lcar_{}", "lcar_{}_arm", "lcar_{}_sgrm")
NAMES = [(variant.format(size), size) for size in SIZES for variant in VARIANTS]


# trunk, teacher on the mean position twice, student on the positions
LITE0 = [
    ("sd_cam_efficientnet_lite0_cub", 3_371_008 + (2561 + 1281) * 200),
    ("sd_cam_efficientnet_lite0_in1k", 3_371_008 + (2561 + 1281) * 1000),
]


def build(model, device):
    with device, DefaultScope.overwrite_default_scope("mmpretrain"):
        return MODELS.build(ConfigDict(model))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("variant", VARIANTS)
def test_parameters_and_what_trains(size, variant, load_config, meta_device):
    cfg = load_config(f"lcar/{variant.format(size)}.py")
    model = build(cfg.model, meta_device)
    assert sum(parameter.numel() for parameter in model.parameters()) == SIZES[size]
    learns_backbone = any(parameter.requires_grad for parameter in model.backbone.parameters())
    # only the toy network without the cache starts from nothing
    assert learns_backbone == (size == "vit_tiny_toy" and "cached" not in variant)
    assert all(parameter.requires_grad for parameter in model.head.parameters())
    side, pixels = (12, 96) if size == "vit_tiny_toy" else (14, 224)
    image = torch.zeros(1, 3, pixels, pixels, device=meta_device)
    feats = model.extract_feat(image)
    assert set(feats.taps) == {"qkv", "tokens"}
    assert feats[-1].shape[2:] == (side, side)
    assert model.head.pre_logits(feats).shape == (1, 2 * feats[-1].shape[1])
    assert model.head.mask_size == pixels // side


@pytest.mark.parametrize(("name", "parameters"), LITE0)
def test_a_convolutional_network_has_a_teacher_of_the_mean_twice(
    name, parameters, load_config, meta_device
):
    model = build(load_config(f"lcar/{name}.py").model, meta_device)
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters
    feats = model.extract_feat(torch.zeros(1, 3, 224, 224, device=meta_device))
    assert feats.taps["key_map"].shape[2:] == feats[-1].shape[2:] == (14, 14)


def test_every_config_is_listed_above():
    here = {path.stem for path in (CONFIGS / "lcar").glob("*.py")}
    assert {name for name, _ in (*NAMES, *LITE0)} == here


@pytest.mark.parametrize(("name", "size"), NAMES)
def test_settings_are_the_papers(name, size, load_config, meta_device):
    cfg = load_config(f"lcar/{name}.py")
    head = build(cfg.model, meta_device).head
    assert (head.alpha, head.temperature, head.seed_threshold) == (0.3, 3.0, 0.6)
    assert (head.sign, head.map_kind) == ("cam", "eigenvector")
    # an MLP block but on ILSVRC
    assert bool(cfg.model.head.get("hidden_channels")) == ("ilsvrc" not in size)
    assert cfg.test_evaluator.iou_thrs == cfg.val_evaluator.iou_thrs == (0.3, 0.5, 0.7, 0.8, 0.9)
    assert cfg.train_dataloader.batch_size == cfg.auto_scale_lr.base_batch_size


@pytest.mark.parametrize("size", SIZES)
def test_rows_of_the_ablation_are_the_parts_of_the_chain(size, load_config):
    chains = {
        "sd_cam_{}": [],
        "lcar_{}_arm": ["ARM", "SeedSign"],
        "lcar_{}_sgrm": ["SGRM"],
        "lcar_{}": ["ARM", "SeedSign", "SGRM"],
    }
    for name, expected in chains.items():
        chain = build_refiners(
            load_config(f"lcar/{name.format(size)}.py").model.get("refiners", [])
        )
        assert [type(refiner).__name__ for refiner in chain] == expected
        for refiner in chain:
            if isinstance(refiner, SeedSign):
                assert refiner.threshold == 0.6
                continue
            settings = asdict(refiner.settings)
            assert settings.items() >= PAPER[type(refiner).__name__].items()
            if "superpixel_high" in settings:
                assert settings["superpixel_high"] == (0.6 if "ilsvrc" in size else 0.4)


PAPER = {
    "ARM": dict(position_weight=0.01, center_weight=0.1, iterations=50),
    "SGRM": dict(
        low=0.1,
        high=0.6,
        superpixel_low=0.1,
        foreground_weight=2.0,
        background_weight=0.1,
        superpixel_weight=0.1,
        lr=0.05,
        momentum=0.9,
        max_iterations=200,
        tolerance=0.1,
    ),
}


def changed(name, **options):
    cfg = Config.fromfile(CONFIGS / f"lcar/{name}.py")
    cfg.merge_from_dict({key.replace("__", "."): value for key, value in options.items()})
    return cfg


def test_both_neighbourhoods_are_a_key_away():
    for neighbours in (8, 48):
        cfg = changed("lcar_vit_small_p16_cub", model__refiners__0__neighbours=neighbours)
        assert build_refiners(cfg.model.refiners)[0].settings.neighbours == neighbours


def test_eq_7_and_8_as_printed_are_a_key_away():
    cfg = changed("lcar_vit_small_p16_cub", model__refiners__0__preset="lcar")
    settings = build_refiners(cfg.model.refiners)[0].settings
    assert (settings.neighbours, settings.color_scale, settings.position_scale) == (8, 1, 1)
    assert settings.color_distance == "vector"
    assert settings.iterations == 50


@pytest.mark.parametrize("data", ["cub", "ilsvrc"])
def test_the_row_without_the_three_parts_is_tokencut(data, load_config):
    """Both cut the same graph: LCAR's own value of tau is not known."""
    cut, ours = (
        load_config(f"{name}vit_small_p16_{data}.py").model
        for name in ("tokencut/", "lcar/sd_cam_")
    )
    assert ours.head.get("tau", 0.2) == cut.head.get("tau", 0.2)
    assert ours.taps == cut.taps


def predicted(cfg):
    torch.manual_seed(0)
    model = build({**cfg.model, "data_preprocessor": cfg.data_preprocessor}, torch.device("cpu"))
    image = torch.full((3, 96, 96), 40, dtype=torch.uint8)
    image[:, 24:72, 30:60] = 200
    image[0] += torch.arange(96, dtype=torch.uint8)
    with torch.no_grad():
        return model.eval().test_step({"inputs": [image]})[0]


@pytest.mark.parametrize("sign", ["cam", "token"])
def test_what_the_toy_chain_predicts(sign):
    coarse = predicted(changed("sd_cam_vit_tiny_toy", model__head__sign=sign))
    # without SD-CAM one map serves every class
    assert (coarse.map_labels[0] == -1) == (sign == "token")
    assert coarse.pred_maps.shape[1:] == (12, 12)
    fine = predicted(changed("lcar_vit_tiny_toy_arm", model__head__sign=sign))
    mask = predicted(
        changed("lcar_vit_tiny_toy", model__head__sign=sign, model__refiners__2__max_iterations=5)
    )
    # the class map stands beside the coarse map for SeedSign, and has served behind it
    assert ("seed_map" in coarse) == (sign == "cam")
    for refined in (fine, mask):
        assert "seed_map" not in refined
        assert refined.map_labels.tolist() == coarse.map_labels[:1].tolist()
        assert refined.pred_maps.shape == (1, 96, 96)
        assert torch.equal(refined.pred_score, coarse.pred_score)
    assert fine.pred_maps.unique().numel() > 100
    assert set(mask.pred_maps.unique().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize("size", SIZES)
def test_the_cached_config_keeps_what_the_other_one_draws(size, load_config):
    plain, cached = (load_config(f"lcar/sd_cam_{size}{end}.py") for end in ("", "_cached"))
    views, pack = cached.train_dataloader.dataset.pipeline
    assert list(views.transforms) == list(plain.train_dataloader.dataset.pipeline[:-1])
    assert not any("Load" in step.type for step in views.transforms[1:])  # no boxes, no masks
    assert (views.type, pack.type) == ("wsol_mm.FixedViews", "wsol_mm.PackWSOLInputs")
    assert pack.algorithm_keys == ("tokens",)
    assert cached.model.type == "wsol_mm.FrozenClassifier"
    assert [hook.type for hook in cached.custom_hooks] == ["wsol_mm.TokenCacheHook"]
    assert cached.model.head == plain.model.head
    assert cached.test_dataloader == plain.test_dataloader
    folders = {load_config(f"lcar/sd_cam_{s}_cached.py").train_pipeline[0].tokens for s in SIZES}
    assert len(folders) == len(SIZES)
