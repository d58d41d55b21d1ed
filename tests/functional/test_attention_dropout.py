"""Attention-based dropout against loops over images and positions."""

import math

import pytest
import torch

from wsol_mm.functional.attention_dropout import attention_dropout, attention_mask


def slow(features, threshold, drop):
    result = torch.empty_like(features)
    for i, image in enumerate(features.tolist()):
        channels, rows, columns = features.shape[1:]
        positions = [(y, x) for y in range(rows) for x in range(columns)]
        attention = {
            (y, x): sum(image[c][y][x] for c in range(channels)) / channels for y, x in positions
        }
        top = max(attention.values())
        for y, x in positions:
            value = attention[y, x]
            factor = float(value < threshold * top) if drop else 1 / (1 + math.exp(-value))
            for c in range(channels):
                result[i, c, y, x] = image[c][y][x] * factor
    return result


@pytest.fixture
def features():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(3, 4, 5, 6, generator=generator, dtype=torch.float64).relu()


@pytest.mark.parametrize("threshold", [0.3, 0.72, 0.9])
@pytest.mark.parametrize("drop", [True, False])
def test_equals_the_loop(features, threshold, drop):
    got = attention_dropout(features, threshold, drop=drop)
    torch.testing.assert_close(got, slow(features, threshold, drop))
    assert not torch.equal(got, features)


def test_each_image_is_measured_by_its_own_maximum(features):
    scaled = features * torch.tensor([1.0, 10.0, 0.1])[:, None, None, None]
    assert torch.equal(attention_mask(features, 0.7), attention_mask(scaled, 0.7))
    assert attention_mask(features, 0.7).flatten(1).any(dim=1).all()
    assert attention_mask(features, 1.0).sum() == 3


def test_gradients(features):
    features.requires_grad_()
    attended = attention_mask(features, 0.7)
    assert not attended.requires_grad
    (gradient,) = torch.autograd.grad(attention_dropout(features, 0.7, drop=True).sum(), features)
    assert torch.equal(gradient, (~attended).double().expand_as(gradient))
    assert torch.autograd.gradcheck(
        lambda x: attention_dropout(x, 0.7, drop=False),
        features[:1, :2, :2, :3].detach().clone().requires_grad_(),
    )


def test_constant_and_negative_maps():
    assert attention_mask(torch.full((2, 3, 4, 4), 5.0), 0.7).all()
    assert attention_mask(torch.zeros(2, 3, 4, 4), 0.7).all()
    negative = -torch.rand(2, 3, 4, 4) - 0.1
    assert not attention_mask(negative, 0.7).any()
    for drop in (True, False):
        assert attention_dropout(negative, 0.7, drop=drop).isfinite().all()


def test_dtype_is_kept(features):
    half = features.bfloat16()
    assert attention_dropout(half, 0.7, drop=True).dtype == torch.bfloat16
    assert attention_dropout(half, 0.7, drop=False).dtype == torch.bfloat16
