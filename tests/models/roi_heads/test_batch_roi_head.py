"""The second stage learns the same from a batch at once as from mmdet's loop."""

import copy
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData

pytest.importorskip("mmcv._ext")
from mmdet.models.roi_heads import StandardRoIHead
from mmdet.structures import DetDataSample

from wsol_mm.models.roi_heads import BatchRoIHead
from wsol_mm.registry import MODELS

CONFIGS = Path(__file__).parents[3] / "configs" / "wend"


@pytest.fixture(autouse=True)
def _mmdet_scope():
    with DefaultScope.overwrite_default_scope("mmdet"):
        yield


@pytest.fixture(params=["faster_rcnn", "cln"])
def head(request) -> BatchRoIHead:
    model = Config.fromfile(CONFIGS / f"{request.param}_r18_toy.py").model.detector
    cfg = copy.deepcopy(model.roi_head)
    cfg.bbox_roi_extractor.out_channels = 4
    cfg.bbox_head.update(in_channels=4, fc_out_channels=16)
    cfg.update(train_cfg=model.train_cfg.rcnn, test_cfg=model.test_cfg.rcnn)
    cfg.train_cfg.sampler.update(num=1000, neg_pos_ub=-1)  # all are kept: nothing is drawn
    torch.manual_seed(0)
    return MODELS.build(cfg).train()


def batch(counts=(1, 0, 3), proposals=(30, 7, 0)):
    torch.manual_seed(1)
    samples, found = [], []
    for count, number in zip(counts, proposals, strict=True):
        corners = torch.rand(count + number, 2) * 40
        boxes = torch.cat([corners, corners + 10 + 40 * torch.rand(count + number, 2)], dim=1)
        sample = DetDataSample(metainfo={"img_shape": (96, 96)})
        sample.gt_instances = InstanceData(
            bboxes=boxes[:count], labels=torch.zeros(count, dtype=torch.int64)
        )
        samples.append(sample)
        near = boxes[:1].repeat(min(number, 5), 1) + torch.rand(min(number, 5), 4)
        found.append(InstanceData(bboxes=torch.cat([near, boxes[count:]])))
    return (torch.randn(len(samples), 4, 12, 12),), found, samples


@pytest.mark.parametrize("counts", [(1, 0, 3), (1, 1, 1), (0, 0, 0)], ids=str)
def test_losses_and_gradients_are_mmdets(head, counts, monkeypatch):
    found = {}
    for owner in (BatchRoIHead, StandardRoIHead):
        head.zero_grad()
        losses = owner.loss(head, *batch(counts))
        sum(value for key, value in losses.items() if "loss" in key).backward()
        gradients = {
            name: p.grad.clone() for name, p in head.named_parameters() if p.grad is not None
        }
        found[owner] = (losses, gradients)
    (losses, gradients), (plain, expected) = found.values()
    assert losses.keys() == plain.keys() > {"loss_cls", "loss_bbox"}
    for mine, other in ((losses, plain), (gradients, expected)):
        assert mine.keys() == other.keys()
        for key in other:
            # the order of the RoIs differs, and so does that of the additions
            torch.testing.assert_close(mine[key], other[key], rtol=1e-4, atol=1e-6, msg=key)
    assert (losses["loss_bbox"] > 0) == any(counts)


def test_other_samplers_are_left_to_mmdet(head, monkeypatch):
    expected = {}
    monkeypatch.setattr(StandardRoIHead, "loss", lambda *_: expected)
    assert head.loss(*batch()) is not expected
    head.bbox_sampler = object()
    assert head.loss(*batch()) is expected
