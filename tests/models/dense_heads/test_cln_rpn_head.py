"""CLN's RPN: centerness of anchors, distances to the sides, proposals ranked by quality."""

import math

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData

pytest.importorskip("mmcv._ext")

from wsol_mm.functional.assigning import pad_rows
from wsol_mm.models.dense_heads import CLNRPNHead
from wsol_mm.models.dense_heads.cln_rpn_head import anchor_centerness
from wsol_mm.registry import MODELS

SHAPE = {"img_shape": (64, 64), "pad_shape": (64, 64)}


@pytest.fixture(autouse=True)
def _mmdet_scope():
    with DefaultScope.overwrite_default_scope("mmdet"):
        yield


def build(**keys) -> CLNRPNHead:
    """Anchors of 16 px in the 8 x 8 cells of 8 px."""
    torch.manual_seed(0)
    head = MODELS.build(
        dict(
            type="wsol_mm.CLNRPNHead",
            in_channels=4,
            feat_channels=8,
            anchor_generator=dict(type="AnchorGenerator", scales=[2], ratios=[1.0], strides=[8]),
            bbox_coder=dict(type="TBLRBBoxCoder", normalizer=1.0),
            reg_decoded_bbox=True,
            loss_bbox=dict(type="IoULoss", mode="linear", loss_weight=10.0),
            loss_quality=dict(type="L1Loss"),
            train_cfg=ConfigDict(
                assigner=dict(
                    type="MaxIoUAssigner",
                    pos_iou_thr=0.7,
                    neg_iou_thr=0.3,
                    min_pos_iou=0.3,
                    match_low_quality=True,
                    ignore_iof_thr=-1,
                ),
                sampler=dict(
                    type="RandomSampler",
                    num=256,
                    pos_fraction=0.5,
                    neg_pos_ub=-1,
                    add_gt_as_proposals=False,
                ),
                allowed_border=-1,
                pos_weight=-1,
            ),
            test_cfg=ConfigDict(nms_pre=100, max_per_img=100, nms=None, min_bbox_size=0),
            init_cfg=dict(
                type="Normal",
                layer="Conv2d",
                std=0.01,
                override=dict(type="Normal", name="rpn_reg", std=0.01, bias=0.5),
            ),
            **keys,
        )
    )
    head.init_weights()
    return head


def truth(*boxes):
    tensor = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    return InstanceData(bboxes=tensor, labels=torch.zeros(len(tensor), dtype=torch.int64))


def test_centerness_by_hand():
    boxes = torch.tensor([[0.0, 0, 100, 50], [200, 200, 300, 300]])
    anchors = torch.tensor(
        [
            [10.0, 0, 50, 50],  # centre (30, 25): 30 and 70, in the middle vertically
            [210, 200, 290, 280],  # centre (250, 240): 40 and 60 vertically
            [60, 0, 160, 50],  # centre (110, 25) lies outside
            [400, 400, 410, 410],
        ]
    )
    here = torch.ones(1, 2, dtype=torch.bool)
    (centerness,), (learn,) = anchor_centerness(anchors, boxes[None], here, 0.2)
    expected = [math.sqrt(30 / 70), math.sqrt(40 / 60), 0, 0]
    assert centerness.tolist() == pytest.approx(expected)
    assert learn.tolist() == [True, True, True, False]
    none, learn = anchor_centerness(anchors, boxes[None], ~here, 0.2)
    assert not none.any()
    assert not learn.any()


def test_boxes_start_as_their_anchors():
    head = build()
    torch.nn.init.zeros_(head.rpn_reg.weight)
    features = (torch.randn(1, 4, 8, 8),)
    with torch.no_grad():
        (found,) = head.predict_by_feat(*head(features), batch_img_metas=[SHAPE])
    (anchors,) = head.prior_generator.grid_priors([(8, 8)], device="cpu")
    expected = anchors.clamp(0, 64)
    assert len(found) == 64  # no suppression
    key = [tuple(box) for box in found.bboxes.tolist()]
    assert sorted(key) == sorted(tuple(box) for box in expected.tolist())
    assert (found.scores.diff() <= 0).all()


def test_quality_loss_is_the_mean_distance_to_the_centerness():
    head = build()
    boxes = truth([8.0, 8, 30, 26]), truth(), truth([30.0, 30, 60, 60], [0, 0, 20, 16])
    features = (torch.randn(3, 4, 8, 8),)
    logits, sides = head(features)
    losses = head.loss_by_feat(logits, sides, list(boxes), [SHAPE] * 3)
    assert set(losses) == {"loss_rpn_quality", "loss_rpn_bbox"}
    (anchors,) = head.prior_generator.grid_priors([(8, 8)], device="cpu")
    distances = []
    for scores, found in zip(logits[0], boxes, strict=True):
        padded = pad_rows([found.bboxes])
        (target,), (learn,) = anchor_centerness(anchors, *padded, 0.3)
        distances.append((scores.flatten().sigmoid() - target).abs()[learn])
    assert len(torch.cat(distances)) > 4
    assert torch.allclose(losses["loss_rpn_quality"], torch.cat(distances).mean())


def test_box_loss_is_ten_times_one_minus_iou_over_samples():
    head = build()
    # the box is the anchor of one cell, and only of this one
    features = (torch.randn(1, 4, 8, 8),)
    torch.nn.init.zeros_(head.rpn_reg.weight)
    head.rpn_reg.bias.data = torch.tensor([0.25, 0.5, 0.5, 0.5])  # top, bottom, left, right
    losses = head.loss_by_feat(*head(features), [truth([16.0, 16, 32, 32])], [SHAPE])
    # 3/4 of the anchor's height; all 64 anchors but those with an IoU from .3 to .7 are samples
    (anchors,) = head.prior_generator.grid_priors([(8, 8)], device="cpu")
    overlap = (
        torch.minimum(anchors[:, 2:], torch.tensor(32.0))
        - torch.maximum(anchors[:, :2], torch.tensor(16.0))
    ).clamp(min=0)
    inter = overlap.prod(1)
    iou = inter / (512 - inter)
    samples = int(((iou < 0.3) | (iou >= 0.7)).sum())
    assert int((iou >= 0.7).sum()) == 1
    (loss,) = losses["loss_rpn_bbox"]
    assert loss.item() == pytest.approx(10 * 0.25 / samples, rel=1e-4)


def test_batch_without_boxes_and_gradients():
    head = build()
    features = (torch.randn(2, 4, 8, 8),)
    for boxes in ([truth(), truth()], [truth([8, 8, 30, 26]), truth()]):
        losses = head.loss_by_feat(*head(features), boxes, [SHAPE] * 2)
        total = losses["loss_rpn_quality"] + sum(losses["loss_rpn_bbox"])
        head.zero_grad()
        total.backward()
        assert total.isfinite()
        assert all(p.grad.isfinite().all() for p in head.parameters())
    assert head.rpn_cls.weight.grad.abs().sum() > 0
    assert head.rpn_reg.weight.grad.abs().sum() > 0


def test_features_are_normalised():
    head = build()
    torch.nn.init.constant_(head.rpn_conv.bias, 1.0)
    features = torch.randn(1, 4, 8, 8)
    logits, _ = head.forward_single(features)
    longest = head.rpn_cls.weight.norm() + head.rpn_cls.bias.abs()
    assert logits.abs().max() <= longest
    hidden = head.rpn_conv(features).relu()
    (expected,) = torch.einsum(
        "bchw,oc->bohw", hidden / hidden.norm(dim=1), head.rpn_cls.weight[:, :, 0, 0]
    )
    assert torch.allclose(logits[0], expected, atol=1e-6)
