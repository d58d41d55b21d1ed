"""Registered weighted-entropy loss: logits, divisors, reductions."""

import math

import pytest
import torch

from wsol_mm.functional.weighted_entropy import weighted_entropy
from wsol_mm.models.losses import WeightedEntropyLoss
from wsol_mm.registry import MODELS

KEYS = {"gamma": 2.0, "alpha": 0.25, "tau1": 0.3, "tau2": 0.6}


def test_softmax_reads_all_but_the_background():
    logits = torch.tensor([[1.0, 2.0, 3.0], [0.0, -1.0, 4.0]])
    p = 1 - logits.softmax(-1)[:, -1]
    loss = WeightedEntropyLoss(**KEYS, reduction="none")(logits)
    assert torch.allclose(loss, weighted_entropy(p, **KEYS))


def test_sigmoid_reads_every_channel():
    logits = torch.tensor([[1.0, -2.0], [0.3, 4.0], [-3.0, 0.0]])
    loss = WeightedEntropyLoss(**KEYS, use_sigmoid=True, reduction="none")
    assert torch.equal(loss(logits), weighted_entropy(logits.sigmoid(), **KEYS))
    assert torch.equal(loss(logits[:, 0]), weighted_entropy(logits[:, 0].sigmoid(), **KEYS))


def test_softmax_refuses_one_logit():
    with pytest.raises(ValueError, match="use_sigmoid=True"):
        WeightedEntropyLoss()(torch.zeros(4))


@pytest.mark.parametrize(
    ("normalizer", "divisor"),
    [("avg_factor", 10), ("samples", 4), ("contributing", 3), ("positives", 2)],
)
def test_divisors(normalizer, divisor):
    logits = torch.tensor([-2.0, -1.0, 0.0, 1.0])  # p = .12 .27 .5 .73: the third is left out
    loss = WeightedEntropyLoss(**KEYS, use_sigmoid=True, normalizer=normalizer)
    total = weighted_entropy(logits.sigmoid(), **KEYS).sum()
    assert loss(logits, avg_factor=10, num_pos=2).item() == pytest.approx(total.item() / divisor)


@pytest.mark.parametrize(
    ("form", "weights"),
    [
        ("primary", (0.75 * 0.25**2, 0.25 * 0.25**2)),
        ("global_alpha", (0.25 * 0.25**2, 0.25 * 0.25**2)),
        ("swapped_alpha", (0.25 * 0.25**2, 0.75 * 0.25**2)),
        ("detached", (0.75 * 0.25**2, 0.25 * 0.25**2)),
        ("entropy", (1.0, 1.0)),
    ],
)
def test_the_mean_under_the_weights_is_an_entropy(form, weights):
    """Where forms differ, so does the sum of weights; the mean of equal entropies does not."""
    logits = torch.tensor([0.25, 0.75, 0.5]).logit()  # equal entropies; the third is left out
    keys = {**KEYS, "tau1": 0.3, "tau2": 0.6, "form": form, "use_sigmoid": True}
    total = WeightedEntropyLoss(**keys, reduction="sum")(logits[:2])
    mean = WeightedEntropyLoss(**keys, normalizer="weights")(logits[:2])
    entropy = -0.25 * math.log(0.25) - 0.75 * math.log(0.75)
    assert mean.item() == pytest.approx(entropy, rel=1e-5)
    assert total.item() == pytest.approx(entropy * sum(weights), rel=1e-5)
    counted = 3 if form == "entropy" else 2
    contributing = WeightedEntropyLoss(**keys, normalizer="contributing")(logits)
    everything = WeightedEntropyLoss(**keys, reduction="sum")(logits)
    assert contributing.item() == pytest.approx(everything.item() / counted, rel=1e-5)


def test_the_divisor_of_weights_has_no_gradient():
    logits = torch.tensor([-1.5, 0.2], requires_grad=True)
    keys = {**KEYS, "tau2": 0.3, "use_sigmoid": True}
    WeightedEntropyLoss(**keys, normalizer="weights")(logits).backward()
    plain = logits.detach().clone().requires_grad_()
    WeightedEntropyLoss(**keys, reduction="sum")(plain).backward()
    ratio = logits.grad / plain.grad
    assert ratio[0].item() == pytest.approx(ratio[1].item())


def test_weight_zero_does_not_count():
    logits = torch.tensor([[-2.0], [-1.0], [1.0]])
    weight = torch.tensor([1.0, 0.0, 1.0])
    for normalizer in ("samples", "contributing", "weights"):
        loss = WeightedEntropyLoss(**KEYS, use_sigmoid=True, normalizer=normalizer)
        assert torch.allclose(loss(logits, weight=weight), loss(logits[[0, 2]]))


def test_without_avg_factor_the_mean_is_over_samples():
    logits = torch.randn(7, 2, generator=torch.Generator().manual_seed(0))
    mean = WeightedEntropyLoss(**KEYS)(logits)
    assert torch.allclose(mean, WeightedEntropyLoss(**KEYS, reduction="none")(logits).mean())
    assert torch.allclose(mean * 7, WeightedEntropyLoss(**KEYS)(logits, reduction_override="sum"))
    assert torch.allclose(mean * 3, WeightedEntropyLoss(**KEYS, loss_weight=3.0)(logits))


def test_nothing_contributing_is_zero_with_a_gradient():
    logits = torch.zeros(3, requires_grad=True)
    loss = WeightedEntropyLoss(**KEYS, use_sigmoid=True, normalizer="contributing")(logits)
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(logits.grad, torch.zeros(3))


def test_extreme_logits_have_finite_gradients():
    logits = torch.tensor([[200.0, -200.0], [-200.0, 200.0], [0.0, 0.0]], requires_grad=True)
    WeightedEntropyLoss()(logits).backward()
    assert torch.isfinite(logits.grad).all()


def test_training_on_it_alone_makes_predictions_certain():
    logits = torch.tensor([-0.8, 0.9], requires_grad=True)
    loss = WeightedEntropyLoss(gamma=2, alpha=0.5, tau1=0.5, tau2=0.5, use_sigmoid=True)
    before = logits.detach().sigmoid()
    for _ in range(20):
        (gradient,) = torch.autograd.grad(loss(logits), logits)
        logits = (logits - 5 * gradient).detach().requires_grad_()
    after = logits.detach().sigmoid()
    assert after[0] < before[0]
    assert after[1] > before[1]


def test_positives_must_be_counted():
    loss = WeightedEntropyLoss(normalizer="positives")
    with pytest.raises(ValueError, match="num_pos"):
        loss(torch.zeros(2, 2))


@pytest.mark.parametrize(
    "wrong",
    [
        {"normalizer": "all"},
        {"normalizer": "weights", "form": "focal_entropy"},
        {"reduction": "avg"},
        {"gamma": -1.0},
    ],
)
def test_wrong_keys(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        WeightedEntropyLoss(**wrong)


def test_registered():
    loss = MODELS.build(dict(type="wsol_mm.WeightedEntropyLoss", form="entropy"))
    assert loss.form == "entropy"
