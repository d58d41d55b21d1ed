"""Binary-class detector: eta, loss_we beside loss_cls, boxes in the original frame."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData

pytest.importorskip("mmcv._ext")
from mmdet.structures import DetDataSample

from wsol_mm.models.detectors import BCDFasterRCNN, scale_supervised
from wsol_mm.models.detectors.binary_class_detector import join_losses
from wsol_mm.models.losses import WeightedEntropyLoss
from wsol_mm.models.losses.weighted_entropy_mixin import recorded_calls
from wsol_mm.registry import MODELS

CONFIGS = Path(__file__).parents[3] / "configs"
WE = dict(type="wsol_mm.WeightedEntropyLoss", gamma=2, alpha=0.25, tau1=0.5, tau2=0.5)
LOSSES = {"loss_rpn_cls", "loss_rpn_bbox", "loss_cls", "loss_bbox"}


@pytest.fixture(autouse=True)
def _mmdet_scope():
    with DefaultScope.overwrite_default_scope("mmdet"):
        yield


def toy_detector(loss_we=WE, **kwargs) -> BCDFasterRCNN:
    cfg = Config.fromfile(CONFIGS / "_base_/models/faster_rcnn_r50_c5.py").model
    cfg.backbone = dict(type="mmpretrain.ResNet", depth=18, base_channels=8, strides=(1, 2, 1, 1))
    cfg.rpn_head.update(in_channels=64, feat_channels=16)
    cfg.rpn_head.anchor_generator.update(scales=[3, 5, 8], strides=[8])
    cfg.roi_head.bbox_roi_extractor.update(out_channels=64, featmap_strides=[8])
    cfg.roi_head.bbox_head.update(in_channels=64, fc_out_channels=16, loss_we=loss_we)
    torch.manual_seed(0)
    model = MODELS.build({**cfg, **kwargs})
    model.init_weights()
    return model


def batch(*boxes_of_images, **meta):
    samples = []
    for boxes in boxes_of_images:
        instances = InstanceData(
            bboxes=torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
            labels=torch.zeros(len(boxes), dtype=torch.int64),
        )
        shapes = dict.fromkeys(("img_shape", "pad_shape", "ori_shape"), (96, 96))
        sample = DetDataSample(metainfo={**shapes, "scale_factor": (1.0, 1.0), **meta})
        sample.gt_instances = instances
        samples.append(sample)
    generator = torch.Generator().manual_seed(1)
    return torch.randn(len(samples), 3, 96, 96, generator=generator), samples


def losses_of(model, inputs, samples) -> dict:
    torch.manual_seed(2)
    return model.loss(inputs, samples)


def as_float(value) -> float:
    return sum(v.item() for v in value) if isinstance(value, list | tuple) else value.item()


def test_halving_eta_halves_every_loss_but_loss_we():
    data = batch([[10, 10, 60, 70]], [[30, 20, 80, 80]])
    whole = losses_of(toy_detector(eta=0.5), *data)
    half = losses_of(toy_detector(eta=0.25), *data)
    assert {key for key in whole if "loss" in key} == {*LOSSES, "loss_we"}
    for key in LOSSES:
        assert as_float(whole[key]) > 0, key
        assert as_float(half[key]) == as_float(whole[key]) / 2, key
    assert as_float(half["loss_we"]) == as_float(whole["loss_we"]) > 0
    assert as_float(half["acc"]) == as_float(whole["acc"])


def test_logged_losses_and_total():
    model = toy_detector(eta=0.125)
    total, logged = model.parse_losses(losses_of(model, *batch([[10, 10, 60, 70]])))
    plain_model = toy_detector(loss_we=None)
    plain = plain_model.parse_losses(losses_of(plain_model, *batch([[10, 10, 60, 70]])))[0]
    assert torch.allclose(total, 0.125 * plain + logged["loss_we"])


def test_stages_and_other_terms():
    losses = {"d0.loss_cls": 4.0, "d0.loss_we": 4.0, "loss_we": 4.0, "loss_iou": (4.0,), "acc": 4.0}
    assert scale_supervised(losses, 0.5) == {
        "d0.loss_cls": 2.0,
        "d0.loss_we": 4.0,
        "loss_we": 4.0,
        "loss_iou": [2.0],
        "acc": 4.0,
    }


def test_loss_we_is_the_entropy_of_the_sampled_rois():
    model = toy_detector()
    head = model.roi_head.bbox_head
    with recorded_calls(head.loss_cls) as calls:
        losses = losses_of(model, *batch([[10, 10, 60, 70]], []))
    (call,) = calls
    assert call.cls_score.shape == (128, 2)  # 64 RoIs per image
    assert call.avg_factor == 128
    expected = WeightedEntropyLoss(gamma=2, alpha=0.25, tau1=0.5, tau2=0.5)(call.cls_score)
    assert torch.allclose(losses["loss_we"], expected)
    assert not head.loss_cls._forward_hooks


def test_parents_losses_stay_untouched():
    data = batch([[10, 10, 60, 70]], [[30, 20, 80, 80]])
    ours = losses_of(toy_detector(), *data)
    theirs = losses_of(toy_detector(loss_we=None), *data)
    assert "loss_we" not in theirs
    for key in LOSSES:
        assert as_float(ours[key]) == as_float(theirs[key]), key


def test_entropy_reaches_classifier_and_backbone_but_not_the_box_branch():
    model = toy_detector()
    losses_of(model, *batch([[10, 10, 60, 70]]))["loss_we"].backward()
    head = model.roi_head.bbox_head
    assert head.fc_cls.weight.grad.abs().sum() > 0
    assert model.backbone.conv1.weight.grad.abs().sum() > 0
    assert head.fc_reg.weight.grad is None


def test_image_without_boxes_is_background():
    model = toy_detector()
    losses = losses_of(model, *batch([]))
    total, _ = model.parse_losses(losses)
    total.backward()
    assert torch.isfinite(total)
    assert as_float(losses["loss_bbox"]) == as_float(losses["loss_rpn_bbox"]) == 0
    assert as_float(losses["loss_cls"]) > 0


def test_crop_and_resize_are_undone():
    # original 200 x 100 (w x h) squashed to 128 x 128, then cropped at (16, 8) to 96 x 96
    scale, shift = np.array([128 / 200, 128 / 100]), np.array([16, 8])
    matrix = np.array([[scale[0], 0, -shift[0]], [0, scale[1], -shift[1]], [0, 0, 1]])
    model = toy_detector().eval()
    meta = dict(ori_shape=(100, 200), homography_matrix=matrix)
    with torch.no_grad():
        (raw,) = model.predict(*batch([], **meta), rescale=False)
        (found,) = model.predict(*batch([], **meta))
    assert len(found.pred_instances) > 0
    corners = raw.pred_instances.bboxes.numpy().reshape(-1, 2, 2)
    expected = ((corners + shift) / scale).reshape(-1, 4)
    assert np.allclose(found.pred_instances.bboxes.numpy(), expected, atol=1e-3)
    assert torch.equal(found.pred_instances.scores, raw.pred_instances.scores)


def test_boxes_are_clipped_to_the_image():
    # the input shows more than the image: it was padded to 96 x 96
    model = toy_detector().eval()
    with torch.no_grad():
        (found,) = model.predict(*batch([], ori_shape=(40, 50), homography_matrix=np.eye(3)))
    boxes = found.pred_instances.bboxes
    assert boxes[:, 0::2].max() == 50
    assert boxes[:, 1::2].max() == 40


def test_plain_resize_agrees_with_mmdet():
    model = toy_detector().eval()
    meta = dict(ori_shape=(100, 200), scale_factor=(0.48, 0.96))
    with torch.no_grad():
        (theirs,) = model.predict(*batch([], **meta))
        matrix = np.diag([0.48, 0.96, 1.0])
        (ours,) = model.predict(*batch([], **meta, homography_matrix=matrix))
    assert torch.allclose(
        ours.pred_instances.bboxes, theirs.pred_instances.bboxes, rtol=1e-5, atol=1e-3
    )


def test_wrong_keys():
    with pytest.raises(ValueError, match="eta=0 must be positive"):
        toy_detector(eta=0)
    with pytest.raises(ValueError, match=r"loss_we\.use_sigmoid=True but loss_cls"):
        toy_detector(loss_we=dict(**WE, use_sigmoid=True))


def test_an_image_for_entropy_alone_moves_no_supervised_loss():
    inputs, samples = batch([[10, 10, 60, 70]], [[30, 20, 80, 80]], [])
    model = toy_detector(eta=0.5)
    model.eval()  # batch norms see each image alone
    # scores that differ from image to image
    for layer in (model.roi_head.bbox_head.fc_cls, model.rpn_head.rpn_cls):
        layer.weight.data *= 300
    alone = losses_of(model, inputs[:2], samples[:2])
    samples[2].set_metainfo({"entropy_only": True})
    marked = losses_of(model, inputs, samples)
    assert set(marked) == set(alone)
    for key in LOSSES:
        assert as_float(marked[key]) == pytest.approx(as_float(alone[key]), rel=1e-5), key
    third = model.loss(inputs[2:], [samples[2]])
    assert all(as_float(third[key]) == 0 for key in LOSSES)
    assert as_float(third["loss_we"]) > 0
    assert as_float(marked["loss_we"]) != as_float(alone["loss_we"])
    # as background it moves them
    samples[2].set_metainfo({"entropy_only": False})
    background = losses_of(model, inputs, samples)
    for key in ("loss_rpn_cls", "loss_cls"):
        assert as_float(background[key]) != pytest.approx(as_float(alone[key]), rel=1e-3), key


def test_every_parameter_keeps_its_gradient_with_images_for_entropy_alone():
    inputs, samples = batch([], [])
    for sample in samples:
        sample.set_metainfo({"entropy_only": True})
    model = toy_detector()
    losses = model.loss(inputs, samples)
    total, _ = model.parse_losses(losses)
    total.backward()
    # zero where only boxes teach, but there: processes wait for each other's gradients
    head = model.roi_head.bbox_head
    assert head.fc_cls.weight.grad.abs().sum() > 0
    assert model.rpn_head.rpn_cls.weight.grad.abs().sum() == 0


def test_parts_of_a_batch_are_joined():
    whole = {"d0.loss_we": 1.0, "loss_rpn_cls": [1.0, 2.0], "acc": 80.0}
    only = {"d0.loss_we": 3.0, "loss_rpn_cls": [0.0, 0.0], "acc": 0.0}
    joined = join_losses([(whole, 0.5), (only, 0.5)])
    assert joined == {"d0.loss_we": 2.0, "loss_rpn_cls": [1.0, 2.0], "acc": 80.0}
    assert join_losses([(only, 1.0)]) == only
