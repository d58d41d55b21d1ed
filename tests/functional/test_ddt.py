"""DDT against the plain computation on all descriptors at once."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from wsol_mm.functional.ddt import (
    Extent,
    Moments,
    ddt_maps,
    oriented,
    principal_component,
    update_extent,
    update_moments,
)


def features(images=6, channels=5, side=4, seed=0):
    """Descriptors as a ReLU leaves them, an object in the middle of each image."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.rand(images, channels, side, side, generator=generator)
    values[:, 0, 1:3, 1:3] += 4
    values[:, 1] += 2 * values[:, 0]
    return values + 7


def streamed(values, batch):
    moments = Moments.empty(values.shape[1])
    for part in values.split(batch):
        moments = update_moments(moments, part)
    return moments


def plain(values):
    """All descriptors in one matrix, singular value decomposition: mean, component, scores."""
    rows = values.double().movedim(1, -1).reshape(-1, values.shape[1]).numpy()
    mean = rows.mean(axis=0)
    component = np.linalg.svd(rows - mean, full_matrices=False)[2][0]
    return mean, component, (rows - mean) @ component


@given(seed=st.integers(0, 99), batch=st.integers(1, 6), side=st.integers(1, 4))
def test_streamed_component_is_that_of_all_descriptors(seed, batch, side):
    values = features(side=4, seed=seed)[..., :side, :side]
    mean, component = principal_component(streamed(values, batch))
    expected_mean, expected, _ = plain(values)
    np.testing.assert_allclose(mean.numpy(), expected_mean, rtol=1e-12)
    sign = np.sign(expected @ component.numpy())
    np.testing.assert_allclose(component.numpy(), sign * expected, atol=1e-8)


@given(batch=st.integers(1, 6), side=st.integers(1, 5))
def test_border_sums_are_those_of_first_and_last_rows_and_columns(batch, side):
    values = features(side=6)[..., :side, : side + 1]
    border = torch.ones(side, side + 1, dtype=torch.bool)
    border[1:-1, 1:-1] = False
    expected = values.double()[:, :, border]
    moments = streamed(values, batch)
    assert moments.border_count == 6 * border.sum()
    np.testing.assert_allclose(moments.border_total, expected.sum(dim=(0, 2)), rtol=1e-12)
    assert moments.count == 6 * side * (side + 1)


def test_streamed_extent_is_that_of_all_projections():
    values = features()
    moments = streamed(values, 4)
    mean, component = principal_component(moments)
    extent = Extent()
    for part in values.split(4):
        extent = update_extent(extent, part, mean, component)
    _, expected, scores = plain(values)
    scores = scores * np.sign(expected @ component.numpy())
    np.testing.assert_allclose((extent.low, extent.high), (scores.min(), scores.max()))


@pytest.mark.parametrize("rule", ["extreme", "border"])
def test_the_sign_does_not_depend_on_the_solvers(rule):
    values = features()
    moments = streamed(values, 6)
    mean, component = principal_component(moments)
    found = []
    for candidate in (component, -component):
        extent = update_extent(Extent(), values, mean, candidate)
        found.append(oriented(candidate, moments, extent, rule))
    assert torch.equal(*found)
    maps = ddt_maps(
        values, mean.float()[None], found[0].float()[None], torch.zeros(6, 1, dtype=torch.int64)
    )
    # positive on the object and nowhere else
    assert (maps[:, 0, 1:3, 1:3] > 0).all()
    assert (maps > 0).sum() == 6 * 4


def test_sign_rules_by_hand():
    component = torch.tensor([0.6, -0.8], dtype=torch.float64)
    moments = Moments(4, torch.tensor([4.0, 4.0]).double(), None, 2, torch.tensor([2.0, 4.0]))
    # border minus mean = (0, 1), projected: -.8, so the sign stays; extremes: -5 wins over 4
    assert torch.equal(oriented(component, moments, None, "border"), component)
    assert torch.equal(oriented(component, moments, Extent(-5, 4)), -component)
    assert torch.equal(oriented(component, moments, Extent(-4, 5)), component)
    # a draw: the component's largest entry becomes positive
    assert torch.equal(oriented(component, moments, Extent(-4, 4)), -component)
    with pytest.raises(ValueError, match="needs the extent"):
        oriented(component, moments, None)
    with pytest.raises(ValueError, match="expected 'extreme' or 'border'"):
        oriented(component, moments, None, "svd_flip")


def test_descriptors_without_variance_or_values():
    mean, component = principal_component(update_moments(Moments.empty(3), torch.ones(2, 3, 2, 2)))
    assert mean.tolist() == [1, 1, 1]
    assert component.tolist() == [0, 0, 0]
    with pytest.raises(ValueError, match="no descriptors"):
        principal_component(Moments.empty(3))
    broken = torch.full((1, 3, 2, 2), torch.nan)
    with pytest.raises(ValueError, match="not finite"):
        principal_component(update_moments(Moments.empty(3), broken))


def test_each_class_has_its_own_map():
    values = features(images=2, channels=3)
    means, components = torch.rand(4, 3), torch.randn(4, 3)
    labels = torch.tensor([[1, 3], [0, 0]])
    maps = ddt_maps(values, means, components, labels)
    for image in range(2):
        for k in range(2):
            label = labels[image, k]
            expected = (
                (values[image] - means[label][:, None, None]) * components[label][:, None, None]
            ).sum(dim=0)
            torch.testing.assert_close(maps[image, k], expected)
