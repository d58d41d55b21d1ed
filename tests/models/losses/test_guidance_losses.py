"""The registered guidance losses: means of the functions, weights, and refusal when built."""

import pytest
import torch

from wsol_mm.functional.distillation import activation_guidance, logits_guidance
from wsol_mm.registry import MODELS


def build(name, **settings):
    return MODELS.build({"type": f"wsol_mm.{name}GuidanceLoss", **settings})


def draw(*shape):
    torch.manual_seed(0)
    return torch.randn(shape), torch.randn(shape)


@pytest.mark.parametrize("kl_input", ["log_probabilities", "probabilities"])
def test_logits(kl_input):
    student, teacher = draw(3, 5)
    loss = build("Logits", temperature=3.0, kl_input=kl_input, loss_weight=9.0)
    expected = 9 * logits_guidance(student, teacher, 3.0, kl_input=kl_input).mean()
    torch.testing.assert_close(loss(student, teacher), expected)


@pytest.mark.parametrize("squash", ["softmax", "sigmoid"])
def test_activations(squash):
    student, teacher = draw(3, 5, 4, 4)
    loss = build("Activation", temperature=3.0, squash=squash, loss_weight=0.5)
    expected = 0.5 * activation_guidance(student, teacher, 3.0, squash=squash).mean()
    torch.testing.assert_close(loss(student, teacher), expected)


@pytest.mark.parametrize(("name", "shape"), [("Logits", (2, 5)), ("Activation", (2, 5, 4, 4))])
def test_the_paper_is_the_default_and_teachers_learn_nothing(name, shape):
    student, teacher = (tensor.requires_grad_() for tensor in draw(*shape))
    loss = build(name)
    assert loss.temperature == 15.0
    loss(student, teacher).backward()
    assert teacher.grad is None
    assert student.grad.abs().sum() > 0
    # eq. 9 and 10 have a softmax over classes, which knows no common level
    moved = loss(student + 7.0, teacher)
    torch.testing.assert_close(moved, loss(student, teacher), rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("Logits", {"temperature": 0.0}, "temperature=0.0"),
        ("Logits", {"kl_input": "logits"}, "kl_input='logits'"),
        ("Activation", {"temperature": -1.0}, "temperature=-1.0"),
        ("Activation", {"squash": "positions"}, "squash='positions'"),
    ],
)
def test_wrong_settings_are_refused_when_built(name, settings, message):
    with pytest.raises(ValueError, match=message):
        build(name, **settings)
