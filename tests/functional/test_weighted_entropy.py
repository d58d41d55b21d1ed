"""Weighted entropy: values by hand, signs of the gradient, ends of the interval."""

import math

import pytest
import torch

from wsol_mm.functional.weighted_entropy import (
    FORMS,
    contributing,
    modulating_factor,
    weighted_entropy,
)

CUB = {"gamma": 6.0, "alpha": 0.1, "tau1": 0.3, "tau2": 0.3}
ILSVRC = {"gamma": 4.0, "alpha": 0.25, "tau1": 0.1, "tau2": 0.1}


def gradient(p, **kwargs):
    leaf = torch.as_tensor(p, dtype=torch.float64).clone().requires_grad_()
    weighted_entropy(leaf, **kwargs).sum().backward()
    return leaf.grad


def value(p, **kwargs):
    return weighted_entropy(torch.tensor(p, dtype=torch.float64), **kwargs).item()


def test_primary_by_hand():
    # H(1/2) = ln 2; H(1/4) = ln 4 - 3/4 ln 3
    assert value(0.5, **CUB) == pytest.approx(0.1 * 0.5**6 * math.log(2))
    entropy = math.log(4) - 0.75 * math.log(3)
    assert value(0.25, **CUB) == pytest.approx(0.9 * 0.25**6 * entropy)
    assert value(0.75, **CUB) == pytest.approx(0.1 * 0.25**6 * entropy)


def test_magnitudes_of_the_fact_sheet():
    assert value(0.3, **CUB) == pytest.approx(0.0072, abs=5e-5)
    assert value(0.5, **CUB) == pytest.approx(0.0011, abs=5e-5)
    grid = torch.linspace(0, 1, 10001, dtype=torch.float64)
    foreground = weighted_entropy(grid, gamma=6, alpha=0.1, tau1=0, tau2=0)
    assert foreground.max().item() == pytest.approx(0.017, abs=5e-4)


def test_alternatives_by_hand():
    half = {"gamma": 2.0, "alpha": 0.2, "tau1": 0.4, "tau2": 0.6}
    h = math.log(4) - 0.75 * math.log(3)  # entropy of 1/4 and of 3/4
    w = 0.25**2
    expected = {
        "primary": (0.8 * w * h, 0.2 * w * h),
        "global_alpha": (0.2 * w * h, 0.2 * w * h),
        "swapped_alpha": (0.2 * w * h, 0.8 * w * h),
        "detached": (0.8 * w * h, 0.2 * w * h),
        "focal_entropy": (
            0.2 * 0.75**2 * 0.25 * math.log(4) + 0.8 * w * 0.75 * math.log(4 / 3),
            0.2 * w * 0.75 * math.log(4 / 3) + 0.8 * 0.75**2 * 0.25 * math.log(4),
        ),
        "entropy": (h, h),
    }
    assert set(expected) == set(FORMS)
    for form, (background, foreground) in expected.items():
        assert value(0.25, form=form, **half) == pytest.approx(background), form
        assert value(0.75, form=form, **half) == pytest.approx(foreground), form


@pytest.mark.parametrize("form", FORMS)
def test_between_the_thresholds(form):
    bounds = {"gamma": 2.0, "alpha": 0.2, "tau1": 0.4, "tau2": 0.6}
    thresholds = form not in ("focal_entropy", "entropy")
    assert (value(0.5, form=form, **bounds) == 0) is thresholds
    p = torch.tensor([0.39, 0.4, 0.59, 0.6])  # tau1 is outside the background side, tau2 inside
    expected = [True, not thresholds, not thresholds, True]
    assert contributing(p, tau1=0.4, tau2=0.6, form=form).tolist() == expected
    assert ((weighted_entropy(p, form=form, **bounds) > 0).tolist()) == expected


@pytest.mark.parametrize(("gamma", "peak"), [(2, 0.212), (4, 0.136), (6, 0.101)])
def test_both_sides_push_the_right_way_between_the_peaks(gamma, peak):
    """The foreground side grows up to ``peak``; above it the loss pulls p up, to certainty."""
    foreground = {"gamma": gamma, "alpha": 0.5, "tau1": 0.0, "tau2": 0.0}
    background = {"gamma": gamma, "alpha": 0.5, "tau1": 1.0, "tau2": 1.0}
    assert gradient([peak - 0.002, peak + 0.002], **foreground).sign().tolist() == [1, -1]
    assert gradient([1 - peak - 0.002, 1 - peak + 0.002], **background).sign().tolist() == [1, -1]
    between = torch.linspace(peak + 0.002, 1 - peak - 0.002, 50).tolist()
    assert (gradient(between, **foreground) < 0).all()
    assert (gradient(between, **background) > 0).all()


def test_detached_factor_pulls_unsure_foreground_down():
    """Why the factor is differentiated: without its gradient tau < p < .5 goes to background."""
    assert gradient([0.35], form="primary", **CUB).item() < 0
    assert gradient([0.35], form="detached", **CUB).item() > 0
    assert value(0.35, form="primary", **CUB) == value(0.35, form="detached", **CUB)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 6.0])
def test_certain_samples_are_finite(form, dtype, gamma):
    p = torch.tensor([0.0, 1e-7, 1 - 1e-7, 1.0], dtype=dtype, requires_grad=True)
    loss = weighted_entropy(p, gamma=gamma, alpha=0.25, tau1=0.5, tau2=0.5, form=form)
    loss.sum().backward()
    assert loss.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert loss.abs().max() < 1e-4
    assert torch.isfinite(p.grad).all()


def test_gradient_matches_differences():
    p = torch.linspace(0.05, 0.95, 19, dtype=torch.float64, requires_grad=True)
    for form in set(FORMS) - {"detached"}:
        kwargs = {"gamma": 3.0, "alpha": 0.3, "tau1": 0.32, "tau2": 0.63, "form": form}
        assert torch.autograd.gradcheck(lambda q, k=kwargs: weighted_entropy(q, **k), (p,))


def test_nan_is_not_hidden():
    assert math.isnan(value(math.nan, **CUB))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"form": "other"}, "form='other'"),
        ({"gamma": -1}, "gamma=-1"),
        ({"alpha": 1.5}, "alpha=1.5"),
        ({"tau1": 0.6, "tau2": 0.5}, "tau1=0.6, tau2=0.5"),
        ({"tau2": 1.1}, "tau2=1.1"),
    ],
)
def test_out_of_range(wrong, message):
    with pytest.raises(ValueError, match=message):
        weighted_entropy(torch.tensor([0.5]), **{**CUB, **wrong})


def test_integers_are_refused():
    with pytest.raises(TypeError, match=r"torch\.int64"):
        weighted_entropy(torch.tensor([1]), **CUB)


def pushed_down(p, eta, **kwargs):
    """Whether the entropy pushes a positive's logit down harder than supervision pulls it up."""
    return gradient(p, **kwargs) * p * (1 - p) > eta * (1 - p)


def test_plain_entropy_holds_positives_down_where_eta_is_small():
    """What the README of WEND says of plain entropy, and why the weighted one is safe there."""
    p = torch.arange(1, 1000, dtype=torch.float64) / 1000
    plain = {**CUB, "form": "entropy"}
    held = p[pushed_down(p, 0.125, **plain)]
    assert (held[0].item(), held[-1].item()) == pytest.approx((0.04, 0.427))
    assert len(held) == 388  # no gap between them
    assert pushed_down(p, 0.27, **plain).any()
    assert not pushed_down(p, 0.28, **plain).any()
    assert not pushed_down(p, 0.125, **CUB).any()
    assert not pushed_down(p, 0.03125, **ILSVRC).any()


def pushed_up(p, eta, **kwargs):
    """Whether the entropy pushes a negative's logit up harder than supervision pulls it down."""
    return -gradient(p, **kwargs) * p * (1 - p) > eta * p


def test_weighted_entropy_pushes_negatives_up_with_the_values_of_ilsvrc():
    """The other side: there the loss overturns labels; with CUB's values it never does."""
    p = torch.arange(1, 1000, dtype=torch.float64) / 1000
    raised = p[pushed_up(p, 0.03125, **ILSVRC)]
    assert (raised[0].item(), raised[-1].item()) == pytest.approx((0.152, 0.541), abs=1e-3)
    assert len(raised) == round((raised[-1] - raised[0]).item() * 1000) + 1
    assert not pushed_up(p, 0.125, **CUB).any()


def test_detached_holds_positives_down_with_the_values_of_ilsvrc():
    p = torch.arange(1, 1000, dtype=torch.float64) / 1000
    held = p[pushed_down(p, 0.03125, **ILSVRC, form="detached")]
    assert (held[0].item(), held[-1].item()) == pytest.approx((0.100, 0.176), abs=1e-3)
    assert not pushed_up(p, 0.03125, **ILSVRC, form="detached")[p < 0.5].any()


@pytest.mark.parametrize("form", [form for form in FORMS if form != "focal_entropy"])
def test_the_factor_times_the_entropy_is_the_loss(form):
    p = torch.linspace(0, 1, 101, dtype=torch.float64)
    entropy = weighted_entropy(p, form="entropy", **CUB)
    factor = modulating_factor(p, form=form, **CUB)
    torch.testing.assert_close(factor * entropy, weighted_entropy(p, form=form, **CUB))
    assert modulating_factor(p[50], form=form, **CUB) == pytest.approx(
        {"entropy": 1, "swapped_alpha": 0.9 / 64}.get(form, 0.1 / 64)
    )


def test_two_factors_are_no_weight():
    with pytest.raises(ValueError, match="a factor for each term"):
        modulating_factor(torch.tensor([0.5]), form="focal_entropy", **CUB)
