"""Contexts over batch norms: nothing stays on the modules, and networks compile and export."""

import copy

import pytest
import torch
from mmengine.registry import DefaultScope
from torch import nn

from wsol_mm.models.batch_norm import (
    batch_norm_by_branch,
    by_running_statistics,
    training_norms,
    untracked,
)
from wsol_mm.registry import MODELS

CI_CAM = {
    "type": "wsol_mm.WSOLClassifier",
    "backbone": {"type": "ResNet", "depth": 18, "base_channels": 8},
    "layers": [
        {"after": "backbone.layer3", "layer": {"type": "wsol_mm.NonLocalBlock", "channels": 32}}
    ],
    "head": {
        "type": "wsol_mm.CausalCAMHead",
        "num_classes": 5,
        "in_channels": 64,
        "context_pool": {"type": "wsol_mm.CausalContextPool", "size": 2},
        "combination": {"name": "linear"},
    },
}


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 3))


def statistics(model):
    return [value.clone() for value in model[1].buffers()]


def marks(model):
    """What a context could leave behind."""
    norm = model[1]
    return (
        "forward" in vars(norm),
        len(norm._forward_hooks) + len(norm._forward_pre_hooks),
        norm.training,
        norm.track_running_stats,
    )


@pytest.mark.parametrize("mode", ["clean", "separate", "joint"])
def test_halves(mode):
    images = torch.randn(6, 3, 8, 8) * torch.tensor([1.0] * 3 + [9.0] * 3)[:, None, None, None]
    model, reference = network(), network()
    with batch_norm_by_branch(model, 3, mode):
        found = model(images)
        assert model(images[:2]).shape == (2, 2, 4, 4)  # another length is one batch
    assert marks(model) == marks(network())
    if mode == "joint":
        expected = reference(images)
    elif mode == "separate":
        expected = torch.cat([reference(images[:3]), reference(images[3:])])
    else:
        expected = torch.cat([reference(images[:3]), network()(images[3:])])
    reference(images[:2])
    torch.testing.assert_close(found, expected)
    for left, right in zip(statistics(model), statistics(reference), strict=True):
        torch.testing.assert_close(left, right)


def test_gradients_are_those_of_two_batches():
    images = torch.randn(6, 3, 8, 8)
    model, reference = network(), network()
    with batch_norm_by_branch(model, 3, "clean"):
        model(images).square().sum().backward()
    torch.cat([reference(images[:3]), reference(images[3:])]).square().sum().backward()
    for left, right in zip(model.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(left.grad, right.grad)


def test_running_statistics_are_those_of_the_test():
    images = torch.randn(4, 3, 8, 8)
    model = network()
    model(images)
    before = statistics(model)
    with by_running_statistics(training_norms(model)):
        found = model(5 * images)
    assert torch.equal(found, copy.deepcopy(model).eval()(5 * images))
    assert all(torch.equal(*pair) for pair in zip(before, statistics(model), strict=True))
    assert marks(model) == marks(network())


@pytest.mark.parametrize("context", ["halves", "running", "untracked"])
def test_an_error_within_leaves_nothing_behind(context):
    model = network()
    norms = training_norms(model)
    contexts = {
        "halves": lambda: batch_norm_by_branch(model, 3, "clean"),
        "running": lambda: by_running_statistics(norms),
        "untracked": lambda: untracked(norms),
    }
    with pytest.raises(RuntimeError), contexts[context]():
        model(torch.randn(6, 5, 8, 8))
    assert marks(model) == marks(network())


def test_norms_in_evaluation_mode_are_left_alone():
    model = network().eval()
    assert training_norms(model) == []
    images = torch.randn(6, 3, 8, 8)
    with batch_norm_by_branch(model, 3, "separate"):
        assert torch.equal(model(images), copy.deepcopy(model)(images))


@pytest.fixture
def ci_cam():
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        model = MODELS.build(copy.deepcopy(CI_CAM))
    nn.init.normal_(model.head.context_pool.contexts)
    nn.init.normal_(model.head.fc.weight)
    return model.eval()


def test_ci_cam_compiles_and_exports_for_inference(ci_cam):
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        expected = ci_cam(images)
        compiled = torch.compile(ci_cam, backend="eager", fullgraph=True)
        torch.testing.assert_close(compiled(images), expected)
        exported = torch.export.export(ci_cam, (images,), strict=False)
        torch.testing.assert_close(exported.module()(images), expected)
