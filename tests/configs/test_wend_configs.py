"""configs/wend: sizes, the paper's values, frames of the pipelines."""

import copy
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from mmengine.dataset import Compose
from mmengine.registry import DefaultScope

pytest.importorskip("mmcv._ext")

from wsol_mm.registry import MODELS

WEND = Path(__file__).parents[2] / "configs" / "wend"
METAFILE = yaml.safe_load((WEND / "metafile.yml").read_text())
NAMES = sorted(path.stem for path in WEND.glob("*.py"))


@pytest.fixture(autouse=True)
def _mmdet_scope():
    with DefaultScope.overwrite_default_scope("mmdet"):
        yield


@pytest.fixture
def image(tmp_path):
    """An image of 120 x 90 (w x h) with one box, as a data set hands it on."""
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), np.zeros((90, 120, 3), np.uint8))
    box = [30.0, 20.0, 90.0, 80.0]
    instance = {"bbox": box, "bbox_label": 0, "ignore_flag": 0}
    return {"img_path": str(path), "img_id": "a.png", "gt_label": 3, "instances": [instance]}


def test_resnet50_has_the_size_of_a_c5_detector(load_config, meta_device):
    cfg = copy.deepcopy(load_config("wend/faster_rcnn_r50_cub.py").model)
    with meta_device:
        model = MODELS.build(cfg)
    sizes = {name: sum(p.numel() for p in m.parameters()) for name, m in model.named_children()}
    assert sizes["backbone"] == 23508032
    # 3x3 2048-512, 9 anchors: 1 score and 4 offsets each
    assert sizes["rpn_head"] == 2048 * 9 * 512 + 512 + (512 + 1) * 9 * 5
    # two layers of 1024 on 2048x7x7, then object, background and one box
    assert sizes["roi_head"] == (2048 * 49 + 1) * 1024 + 1025 * 1024 + 1025 * 6
    assert not model.with_neck
    assert len(model.rpn_head.prior_generator.grid_priors([(7, 7)], device="cpu")[0]) == 441


@pytest.mark.parametrize(
    ("num_classes", "parameters"), [(1, 99.12e6), (200, 102.79e6), (1000, 117.54e6)]
)
def test_fcos_has_the_papers_parameter_counts(load_config, meta_device, num_classes, parameters):
    cfg = copy.deepcopy(load_config("wend/fcos_r50_cub.py").model)
    cfg.bbox_head.num_classes = num_classes
    with meta_device:
        model = MODELS.build(cfg)
    # Table 1 gives two decimals of millions
    assert abs(sum(p.numel() for p in model.parameters()) - parameters) < 0.005e6


@pytest.mark.parametrize(
    ("name", "eta", "values", "epochs"),
    [
        ("fcos_r50_cub", 0.125, (6, 0.1, 0.3, 0.3), 50),
        ("fcos_r50_ilsvrc", 0.03125, (4, 0.25, 0.1, 0.1), 10),
        ("faster_rcnn_r50_cub", 0.125, (6, 0.1, 0.3, 0.3), 50),
        ("faster_rcnn_r50_ilsvrc", 0.03125, (4, 0.25, 0.1, 0.1), 10),
    ],
)
def test_values_of_the_paper(load_config, name, eta, values, epochs):
    cfg = load_config(f"wend/{name}.py")
    head = cfg.model.get("roi_head", cfg.model).bbox_head
    loss = head.loss_we
    assert cfg.model.eta == eta
    assert (loss.gamma, loss.alpha, loss.tau1, loss.tau2) == values
    assert cfg.train_cfg.max_epochs == cfg.param_scheduler[0].T_max == epochs
    optimizer = cfg.optim_wrapper.optimizer
    assert (optimizer.lr, optimizer.momentum, optimizer.weight_decay) == (0.008, 0.9, 1e-4)
    assert cfg.optim_wrapper.paramwise_cfg.custom_keys.backbone.lr_mult * optimizer.lr == 0.004
    assert cfg.auto_scale_lr.base_batch_size == 4 * cfg.train_dataloader.batch_size


@pytest.mark.parametrize("name", NAMES)
def test_evaluation_stays_in_the_original_frame(load_config, name, image):
    cfg = load_config(f"wend/{name}.py")
    for loader in (cfg.val_dataloader, cfg.test_dataloader):
        packed = Compose(loader.dataset.pipeline)({**image})
        sample = packed["data_samples"]
        size = packed["inputs"].shape[1]
        assert sample.gt_instances.bboxes.tensor.tolist() == [[30, 20, 90, 80]]
        assert (sample.img_id, sample.gt_label, sample.ori_shape) == ("a.png", 3, (90, 120))
        assert np.allclose(sample.homography_matrix, np.diag([size / 120, size / 90, 1]))


@pytest.mark.parametrize("name", NAMES)
def test_training_boxes_move_with_the_image(load_config, name, image):
    cfg = load_config(f"wend/{name}.py")
    pipeline = Compose(cfg.train_dataloader.dataset.pipeline)
    pipeline.transforms[-1].meta_keys = ("homography_matrix",)
    for _ in range(5):
        packed = pipeline({**image})
        sample, size = packed["data_samples"], packed["inputs"].shape[1]
        matrix = np.asarray(sample.homography_matrix)
        corners = np.array([[30, 20, 1], [90, 80, 1]]) @ matrix.T
        corners = np.sort(corners[:, :2], axis=0).clip(0, size).reshape(-1)
        assert np.allclose(sample.gt_instances.bboxes.tensor.numpy(), corners, atol=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_supervision(load_config, name):
    dataset = load_config(f"wend/{name}.py").train_dataloader.dataset
    oracle = name.endswith("_oracle")
    assert dataset.supervision == ("boxes" if oracle else "pseudo_boxes")
    assert (dataset.pseudo_boxes is None) is oracle


@pytest.mark.parametrize("entry", METAFILE["Models"], ids=lambda entry: entry["Name"])
def test_metafile_states_parameters_and_epochs(load_config, meta_device, entry):
    assert {Path(model["Config"]).stem for model in METAFILE["Models"]} == set(NAMES)
    cfg = copy.deepcopy(load_config(entry["Config"].removeprefix("configs/")))
    with meta_device:
        model = MODELS.build(cfg.model)
    assert entry["Metadata"]["Parameters"] == sum(p.numel() for p in model.parameters())
    assert entry["Metadata"]["Epochs"] == cfg.train_cfg.max_epochs
