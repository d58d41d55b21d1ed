"""CLN's second stage: quality of proposals, geometric-mean score, entropy on its classifier."""

import copy
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData

pytest.importorskip("mmcv._ext")
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import bbox_overlaps

from wsol_mm.models.roi_heads import CLNBBoxHead
from wsol_mm.registry import MODELS

TOY = Path(__file__).parents[3] / "configs" / "wend" / "cln_r18_toy.py"


@pytest.fixture(autouse=True)
def _mmdet_scope():
    with DefaultScope.overwrite_default_scope("mmdet"):
        yield


@pytest.fixture(scope="module")
def toy():
    return Config.fromfile(TOY).model


def build(toy, **head):
    cfg = copy.deepcopy(toy)
    detector = cfg.detector
    detector.backbone.base_channels = 8
    detector.rpn_head.in_channels = 64
    detector.roi_head.bbox_roi_extractor.out_channels = 64
    detector.roi_head.bbox_head.update(in_channels=64, fc_out_channels=16, **head)
    torch.manual_seed(0)
    model = MODELS.build(cfg)
    model.init_weights()
    return model


def batch(*boxes_of_images):
    samples = []
    for boxes in boxes_of_images:
        shapes = dict.fromkeys(("img_shape", "pad_shape", "ori_shape"), (96, 96))
        sample = DetDataSample(metainfo={**shapes, "scale_factor": (1.0, 1.0)})
        sample.gt_instances = InstanceData(
            bboxes=torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
            labels=torch.zeros(len(boxes), dtype=torch.int64),
        )
        samples.append(sample)
    return torch.randn(len(samples), 3, 96, 96), samples


def box_head(**keys) -> CLNBBoxHead:
    return MODELS.build(
        dict(
            type="wsol_mm.CLNBBoxHead",
            in_channels=2,
            fc_out_channels=4,
            roi_feat_size=1,
            num_classes=1,
            loss_quality=dict(type="L1Loss"),
            **keys,
        )
    )


def test_score_is_the_weighted_geometric_mean():
    cls_score = torch.tensor([[0.2, 0.8], [0.5, 0.5]]).log()
    quality = torch.tensor([0.9, 0.5]).logit()
    objectness = torch.tensor([0.4, 1.0])
    found = box_head().scores(cls_score, quality, objectness)
    expected = [0.2**0.3 * (0.4 * 0.9) ** 0.7, 0.5**0.3 * 0.5**0.7]
    assert found.tolist() == pytest.approx(expected, rel=1e-5)
    ends = [box_head(score_exponent=a).scores(cls_score, quality, objectness) for a in (0, 1)]
    assert ends[0].tolist() == pytest.approx([0.36, 0.5], rel=1e-5)
    assert ends[1].tolist() == pytest.approx([0.2, 0.5], rel=1e-5)


def test_quality_of_positives_is_their_iou():
    def sampled(priors, negatives, truth):
        positives = torch.tensor(priors)
        return SimpleNamespace(
            priors=torch.tensor(priors + negatives),
            pos_priors=positives,
            pos_gt_bboxes=torch.tensor(truth).expand_as(positives),
        )

    truth = [[0.0, 0, 10, 10]]
    results = [
        sampled([[0.0, 0, 10, 10], [0, 0, 10, 5]], [[50.0, 50, 60, 60]], truth),
        sampled([[0.0, 0, 5, 10]], [[20.0, 20, 30, 30]], truth),
    ]
    quality = torch.tensor([0.7, 0.7, 0.1, 0.9, 0.2]).logit()
    # IoU 1, .5 and .5; the third and the last are background; five samples
    expected = (0.3 + 0.2 + 0.4) / 5
    assert box_head().quality_loss(quality, results).item() == pytest.approx(expected, rel=1e-5)


def test_losses_of_a_batch(toy):
    model = build(toy)
    head = model.detector.roi_head.bbox_head
    losses = model.loss(*batch([[10, 10, 60, 70]], []))
    names = {"loss_rpn_quality", "loss_rpn_bbox", "loss_cls", "loss_bbox", "loss_quality"}
    assert {key for key in losses if "loss" in key} == names | {"loss_we"}
    losses["loss_quality"].backward(retain_graph=True)
    assert head.fc_quality.weight.grad.abs().sum() > 0
    assert head.fc_cls.weight.grad is None
    total, _ = model.parse_losses(losses)
    total.backward()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


def test_eta_scales_both_qualities(toy):
    whole, half = (losses_of_eta(toy, eta) for eta in (1.0, 0.5))
    for key in ("loss_rpn_quality", "loss_quality"):
        assert whole[key].item() == pytest.approx(2 * half[key].item()) != 0
    assert whole["loss_we"].item() == half["loss_we"].item()


def losses_of_eta(toy, eta):
    model = build(toy)
    model.eta = eta
    torch.manual_seed(1)
    inputs, samples = batch([[10, 10, 60, 70]])
    torch.manual_seed(2)
    return model.loss(inputs, samples)


def test_predictions_carry_the_combined_score(toy):
    model = build(toy).eval().detector
    model.test_cfg.rcnn.update(score_thr=0.0, nms=dict(type="nms", iou_threshold=1.0))
    model.roi_head.test_cfg = model.test_cfg.rcnn
    inputs, samples = batch([], [])
    with torch.no_grad():
        features = model.extract_feat(inputs)
        proposals = model.rpn_head.predict(features, samples, rescale=False)
        found = model.predict(inputs, samples, rescale=False)
        for i, (ours, sample) in enumerate(zip(proposals, found, strict=True)):
            rois = torch.cat([torch.full((len(ours), 1), float(i)), ours.bboxes], dim=1)
            results = model.roi_head._bbox_forward(features, rois)
            head = model.roi_head.bbox_head
            expected = head.scores(results["cls_score"], results["quality"], ours.scores)
            order = expected.sort(descending=True)
            torch.testing.assert_close(
                sample.pred_instances.scores, order.values, rtol=1e-4, atol=1e-6
            )
            boxes = head.bbox_coder.decode(ours.bboxes, results["bbox_pred"], max_shape=(96, 96))
            best = bbox_overlaps(sample.pred_instances.bboxes[:1], boxes[order.indices[:1]])
            assert best.item() == pytest.approx(1, abs=1e-4)


def test_no_proposals(toy):
    model = build(toy).eval().detector
    inputs, samples = batch([])
    with torch.no_grad():
        features = model.extract_feat(inputs)
        nothing = InstanceData(bboxes=torch.zeros(0, 4), scores=torch.zeros(0))
        (found,) = model.roi_head.predict(features, [nothing], samples)
    assert len(found.bboxes) == 0


def test_exponent_is_checked():
    with pytest.raises(ValueError, match=r"score_exponent=1\.5 must be in \[0, 1\]"):
        box_head(score_exponent=1.5)
