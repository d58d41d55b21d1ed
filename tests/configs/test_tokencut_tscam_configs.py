"""TokenCut and TS-CAM configs: sizes, taps, what trains, the authors' geometry, metafiles."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.dataset import Compose
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, TRANSFORMS, DefaultScope

CONFIGS = Path(__file__).resolve().parents[2] / "configs"

# DeiT-S and DINO ViT-S/16 without a classifier, published: 22.05 M with 1000 classes.
VIT_S = 22_050_664 - 385 * 1000
# patches of 8 px, class token, positions, 4 blocks of width 96 and 192, final norm
TOY = 193 * 96 + 96 + 145 * 96 + 4 * (4 * 96 + 97 * 288 + 97 * 96 + 97 * 192 + 193 * 96) + 192
SIZES = [
    ("tokencut/vit_small_p16_cub", VIT_S + 769 * 200, 224, 14),
    ("tokencut/vit_small_p16_cub_paper", VIT_S + 769 * 200, 224, 14),
    ("tokencut/vit_small_p16_ilsvrc", VIT_S + 769 * 1000, 224, 14),
    ("tokencut/vit_small_p16_ilsvrc_paper", VIT_S + 769 * 1000, 256, 16),
    ("tokencut/vit_tiny_toy", TOY + 193 * 6, 96, 12),
    ("ts_cam/deit_small_p16_cub", VIT_S + (9 * 384 + 1) * 200, 224, 14),
    ("ts_cam/deit_small_p16_ilsvrc", VIT_S + (9 * 384 + 1) * 1000, 224, 14),
    ("ts_cam/vit_tiny_toy", TOY + (9 * 96 + 1) * 6, 96, 12),
]


# trunk, and a linear layer on the mean position twice
LITE0 = [
    ("tokencut/efficientnet_lite0_cub", 3_371_008 + 2561 * 200),
    ("tokencut/efficientnet_lite0_in1k", 3_371_008 + 2561 * 1000),
]


def build(cfg, device):
    with device, DefaultScope.overwrite_default_scope("mmpretrain"):
        return MODELS.build(cfg.model)


@pytest.mark.parametrize(("name", "parameters", "size", "side"), SIZES)
def test_parameters_tokens_and_what_trains(name, parameters, size, side, load_config, meta_device):
    cfg = load_config(f"{name}.py")
    model = build(cfg, meta_device)
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters
    feats = model.extract_feat(torch.zeros(2, 3, size, size, device=meta_device))
    width = model.backbone.embed_dims
    qkv = feats.taps["qkv"]
    first = qkv[0] if "ts_cam" in name else qkv
    assert first.shape == (2, side * side + 1, 3 * width)
    assert feats[-1].shape == (2, width, side, side)
    assert model.head(feats).shape == (2, cfg.data_preprocessor.num_classes)
    trained = {n for n, parameter in model.named_parameters() if parameter.requires_grad}
    if name.startswith("tokencut/vit_small"):
        assert trained == {"head.fc.weight", "head.fc.bias"}
    else:
        assert len(trained) == len(list(model.parameters()))
    if name.startswith("ts_cam"):
        assert len(qkv) == model.backbone.num_layers
        assert model.head.num_heads == model.backbone.arch_settings["num_heads"]


@pytest.mark.parametrize(("name", "parameters"), LITE0)
def test_positions_of_a_convolutional_network_are_tokens(
    name, parameters, load_config, meta_device
):
    model = build(load_config(f"{name}.py"), meta_device)
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters
    feats = model.extract_feat(torch.zeros(2, 3, 224, 224, device=meta_device))
    assert feats.taps["key_map"].shape == (2, 192, 14, 14)
    assert feats[-1].shape == (2, 1280, 14, 14)
    trained = {n for n, parameter in model.named_parameters() if parameter.requires_grad}
    assert trained == {"head.fc.weight", "head.fc.bias"}


def test_every_config_is_listed_above():
    here = {
        path.relative_to(CONFIGS).with_suffix("").as_posix()
        for folder in ("tokencut", "ts_cam")
        for path in (CONFIGS / folder).glob("*.py")
    }
    assert {row[0] for row in (*SIZES, *LITE0)} == here


@pytest.mark.parametrize("name", ["deit_small_p16_cub", "deit_small_p16_ilsvrc"])
def test_ts_cam_decays_what_timms_groups_do(name, load_config, meta_device):
    """Matrices and kernels; no biases, norms, class token and positions."""
    cfg = load_config(f"ts_cam/{name}.py")
    model = build(cfg, meta_device)
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        groups = build_optim_wrapper(model, cfg.optim_wrapper).param_groups
    decay = {id(p): group["weight_decay"] for group in groups for p in group["params"]}
    for parameter_name, parameter in model.named_parameters():
        token = parameter_name.endswith(("cls_token", "pos_embed"))
        expected = 0 if token or parameter.dim() == 1 else 0.05
        assert decay[id(parameter)] == expected, parameter_name


def test_tau_is_the_authors(load_config):
    assert load_config("tokencut/vit_small_p16_cub.py").model.head.tau == 0.05
    assert "tau" not in load_config("tokencut/vit_small_p16_ilsvrc.py").model.head  # .2


@pytest.mark.parametrize(
    ("name", "shape", "frame"),
    [
        ("cub", (375, 500), (224, 304)),
        ("cub", (500, 400), (288, 224)),
        ("ilsvrc", (375, 500), (256, 352)),
        ("ilsvrc", (100, 100), (256, 256)),
    ],
)
def test_the_papers_input_keeps_the_aspect_and_can_be_undone(name, shape, frame, load_config):
    cfg = load_config(f"tokencut/vit_small_p16_{name}_paper.py")
    assert cfg.test_evaluator.protocol == cfg.val_evaluator.protocol == "tokencut"
    assert cfg.test_dataloader.batch_size == 1
    files = ("LoadImageFromFile", "wsol_mm.LoadMasks")
    steps = [step for step in cfg.test_pipeline if step.type not in files]
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        pipeline = Compose([TRANSFORMS.build(step) for step in steps])
    packed = pipeline(
        dict(
            img=np.full((*shape, 3), 255, np.uint8),
            img_path="x",
            img_id="x",
            ori_shape=shape,
            gt_label=0,
        )
    )
    assert packed["inputs"].shape[1:] == frame
    sample = packed["data_samples"]
    assert sample.img_shape == frame
    scale = np.diag(sample.homography_matrix)[:2]
    assert scale[0] == pytest.approx(scale[1], rel=0.01)
    # where the image ends, the padding begins, and the network sees it as 0
    width, height = (scale * shape[::-1]).round().astype(int)
    assert (packed["inputs"][:, :height, :width] == 255).all()
    outside = torch.ones(frame, dtype=torch.bool)
    outside[:height, :width] = False
    mean = torch.tensor(cfg.data_preprocessor.mean).flip(0)[:, None]
    assert ((packed["inputs"][:, outside] - mean).abs() < 0.5).all()


@pytest.mark.parametrize(
    ("name", "epochs", "lowered"),
    [("deit_small_p16_cub", 60, (30, 60)), ("deit_small_p16_ilsvrc", 20, (10, 12, 20))],
)
def test_ts_cams_rate_is_lowered_where_its_code_does(name, epochs, lowered, load_config):
    cfg = load_config(f"ts_cam/{name}.py")
    assert cfg.train_cfg.max_epochs == epochs
    assert tuple(milestone + 1 for milestone in cfg.param_scheduler.milestones) == lowered
    assert cfg.train_dataloader.batch_size == cfg.auto_scale_lr.base_batch_size
