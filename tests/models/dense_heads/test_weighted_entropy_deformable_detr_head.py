"""loss_we at every decoder stage of Deformable DETR, and eta."""

import copy
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData

pytest.importorskip("mmcv._ext")
from mmdet.structures import DetDataSample

from wsol_mm.models.detectors import BCDDeformableDETR
from wsol_mm.models.losses import WeightedEntropyLoss
from wsol_mm.models.losses.weighted_entropy_mixin import LossCall, recorded_calls
from wsol_mm.registry import MODELS

TOY = Path(__file__).parents[3] / "configs" / "wend" / "deformable_detr_r18_toy.py"
WE = dict(type="wsol_mm.WeightedEntropyLoss", gamma=2, alpha=0.25, tau1=0.5, tau2=0.5)
STAGES = 3
BOXES = ([[10, 10, 60, 70]], [[30, 20, 80, 80], [5, 5, 20, 30]])


@pytest.fixture(autouse=True)
def _mmdet_scope():
    with DefaultScope.overwrite_default_scope("mmdet"):
        yield


@pytest.fixture(scope="module")
def toy():
    return Config.fromfile(TOY).model


def build(toy, loss_we=WE, eta=1.0, **changes) -> BCDDeformableDETR:
    cfg = copy.deepcopy(toy)
    cfg.eta = eta
    cfg.backbone.update(base_channels=8, init_cfg=None)
    cfg.neck.in_channels = [64]
    cfg.decoder.num_layers = STAGES
    cfg.bbox_head.loss_we = loss_we
    cfg.update(changes)
    torch.manual_seed(0)
    model = MODELS.build(cfg)
    model.init_weights()
    return model


def losses_of(model, boxes_of_images=BOXES) -> dict:
    samples = []
    for boxes in boxes_of_images:
        shapes = dict.fromkeys(("img_shape", "pad_shape", "batch_input_shape"), (96, 96))
        sample = DetDataSample(metainfo=shapes)
        sample.gt_instances = InstanceData(
            bboxes=torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
            labels=torch.zeros(len(boxes), dtype=torch.int64),
        )
        samples.append(sample)
    torch.manual_seed(2)
    return model.loss(torch.randn(len(samples), 3, 96, 96), samples)


@pytest.mark.parametrize("normalizer", ["avg_factor", "samples"])
def test_loss_we_sums_the_stages(toy, normalizer):
    model = build(toy, dict(**WE, normalizer=normalizer))
    with recorded_calls(model.bbox_head.loss_cls) as calls:
        losses = losses_of(model)
    assert len(calls) == STAGES
    loss = WeightedEntropyLoss(
        gamma=2, alpha=0.25, tau1=0.5, tau2=0.5, use_sigmoid=True, reduction="sum"
    )
    expected = 0
    for call in calls:
        assert call.cls_score.shape == (2 * model.num_queries, 1)
        # three boxes are three matched queries
        assert float(call.avg_factor) == 3
        divisor = 3 if normalizer == "avg_factor" else 2 * model.num_queries
        expected += loss(call.cls_score).item() / divisor
    assert losses["loss_we"].item() == pytest.approx(expected, rel=1e-5)


def test_eta_scales_every_stage_but_not_the_entropy(toy):
    whole, half, plain = (
        losses_of(build(toy, **keys)) for keys in ({}, {"eta": 0.5}, {"loss_we": None})
    )
    assert set(whole) - set(plain) == {"loss_we"}
    assert {"loss_cls", "d0.loss_iou", "d1.loss_bbox"} < set(plain)
    for key, value in plain.items():
        assert value.item() == whole[key].item() == 2 * half[key].item() > 0, key
    assert whole["loss_we"].item() == half["loss_we"].item() > 0


def test_every_stage_is_reached(toy):
    # refinement gives each stage a classifier of its own
    model = build(toy, with_box_refine=True)
    losses_of(model)["loss_we"].backward()
    branches = model.bbox_head.cls_branches
    assert len({id(branch) for branch in branches}) == STAGES
    assert all(branch.weight.grad.abs().sum() > 0 for branch in branches)


def test_proposals_of_a_two_stage_encoder_are_no_stage(toy):
    model = build(toy)
    head = model.bbox_head
    with recorded_calls(head.loss_cls) as calls:
        losses = losses_of(model)
    # mmdet computes the proposals' loss last, over all cells
    proposals = LossCall(torch.randn(288, 1), torch.zeros(288).long(), None, torch.tensor(3.0))
    head.as_two_stage = True
    assert torch.equal(head.weighted_entropy([*calls, proposals]), losses["loss_we"])


def test_images_without_boxes_are_background(toy):
    losses = losses_of(build(toy), [[], []])
    assert losses["loss_bbox"] == losses["loss_iou"] == 0
    total = sum(value for key, value in losses.items() if "loss" in key)
    total.backward()
    assert total.isfinite()


def test_weights_are_defined_before_init_weights(toy):
    model = MODELS.build(copy.deepcopy({**toy, "backbone": {**toy.backbone, "init_cfg": None}}))
    assert all(parameter.isfinite().all() for parameter in model.parameters())
    assert model.level_embed.std() > 0.5
