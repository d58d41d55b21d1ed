"""Targets of a batch at once equal mmdet's, head by head; what is not covered is mmdet's."""

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData

pytest.importorskip("mmcv._ext")
from mmdet.models.dense_heads import DETRHead, FCOSHead
from mmdet.models.dense_heads.anchor_head import AnchorHead

from wsol_mm.models.dense_heads import batch_targets
from wsol_mm.registry import MODELS

SIZE = (96, 96)
META = {"img_shape": SIZE, "pad_shape": SIZE}
COUNTS = [1, 0, 3, 1]
MAX_IOU = dict(type="MaxIoUAssigner", pos_iou_thr=0.7, neg_iou_thr=0.3, min_pos_iou=0.3)
KEEP_ALL = dict(
    type="RandomSampler", num=10**6, pos_fraction=0.5, neg_pos_ub=-1, add_gt_as_proposals=False
)


@pytest.fixture(autouse=True)
def _mmdet_scope():
    with DefaultScope.overwrite_default_scope("mmdet"):
        yield


def truth(counts=COUNTS, classes=1):
    torch.manual_seed(0)
    found = []
    for count in counts:
        corners = torch.rand(count, 2) * 50
        boxes = torch.cat([corners, corners + 10 + torch.rand(count, 2) * 30], dim=1)
        found.append(InstanceData(bboxes=boxes, labels=torch.randint(0, classes, (count,))))
    return found


def assert_same(ours, theirs):
    """Nested lists of tensors and numbers, bit for bit."""
    assert len(ours) == len(theirs)
    for mine, other in zip(ours, theirs, strict=True):
        if torch.is_tensor(other):
            assert mine.dtype == other.dtype
            assert torch.equal(mine, other)
        elif isinstance(other, list | tuple):
            assert_same(mine, other)
        else:
            assert mine == other


def unused(*args, **kwargs):
    raise AssertionError("the parent must not be asked")


def rpn(type="wsol_mm.BatchRPNHead", sampler=KEEP_ALL, border=-1, **keys):
    train_cfg = dict(
        assigner=MAX_IOU, sampler=sampler, allowed_border=border, pos_weight=keys.pop("weight", -1)
    )
    return MODELS.build(
        dict(
            type=type,
            in_channels=4,
            feat_channels=8,
            anchor_generator=dict(
                type="AnchorGenerator", scales=[2, 4], ratios=[0.5, 1.0], strides=[8, 16]
            ),
            bbox_coder=dict(type="DeltaXYWHBBoxCoder"),
            loss_bbox=dict(type="L1Loss"),
            train_cfg=ConfigDict(train_cfg),
            **keys,
        )
    )


def anchor_targets(head, boxes, metas, ignored=None, parent=False):
    sizes = [(12, 12), (6, 6)]
    owner = AnchorHead if parent else type(head)
    anchors = owner.get_anchors(head, sizes, metas, device="cpu")
    return owner.get_targets(head, *anchors, boxes, metas, ignored)


@pytest.mark.parametrize("border", [-1, 0])
@pytest.mark.parametrize("keys", [{}, {"weight": 2.0}, {"reg_decoded_bbox": True}])
def test_anchors(border, keys, monkeypatch):
    head, boxes = rpn(border=border, **keys), truth()
    theirs = anchor_targets(head, boxes, [META] * 4, parent=True)
    monkeypatch.setattr(AnchorHead, "get_targets", unused)
    assert_same(anchor_targets(head, boxes, [META] * 4), theirs)
    assert sum((labels == 0).sum() for labels in theirs[0]) > 4


def test_anchors_in_ignored_regions(monkeypatch):
    head, boxes = rpn(), truth()
    head.assigner.ignore_iof_thr = 0.5
    ignored = [None, None, *truth([1, 2])]
    theirs = anchor_targets(head, boxes, [META] * 4, ignored, parent=True)
    monkeypatch.setattr(AnchorHead, "get_targets", unused)
    ours = anchor_targets(head, boxes, [META] * 4, ignored)
    assert_same(ours, theirs)
    assert not all(map(torch.equal, ours[1], anchor_targets(head, boxes, [META] * 4)[1]))


def test_samples_have_mmdets_numbers():
    head, boxes = rpn(sampler=dict(KEEP_ALL, num=16)), truth()
    ours = anchor_targets(head, boxes, [META] * 4)
    theirs = anchor_targets(head, boxes, [META] * 4, parent=True)
    assert ours[-1] == theirs[-1]
    for part in (1, 3):  # weights of labels and boxes: samples, and positives
        mine, other = (
            torch.cat(found[part], dim=1).flatten(1).sum(dim=1) for found in (ours, theirs)
        )
        assert torch.equal(mine, other)
    assert (torch.cat(ours[1], dim=1).sum(dim=1) == 16).all()


def test_images_of_different_size_are_left_to_mmdet():
    head, boxes = rpn(), truth()
    metas = [META] * 3 + [{"img_shape": (64, 96), "pad_shape": (64, 96)}]
    theirs = anchor_targets(head, boxes, metas, parent=True)
    assert_same(anchor_targets(head, boxes, metas), theirs)
    assert not torch.equal(theirs[1][0][2], anchor_targets(head, boxes, [META] * 4)[1][0][3])


def test_anchors_outside_are_refused_as_in_mmdet():
    head = rpn(border=0)
    anchors, flags = head.get_anchors([(12, 12), (6, 6)], [META], device="cpu")
    far = [[level + 500 for level in anchors[0]]]
    with pytest.raises(ValueError, match="no valid anchor inside the image"):
        head.get_targets(far, flags, truth([1]), [META])


@pytest.mark.parametrize("sampling", [False, True])
@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("counts", [COUNTS, [0, 0], [1, 1, 1]], ids=str)
def test_points(sampling, norm, counts):
    head = MODELS.build(
        dict(
            type="wsol_mm.BatchFCOSHead",
            num_classes=3,
            in_channels=4,
            feat_channels=32,
            strides=[8, 16],
            regress_ranges=((-1, 24), (24, 1e8)),
            center_sampling=sampling,
            norm_on_bbox=norm,
        )
    )
    points = head.prior_generator.grid_priors([(12, 12), (6, 6)], device="cpu")
    boxes = truth(counts, classes=3)
    theirs = FCOSHead.get_targets(head, points, boxes)
    assert_same(head.get_targets(points, boxes), theirs)
    assert any((labels < 3).any() for labels in theirs[0]) == any(counts)


def detr(**train_cfg):
    costs = [
        dict(type="FocalLossCost", weight=2.0),
        dict(type="BBoxL1Cost", weight=5.0, box_format="xywh"),
        dict(type="IoUCost", iou_mode="giou", weight=2.0),
    ]
    assigner = dict(type="HungarianAssigner", match_costs=costs) | train_cfg
    return MODELS.build(
        dict(
            type="wsol_mm.BatchDeformableDETRHead",
            num_classes=2,
            loss_cls=dict(type="FocalLoss", use_sigmoid=True),
            train_cfg=ConfigDict(assigner=assigner),
            share_pred_layer=True,
            num_pred_layer=1,
        )
    )


def predictions(images, queries=12):
    torch.manual_seed(3)
    scores = torch.randn(images, queries, 2, requires_grad=True)
    boxes = torch.rand(images, queries, 4).mul(0.4).add(0.1).requires_grad_()
    return list(scores), list(boxes)


@pytest.mark.parametrize("counts", [COUNTS, [0, 0], [1, 1, 1]], ids=str)
@pytest.mark.parametrize("softmax", [False, True])
def test_queries(counts, softmax, monkeypatch):
    head = detr()
    if softmax:
        head.assigner.match_costs[0] = batch_targets.ClassificationCost(weight=1.0)
    inputs = (*predictions(len(counts)), truth(counts, classes=2), [META] * len(counts))
    theirs = DETRHead.get_targets(head, *inputs)
    monkeypatch.setattr(DETRHead, "get_targets", unused)
    ours = head.get_targets(*inputs)
    assert_same(ours, theirs)
    assert ours[4] == sum(counts)


def test_other_costs_and_sizes_are_left_to_mmdet(monkeypatch):
    inputs = (*predictions(2), truth([1, 3], classes=2))
    expected = object()
    monkeypatch.setattr(DETRHead, "get_targets", lambda *_: expected)
    monkeypatch.setattr(batch_targets, "match_queries", unused)
    sizes = [META, {"img_shape": (64, 96)}]
    assert detr().get_targets(*inputs, sizes) is expected
    dice = detr(match_costs=[dict(type="DiceCost")])
    assert dice.get_targets(*inputs, [META] * 2) is expected
    masks = detr(match_costs=[dict(type="FocalLossCost", binary_input=True)])
    assert masks.get_targets(*inputs, [META] * 2) is expected
