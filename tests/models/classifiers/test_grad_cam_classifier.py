"""GradCAMClassifier: hand formulas, its labels, and what it leaves alone."""

import sys

import pytest
import torch
from mmengine.registry import MODELS
from mmpretrain.structures import DataSample
from torch import nn

from wsol_mm.models import gradient_maps

METHODS = (
    "AblationCAM",
    "EigenCAM",
    "EigenGradCAM",
    "FEM",
    "GradCAM",
    "GradCAMElementWise",
    "GradCAMPlusPlus",
    "HiResCAM",
    "KPCA_CAM",
    "LayerCAM",
    "RandomCAM",
    "ScoreCAM",
    "SegEigenCAM",
    "XGradCAM",
)


def build(method="GradCAM", target_layer="backbone.layer4", **more):
    torch.manual_seed(0)
    model = MODELS.build(
        dict(
            type="wsol_mm.GradCAMClassifier",
            backbone=dict(type="mmpretrain.ResNet", depth=18, base_channels=4),
            cam=dict(method=method, target_layer=target_layer),
            **(dict(head=dict(type="wsol_mm.CAMHead", num_classes=7, in_channels=32)) | more),
        )
    )
    nn.init.normal_(model.head.fc.weight)
    return model.eval()


@pytest.fixture
def images():
    return torch.randn(3, 3, 96, 96, generator=torch.Generator().manual_seed(1))


def labelled(*labels):
    return [DataSample().set_gt_label(label) for label in labels]


@torch.no_grad()
def test_grad_cam_of_the_last_maps_is_the_positive_part_of_the_cam(images):
    model = build()
    samples = model.predict(images, labelled(0, 5, 6))
    cams = model.head.predict(model.extract_feat(images), labelled(0, 5, 6))
    for sample, cam in zip(samples, cams, strict=True):
        assert torch.equal(sample.map_labels, cam.map_labels)
        torch.testing.assert_close(sample.pred_score, cam.pred_score)
        assert sample.pred_maps.dtype == torch.float32
        # the logit's derivative by a feature is its weight over the number of positions
        torch.testing.assert_close(sample.pred_maps, cam.pred_maps.relu() / 9)
    assert any((sample.pred_maps > 0).any() for sample in samples)


def by_hand(model, images, labels):
    """Features of layer3 and derivatives of each image's own logit, image by image."""
    outputs = []
    handle = model.backbone.layer3.register_forward_hook(lambda *args: outputs.append(args[2]))
    gradients = []
    for image, label in zip(images, labels, strict=True):
        logit = model(image[None])[0, label]
        gradients.append(torch.autograd.grad(logit, outputs[-1])[0])
    handle.remove()
    return torch.cat(outputs).detach(), torch.cat(gradients)


@pytest.mark.parametrize("method", ["GradCAM", "GradCAMPlusPlus", "LayerCAM", "HiResCAM"])
def test_earlier_layer_equals_the_papers_formula(images, method):
    model = build(method, "backbone.layer3")
    features, gradient = by_hand(model, images, (0, 5, 6))
    if method == "GradCAM":
        expected = (gradient.mean((2, 3), keepdim=True) * features).sum(1)
    elif method == "GradCAMPlusPlus":
        total = features.sum((2, 3), keepdim=True)
        alpha = gradient**2 / (2 * gradient**2 + total * gradient**3 + 1e-6)
        weight = (alpha * gradient.relu()).sum((2, 3), keepdim=True)
        expected = (weight * features).sum(1)
    else:
        gradient = gradient.relu() if method == "LayerCAM" else gradient
        expected = (gradient * features).sum(1)
    with torch.no_grad():
        samples = model.predict(images, labelled(0, 5, 6))
    got = torch.stack([sample.pred_maps[0] for sample in samples])
    assert got.shape == (3, 6, 6)
    assert got.abs().sum() > 0
    torch.testing.assert_close(got, expected.relu(), rtol=1e-4, atol=1e-6)


def test_parameters_gradients_mode_and_hooks_are_left_alone(images):
    model = build(target_layer="backbone.layer3.1.bn2")  # what follows works in place
    model.backbone.conv1.weight.requires_grad_(False)
    model.head.fc.weight.grad = torch.ones_like(model.head.fc.weight)
    flags = [parameter.requires_grad for parameter in model.parameters()]
    state = {key: value.clone() for key, value in model.state_dict().items()}
    hooks = sum(len(module._forward_hooks) for module in model.modules())
    with torch.no_grad():
        model.predict(images, labelled(0, 1, 2))
        assert not torch.is_grad_enabled()
    model.predict(images)
    assert torch.is_grad_enabled()
    assert [parameter.requires_grad for parameter in model.parameters()] == flags
    grads = {name: parameter.grad for name, parameter in model.named_parameters()}
    assert torch.equal(grads.pop("head.fc.weight"), torch.ones_like(model.head.fc.weight))
    assert not any(grad is not None for grad in grads.values())
    assert all(torch.equal(state[key], value) for key, value in model.state_dict().items())
    assert sum(len(module._forward_hooks) for module in model.modules()) == hooks


def test_frozen_networks_have_maps_too(images):
    model = build(target_layer="backbone.layer3").requires_grad_(False)
    expected = build(target_layer="backbone.layer3").predict(images)
    for sample, other in zip(model.predict(images), expected, strict=True):
        assert torch.equal(sample.pred_maps, other.pred_maps)


@torch.no_grad()
@pytest.mark.parametrize("method", METHODS)
def test_every_method_gives_maps(images, method):
    (sample,) = build(method).predict(images[:1], labelled(3))
    assert sample.map_labels[0] == 3
    assert sample.pred_maps.shape == (len(sample.map_labels), 3, 3)
    assert (sample.pred_maps >= 0).all()


@torch.no_grad()
@pytest.mark.parametrize("method", METHODS)
def test_maps_that_know_no_class_are_computed_once(images, method, monkeypatch):
    model, samples = build(method), labelled(3, 0)
    maps = torch.stack([each.pred_maps for each in model.predict(images[:2], samples)])
    same = bool((maps == maps[:, :1]).all())
    assert same == (method in gradient_maps._KNOW_NO_CLASS)
    if same:
        monkeypatch.setattr(gradient_maps, "_KNOW_NO_CLASS", ())
        one_by_one = [each.pred_maps for each in model.predict(images[:2], samples)]
        assert torch.equal(torch.stack(one_by_one), maps)


@torch.no_grad()
def test_a_head_of_mmpretrain(images):
    model = build(
        neck=dict(type="mmpretrain.GlobalAveragePooling"),
        head=dict(type="mmpretrain.LinearClsHead", num_classes=4, in_channels=32),
    )
    for sample in model.predict(images):
        assert sorted(sample.map_labels.tolist()) == [0, 1, 2, 3]
        assert sample.pred_maps.shape == (4, 3, 3)


def test_training_is_the_parents(images):
    model = build().train()
    losses = model.loss(images, labelled(0, 1, 2))
    assert set(losses) == {"loss"}
    assert losses["loss"].requires_grad


@pytest.mark.parametrize("method", ["GradCam", "ShapleyCAM", "FullGrad", "SESS"])
def test_unfit_methods_are_refused(method):
    with pytest.raises(ValueError, match=f"must be one of {', '.join(METHODS)}, got '{method}'"):
        build(method)


def test_unfit_layers_are_refused(images):
    with pytest.raises(ValueError, match=r"cam\.target_layer names 'backbone\.layer9'"):
        build(target_layer="backbone.layer9")
    with pytest.raises(ValueError, match=r"'head\.fc' must run once and give"):
        build(target_layer="head.fc").predict(images)


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "pytorch_grad_cam", None)
    with pytest.raises(ImportError, match="pip install grad-cam"):
        build()
