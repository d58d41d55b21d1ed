"""configs/wend and SCR: sizes, the papers' values, frozen parts, frames of the pipelines."""

import copy
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.dataset import Compose
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DATASETS, TASK_UTILS, DefaultScope
from mmengine.structures import InstanceData

pytest.importorskip("mmcv._ext")

from wsol_mm.models.task_modules import sample_batch
from wsol_mm.registry import MODELS

CONFIGS = Path(__file__).parents[2] / "configs"
NAMES = sorted(
    f"{path.parent.name}/{path.stem}"
    for pattern in ("wend/*.py", "psol/scr_*.py")
    for path in CONFIGS.glob(pattern)
)


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
    model = model.detector
    sizes = {name: sum(p.numel() for p in m.parameters()) for name, m in model.named_children()}
    assert sizes["backbone"] == 23508032
    # 3x3 2048-512, 9 anchors: 1 score and 4 offsets each
    assert sizes["rpn_head"] == 2048 * 9 * 512 + 512 + (512 + 1) * 9 * 5
    # two layers of 1024 on 2048x7x7, then object, background and one box
    assert sizes["roi_head"] == (2048 * 49 + 1) * 1024 + 1025 * 1024 + 1025 * 6
    assert not model.with_neck
    assert len(model.rpn_head.prior_generator.grid_priors([(7, 7)], device="cpu")[0]) == 441


def first_stage(cfg):
    """The RPN of a config with one channel."""
    head = {**cfg.rpn_head, "in_channels": 1, "feat_channels": 1}
    return MODELS.build({**head, "train_cfg": cfg.train_cfg.rpn, "test_cfg": cfg.test_cfg.rpn})


@pytest.mark.parametrize("name", ["faster_rcnn_r50_cub", "cln_r50_cub"])
def test_every_box_has_a_positive_anchor(load_config, name):
    """The best one where none passes (section 3.2.1), however small the box is."""
    head = first_stage(copy.deepcopy(load_config(f"wend/{name}.py").model.detector))
    draws = torch.rand(200, 4, generator=torch.Generator().manual_seed(0))
    sizes = 20 + 30 * draws[:, 2:]
    corners = draws[:, :2] * (224 - sizes)
    boxes = torch.cat([corners, corners + sizes], dim=1)
    truth = [
        InstanceData(bboxes=box[None], labels=torch.zeros(1, dtype=torch.int64)) for box in boxes
    ]
    metas = [{"img_shape": (224, 224), "pad_shape": (224, 224)}] * len(boxes)

    def without():
        anchors = head.get_anchors([(7, 7)], metas, device="cpu")
        labels = torch.cat(head.get_targets(*anchors, truth, metas)[0], dim=1)
        return ((labels == 0).sum(dim=1) == 0).float().mean().item()

    assert without() == 0
    head.assigner.min_pos_iou = 0.3
    assert without() > 0.5


@pytest.mark.parametrize("ratio", [1, 1.5, 5])
def test_the_second_stage_samples_by_the_papers_ratio(load_config, ratio):
    """Table 12: its rows differ, also where an image has few positives."""
    cfg = copy.deepcopy(load_config("wend/faster_rcnn_r50_cub.py").model.detector.train_cfg.rcnn)
    assert (cfg.sampler.pos_fraction, cfg.sampler.neg_pos_ub) == (0.5, 1)
    cfg.sampler.update(pos_fraction=1 / (1 + ratio), neg_pos_ub=ratio, add_gt_as_proposals=False)
    boxes = torch.tensor([[0.0, 0, 100, 100]])
    near = boxes + torch.arange(4)[:, None]
    far = torch.tensor([[120.0, 120, 200, 200]]).repeat(100, 1)
    truth = InstanceData(bboxes=boxes, labels=torch.zeros(1, dtype=torch.int64))
    assigner, sampler = TASK_UTILS.build(cfg.assigner), TASK_UTILS.build(cfg.sampler)
    found = sample_batch(assigner, sampler, torch.cat([near, far])[None], [truth])
    assert len(found.pos_priors) == 4
    assert len(found.neg_priors) == 4 * ratio


@pytest.mark.parametrize(
    ("num_classes", "parameters"), [(1, 99.12e6), (200, 102.79e6), (1000, 117.54e6)]
)
def test_fcos_has_the_papers_parameter_counts(load_config, meta_device, num_classes, parameters):
    cfg = copy.deepcopy(load_config("wend/fcos_r50_cub.py").model)
    cfg.detector.bbox_head.num_classes = num_classes
    with meta_device:
        model = MODELS.build(cfg)
    # Table 1 gives two decimals of millions
    assert abs(sum(p.numel() for p in model.parameters()) - parameters) < 0.005e6


@pytest.mark.parametrize("data", ["cub", "ilsvrc"])
def test_a_lean_head_differs_in_width_alone(load_config, meta_device, data):
    lean, wide = (load_config(f"wend/fcos_r50_{data}{end}.py").to_dict() for end in ("_lean", ""))
    with meta_device:
        model = MODELS.build(copy.deepcopy(lean["model"])).detector
    sizes = {name: sum(p.numel() for p in m.parameters()) for name, m in model.named_children()}
    # 1x1 and its norm; two branches of 3x3 and norm, six outputs of 3x3, the scale of distances
    assert sizes["neck"] == 2048 * 256 + 2 * 256
    branch = 9 * 256 * 256 + 2 * 256
    assert sizes["bbox_head"] - 1 - 6 * (9 * 256 + 1) in (2 * branch, 2 * (branch + 256))
    del lean["model"]["detector"]["neck"]
    lean["model"]["detector"]["bbox_head"].update(in_channels=2048, feat_channels=2048)
    assert lean == wide


@pytest.mark.parametrize(
    ("name", "eta", "values", "epochs"),
    [
        ("cln_r50_cub", 0.125, (6, 0.1, 0.3, 0.3), 50),
        ("cln_r50_ilsvrc", 0.03125, (4, 0.25, 0.1, 0.1), 10),
        ("faster_rcnn_densenet161_cub", 0.125, (6, 0.1, 0.3, 0.3), 50),
        ("faster_rcnn_densenet161_ilsvrc", 0.03125, (4, 0.25, 0.1, 0.1), 10),
        ("fcos_r50_cub", 0.125, (6, 0.1, 0.3, 0.3), 50),
        ("fcos_r50_ilsvrc", 0.03125, (4, 0.25, 0.1, 0.1), 10),
        ("faster_rcnn_r50_cub", 0.125, (6, 0.1, 0.3, 0.3), 50),
        ("faster_rcnn_r50_ilsvrc", 0.03125, (4, 0.25, 0.1, 0.1), 10),
    ],
)
def test_values_of_the_paper(load_config, name, eta, values, epochs):
    cfg = load_config(f"wend/{name}.py")
    loss = cfg.model.loss_we
    assert cfg.model.eta == eta
    assert (loss.gamma, loss.alpha, loss.tau1, loss.tau2) == values
    assert cfg.train_cfg.max_epochs == cfg.param_scheduler[0].T_max == epochs
    optimizer = cfg.optim_wrapper.optimizer
    assert (optimizer.lr, optimizer.momentum, optimizer.weight_decay) == (0.008, 0.9, 1e-4)
    assert cfg.optim_wrapper.paramwise_cfg.custom_keys.backbone.lr_mult * optimizer.lr == 0.004
    assert cfg.auto_scale_lr.base_batch_size == 4 * cfg.train_dataloader.batch_size


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith("_paper")])
def test_the_papers_test_sees_a_centre_crop_and_nothing_else_changes(load_config, name, image):
    cfg, base = load_config(f"{name}.py"), load_config(f"{name.removesuffix('_paper')}.py")
    assert cfg.val_evaluator.protocol == cfg.test_evaluator.protocol == "wend"
    for key in ("model", "train_dataloader", "optim_wrapper", "train_cfg"):
        assert cfg[key] == base[key]
    sample = Compose(cfg.test_dataloader.dataset.pipeline)({**image})["data_samples"]
    scale = np.diag([256 / 120, 256 / 90, 1])
    scale[:2, 2] = -16
    np.testing.assert_allclose(sample.homography_matrix, scale)
    assert cfg.val_dataloader.dataset.pipeline == cfg.test_dataloader.dataset.pipeline


def own_data(root, kind):
    """Two classes with an image each in train and val: a COCO json, or folders with a csv."""
    for split in ("train", "val"):
        for name in ("cat/a.jpg", "dog/b.jpg"):
            path = root / split / name
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), np.zeros((90, 120, 3), np.uint8))
        images = [
            {"id": n, "file_name": name, "width": 120, "height": 90, "category_id": n}
            for n, name in ((1, "cat/a.jpg"), (2, "dog/b.jpg"))
        ]
        boxes = [
            {"id": n, "image_id": n, "category_id": n, "bbox": [30, 20, 60, 60]} for n in (1, 2)
        ]
        content = {"images": images, "annotations": boxes}
        names = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]
        if kind == "coco":
            path = root / "annotations" / f"{split}.json"
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps({**content, "categories": names}))
        else:
            rows = [f"{image['file_name']},30,20,90,80" for image in images]
            (root / f"boxes_{split}.csv").write_text("\n".join(["image,x0,y0,x1,y1", *rows]))
        if split == "train":
            for box in boxes:
                box["category_id"] = 1
            pseudo = {"info": {"maker": "test"}, "categories": [{"id": 1, "name": "object"}]}
            (root / "pseudo.json").write_text(json.dumps({**content, **pseudo}))


@pytest.mark.parametrize("kind", ["coco", "folders"])
def test_data_of_ones_own_reaches_a_detector(load_config, tmp_path, kind):
    own_data(tmp_path, kind)
    cfg = load_config(f"wend/fcos_r50_{kind}.py")
    keys = {"data_root": str(tmp_path)}
    train = DATASETS.build(
        {**cfg.train_dataloader.dataset, **keys, "pseudo_boxes": str(tmp_path / "pseudo.json")}
    )
    val = DATASETS.build({**cfg.val_dataloader.dataset, **keys})
    assert train.metainfo["classes"] == ("object",)
    assert len(train) == len(val) == 2
    assert train[0]["data_samples"].gt_instances.labels.tolist() == [0]
    sample = val[1]["data_samples"]
    assert sample.gt_instances.bboxes.tensor.tolist() == [[30, 20, 90, 80]]
    assert (sample.img_id, sample.gt_label) == ("dog/b.jpg", 1)


@pytest.mark.parametrize("name", NAMES)
def test_evaluation_stays_in_the_original_frame(load_config, name, image):
    cfg = load_config(f"{name}.py")
    for loader in (cfg.val_dataloader, cfg.test_dataloader):
        packed = Compose(loader.dataset.pipeline)({**image})
        sample = packed["data_samples"]
        size = packed["inputs"].shape[1]
        assert sample.gt_instances.bboxes.tensor.tolist() == [[30, 20, 90, 80]]
        assert (sample.img_id, sample.gt_label, sample.ori_shape) == ("a.png", 3, (90, 120))
        if not name.endswith("_paper"):
            assert np.allclose(sample.homography_matrix, np.diag([size / 120, size / 90, 1]))


@pytest.mark.parametrize("name", NAMES)
def test_training_boxes_move_with_the_image(load_config, name, image):
    cfg = load_config(f"{name}.py")
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
    dataset = load_config(f"{name}.py").train_dataloader.dataset
    oracle = name.endswith("_oracle")
    assert dataset.supervision == ("boxes" if oracle else "pseudo_boxes")
    assert (dataset.pseudo_boxes is None) is oracle


@pytest.mark.parametrize("data", ["cub", "ilsvrc"])
def test_deformable_detr_is_the_papers(load_config, meta_device, data):
    cfg = copy.deepcopy(load_config(f"wend/deformable_detr_r50_{data}_frozen.py"))
    with meta_device:
        model = MODELS.build(cfg.model)
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    # section 4.2.4 gives two decimals of millions
    assert abs(trained - 16.45e6) < 0.005e6
    assert model.detector.num_queries == model.detector.test_cfg.max_per_img == 30
    loss = cfg.model.loss_we
    gamma, alpha = (6, 0.1) if data == "cub" else (4, 0.25)
    assert (loss.gamma, loss.alpha, loss.tau1, loss.tau2) == (gamma, alpha, 0.9, 0.9)
    assert model.eta == 1
    epochs = 50 if data == "cub" else 10
    assert cfg.train_cfg.max_epochs == cfg.param_scheduler[0].T_max == epochs
    assert cfg.optim_wrapper.clip_grad.max_norm == 0.1
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    assert type(wrapper.optimizer) is torch.optim.Adam
    rates = {
        name: group["lr"]
        for group in wrapper.optimizer.param_groups
        for name, parameter in model.named_parameters()
        if parameter is group["params"][0]
    }
    slow = {name for name, rate in rates.items() if rate == pytest.approx(2e-5)}
    expected = {
        name
        for name, parameter in model.named_parameters()
        if "sampling_offsets" in name
        or "reference_points" in name
        or name.startswith("detector.backbone")
    }
    assert slow == expected & set(rates)
    assert any("sampling_offsets" in name for name in slow)
    assert any("reference_points" in name for name in slow)


@pytest.mark.parametrize("data", ["cub", "ilsvrc"])
def test_scr_asks_for_another_image_where_no_box_is_left(load_config, data, image):
    dataset = load_config(f"psol/scr_r50_{data}.py").train_dataloader.dataset
    pipeline = Compose(dataset.pipeline)
    assert pipeline({**image, "instances": []}) is None
    corner = {"bbox": [0.0, 0.0, 6.0, 5.0], "bbox_label": 0, "ignore_flag": 0}
    kept = [pipeline({**image, "instances": [corner]}) for _ in range(30)]
    assert any(packed is None for packed in kept)
    assert all(len(p["data_samples"].gt_instances) == 1 for p in kept if p is not None)


def test_scr_is_psols(load_config, meta_device):
    for data, epochs, batch in (("cub", 100, 64), ("ilsvrc", 20, 256)):
        for net, width, backbone in (("r50", 2048, 23_508_032), ("densenet161", 2208, 26_472_000)):
            cfg = copy.deepcopy(load_config(f"psol/scr_{net}_{data}.py"))
            with meta_device:
                model = MODELS.build(cfg.model)
            size = sum(p.numel() for p in model.parameters())
            assert size == backbone + (width + 1) * 512 + 513 * 4
            assert cfg.train_cfg.max_epochs == cfg.param_scheduler[0].T_max == epochs
            assert cfg.auto_scale_lr.base_batch_size == batch
            rate = cfg.optim_wrapper.optimizer.lr
            assert rate == 0.004
            assert cfg.optim_wrapper.paramwise_cfg.custom_keys.backbone.lr_mult * rate == 0.002
    # Table 1 of WEND, two decimals cut off
    assert 24.55e6 <= 23_508_032 + 2049 * 512 + 513 * 4 < 24.56e6


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith("_frozen")])
def test_a_frozen_backbone_keeps_weights_and_statistics(load_config, name):
    cfg = load_config(f"{name}.py").model.detector.backbone
    torch.manual_seed(0)
    backbone = MODELS.build(
        {**copy.deepcopy(cfg), "depth": 18, "base_channels": 4, "init_cfg": None}
    )
    backbone.train()
    before = copy.deepcopy(backbone.state_dict())
    features = backbone(torch.randn(2, 3, 32, 32))
    assert not any(parameter.requires_grad for parameter in backbone.parameters())
    assert not any(feature.requires_grad for feature in features)
    for key, value in backbone.state_dict().items():
        assert torch.equal(value, before[key]), key
    assert not any(
        module.training for module in backbone.modules() if hasattr(module, "running_mean")
    )


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith("_moco")])
def test_moco_changes_the_first_weights_only(load_config, name):
    ours = load_config(f"{name}.py").to_dict()
    base = load_config(f"{name.removesuffix('_moco')}.py").to_dict()
    init = ours["model"]["detector"]["backbone"].pop("init_cfg")
    assert init == {
        "type": "Pretrained",
        "checkpoint": "data/weights/moco_v2_r50.pth",
        "prefix": "backbone.",
    }
    assert (
        base["model"]["detector"]["backbone"].pop("init_cfg")["checkpoint"]
        == "torchvision://resnet50"
    )
    assert ours == base
