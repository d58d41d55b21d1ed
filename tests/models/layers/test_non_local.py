"""Non-local block: identity at the start, an explicit loop, any backbone, half precision."""

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.registry import MODELS, DefaultScope

from wsol_mm.models.layers import NonLocalBlock


@pytest.fixture
def block():
    torch.manual_seed(0)
    block = NonLocalBlock(8, reduction=4)
    torch.nn.init.normal_(block.norm.weight)
    torch.nn.init.normal_(block.norm.bias)
    torch.nn.init.normal_(block.query.weight)
    torch.nn.init.normal_(block.key.weight)
    return block


def by_loop(block, x):
    """The definition, one position at a time."""
    query, key, value = block.query(x), block.key(x), block.value(x)
    gathered = torch.zeros_like(x)
    for b in range(x.shape[0]):
        for i in range(x.shape[2]):
            for j in range(x.shape[3]):
                scores = torch.einsum("c,chw->hw", query[b, :, i, j], key[b])
                weights = scores.exp() / scores.exp().sum()
                gathered[b, :, i, j] = (weights * value[b]).sum(dim=(1, 2))
    return x + block.norm(block.out(gathered))


@pytest.mark.parametrize("training", [True, False])
def test_equals_a_loop_over_positions(block, training):
    block.train(training)
    x = torch.randn(2, 8, 3, 4)
    torch.testing.assert_close(block(x), by_loop(block, x), rtol=1e-5, atol=1e-5)


def test_gradients_equal_the_loops(block):
    x = torch.randn(2, 8, 3, 4, requires_grad=True)
    inputs = [x, *block.parameters()]
    ours = torch.autograd.grad(block(x).square().sum(), inputs)
    theirs = torch.autograd.grad(by_loop(block, x).square().sum(), inputs)
    for left, right in zip(ours, theirs, strict=True):
        torch.testing.assert_close(left, right, rtol=1e-4, atol=1e-3)


def test_starts_as_the_identity_and_wakes_up_by_its_batch_norm():
    block = NonLocalBlock(16)
    x = torch.randn(2, 16, 5, 5)
    assert torch.equal(block(x), x)
    block(x).square().sum().backward()
    assert block.norm.weight.grad.abs().sum() > 0
    assert block.out.weight.grad.abs().sum() == 0


def test_layers_have_the_released_sizes():
    block = NonLocalBlock(128)
    shapes = {name: tuple(parameter.shape[:2]) for name, parameter in block.named_parameters()}
    assert shapes == {
        **{f"{name}.weight": (16, 128) for name in ("query", "key")},
        **{f"{name}.bias": (16,) for name in ("query", "key")},
        **{f"{name}.weight": (128, 128) for name in ("value", "out")},
        **{f"{name}.bias": (128,) for name in ("value", "out")},
        **{f"norm.{name}": (128,) for name in ("weight", "bias")},
    }


def test_large_exponents_survive_half_precision(block):
    x = torch.randn(1, 8, 4, 4) * 300
    with torch.autocast("cpu", torch.float16):
        query, key = block.query(x), block.key(x)
        # what a product in half precision would do
        assert torch.einsum("bchw,bcij->bhwij", query, key).isinf().any()
        assert block(x).isfinite().all()


def test_goes_behind_any_module_and_changes_nothing_at_first():
    settings = {
        "type": "wsol_mm.WSOLClassifier",
        "backbone": {"type": "mmpretrain.MobileNetV2", "widen_factor": 0.25},
        "head": {"type": "wsol_mm.CAMHead", "num_classes": 3, "in_channels": 1280},
    }
    layer = {"type": "wsol_mm.NonLocalBlock", "channels": 8}
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        plain = MODELS.build(ConfigDict(settings)).eval()
        model = MODELS.build(
            ConfigDict(settings, layers=[{"after": "backbone.layer3", "layer": layer}])
        ).eval()
    model.load_state_dict(plain.state_dict(), strict=False)
    image = torch.randn(1, 3, 64, 64)
    assert torch.equal(model(image)[0], plain(image)[0])
    torch.nn.init.ones_(model.layers[0].layer.norm.weight)
    assert not torch.equal(model(image)[0], plain(image)[0])


def test_a_reduction_that_does_not_divide_is_refused():
    with pytest.raises(ValueError, match="reduction=8 must divide channels=12"):
        NonLocalBlock(12)
