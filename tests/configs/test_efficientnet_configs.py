"""EfficientNet configs: view, classifier, metafile."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.dataset import Compose
from mmengine.registry import MODELS, TRANSFORMS, DefaultScope

FOLDER = Path(__file__).resolve().parents[2] / "configs" / "efficientnet"
NAMES = sorted(path.stem for path in FOLDER.glob("*.py"))


@pytest.mark.parametrize("name", NAMES)
def test_the_middle_600_of_685_px_are_seen(name, load_config):
    cfg = load_config(f"efficientnet/{name}.py")
    files = ("LoadImageFromFile", "wsol_mm.LoadMasks")
    steps = [step for step in cfg.test_dataloader.dataset.pipeline if step.type not in files]
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        pipeline = Compose([TRANSFORMS.build(step) for step in steps])
    image = np.zeros((137, 274, 3), np.uint8)
    packed = pipeline(
        dict(img=image, img_path="x", img_id="x", ori_shape=image.shape[:2], gt_label=0)
    )
    assert packed["inputs"].shape[1:] == (600, 600)
    matrix = packed["data_samples"].homography_matrix
    np.testing.assert_allclose(matrix, [[2.5, 0, -42], [0, 5, -42], [0, 0, 1]])
    assert cfg.val_evaluator.protocol == cfg.test_evaluator.protocol == "c2am"


@pytest.mark.parametrize("name", NAMES)
def test_the_classifier_has_the_published_names(name, load_config, meta_device):
    cfg = load_config(f"efficientnet/{name}.py")
    with meta_device, DefaultScope.overwrite_default_scope("mmpretrain"):
        model = MODELS.build(cfg.model)
    assert model.head.fc.weight.shape == (cfg.data_preprocessor.num_classes, 2560)
    assert {n for n, _ in model.head.named_parameters()} == {"fc.weight", "fc.bias"}
    assert isinstance(model.head.fc, torch.nn.Linear)
