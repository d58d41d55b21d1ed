"""Binary-class detector: any detector, its losses times eta, boxes in the original frame."""

import copy

import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope

pytest.importorskip("mmcv._ext")
from small_detectors import WE, as_float, batch, build, losses_of

LOSSES = {"loss_rpn_cls", "loss_rpn_bbox", "loss_cls", "loss_bbox"}
NAME = "Faster R-CNN"


@pytest.fixture(autouse=True)
def _mmdet_scope():
    with DefaultScope.overwrite_default_scope("mmdet"):
        yield


def test_logged_losses_and_total():
    model = build(NAME, eta=0.125)
    total, logged = model.parse_losses(losses_of(model, *batch([[10, 10, 60, 70]])))
    plain_model = build(NAME, loss_we=None, eta=1.0)
    plain_losses = losses_of(plain_model, *batch([[10, 10, 60, 70]]))
    assert {key for key in plain_losses if "loss" in key} == LOSSES
    assert "acc" in plain_losses
    plain = plain_model.parse_losses(plain_losses)[0]
    assert torch.allclose(total, 0.125 * plain + logged["loss_we"])
    assert logged["acc"] == plain_losses["acc"].item()


def test_without_eta_and_entropy_it_is_the_detector():
    model = build(NAME, loss_we=None, eta=1.0)
    data = batch([[10, 10, 60, 70]], [[30, 20, 80, 80]])
    mine = losses_of(model, *data)
    theirs = losses_of(model.detector, *data)
    assert mine.keys() == theirs.keys()
    assert all(as_float(mine[key]) == as_float(theirs[key]) for key in theirs)


def test_checkpoints_hold_the_detector_and_nothing_else():
    with_entropy, plain = build("FCOS"), build("FCOS", loss_we=None)
    assert with_entropy.state_dict().keys() == plain.state_dict().keys()
    assert {key.split(".")[0] for key in plain.state_dict()} == {"detector"}
    plain.load_state_dict(with_entropy.state_dict(), strict=True)
    images = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        ours, theirs = with_entropy.eval()(images), plain.eval()(images)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


def test_a_frozen_backbone_keeps_weights_and_statistics():
    model = build(NAME, frozen_backbone=True).train()
    backbone = model.detector.backbone
    assert model.detector.training
    assert not any(module.training for module in backbone.modules())
    before = copy.deepcopy(backbone.state_dict())
    model.parse_losses(losses_of(model, *batch([[10, 10, 60, 70]])))[0].backward()
    assert all(parameter.grad is None for parameter in backbone.parameters())
    assert any(parameter.grad is not None for parameter in model.parameters())
    torch.testing.assert_close(dict(backbone.state_dict()), dict(before))


def test_a_copy_has_an_entropy_of_its_own():
    model = build(NAME)
    data = batch([[10, 10, 60, 70]])
    twin = copy.deepcopy(model)
    assert twin.source.detector is twin.detector
    assert losses_of(twin, *data)["loss_we"] == losses_of(model, *data)["loss_we"]


def test_the_data_preprocessor_is_the_detectors():
    model = build(NAME)
    assert model.data_preprocessor.mean.flatten().tolist() == pytest.approx(
        [123.675, 116.28, 103.53]
    )


def test_weights_are_defined_before_init_weights():
    model = build(
        "Deformable DETR", backbone=dict(type="mmpretrain.ResNet", depth=18, base_channels=8)
    )
    assert all(parameter.isfinite().all() for parameter in model.parameters())
    assert model.detector.level_embed.std() > 0.5


def test_image_without_boxes_is_background():
    model = build(NAME)
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
    model = build(NAME).eval()
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
    model = build(NAME).eval()
    with torch.no_grad():
        (found,) = model.predict(*batch([], ori_shape=(40, 50), homography_matrix=np.eye(3)))
    boxes = found.pred_instances.bboxes
    assert boxes[:, 0::2].max() == 50
    assert boxes[:, 1::2].max() == 40


def test_plain_resize_agrees_with_mmdet():
    model = build(NAME).eval()
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
        build(NAME, eta=0)
    with pytest.raises(ValueError, match=r"loss_we\.use_sigmoid=True but the detector"):
        build(NAME, loss_we=dict(**WE, use_sigmoid=True))


def test_every_parameter_keeps_its_gradient_with_images_for_entropy_alone():
    model = build(NAME)
    losses = model.loss(*batch(None, None))
    total, _ = model.parse_losses(losses)
    total.backward()
    # zero where only boxes teach, but there: processes wait for each other's gradients
    head = model.detector.roi_head.bbox_head
    assert head.fc_cls.weight.grad.abs().sum() > 0
    assert model.detector.rpn_head.rpn_cls.weight.grad.abs().sum() == 0
