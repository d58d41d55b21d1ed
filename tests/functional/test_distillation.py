"""Guidance losses against loops over classes and positions, the released slip, and precision."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from wsol_mm.functional.distillation import activation_guidance, draw_routes, logits_guidance

IMAGES, CLASSES, SIDE = 3, 4, 5


def draw(seed, *shape, scale=3.0):
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(*shape, generator=generator)


def logits():
    return draw(0, IMAGES, CLASSES), draw(1, IMAGES, CLASSES)


def maps():
    return draw(2, IMAGES, CLASSES, SIDE, SIDE), draw(3, IMAGES, CLASSES, SIDE, SIDE)


def soft(values, temperature):
    powers = [math.exp(value / temperature) for value in values]
    return [power / sum(powers) for power in powers]


@pytest.mark.parametrize("temperature", [0.7, 1.0, 15.0])
def test_logits_guidance_is_the_divergence_written_out(temperature):
    student, expert = logits()
    for row, (ours, theirs) in enumerate(zip(student.tolist(), expert.tolist(), strict=True)):
        p, q = soft(ours, temperature), soft(theirs, temperature)
        divergence = sum(b * (math.log(b) - math.log(a)) for a, b in zip(p, q, strict=True))
        slip = sum(b * (math.log(b) - a) for a, b in zip(p, q, strict=True))
        values = {
            kl_input: logits_guidance(student, expert, temperature, kl_input=kl_input)[row].item()
            for kl_input in ("log_probabilities", "probabilities")
        }
        assert values["log_probabilities"] == pytest.approx(divergence, rel=1e-4, abs=1e-6)
        assert values["probabilities"] == pytest.approx(slip, rel=1e-4, abs=1e-6)


def test_torch_computes_the_same_and_the_slip_is_its_misuse():
    student, expert = logits()
    divergence = torch.nn.KLDivLoss(reduction="batchmean")
    q = (expert / 15).softmax(1)
    torch.testing.assert_close(
        logits_guidance(student, expert, 15.0).mean(), divergence((student / 15).log_softmax(1), q)
    )
    torch.testing.assert_close(
        logits_guidance(student, expert, 15.0, kl_input="probabilities").mean(),
        divergence((student / 15).softmax(1), q),
    )


@pytest.mark.parametrize("squash", ["sigmoid", "softmax"])
@pytest.mark.parametrize("temperature", [0.7, 15.0])
def test_activation_guidance_is_the_mean_written_out(squash, temperature):
    """Softmax is over the classes at a position (the definition under eq. 9)."""
    student, expert = maps()
    found = activation_guidance(student, expert, temperature, squash=squash)

    def squashed(classes):
        if squash == "softmax":
            return soft(classes, temperature)
        return [1 / (1 + math.exp(-value / temperature)) for value in classes]

    for image in range(IMAGES):
        total = 0.0
        for y in range(SIDE):
            for x in range(SIDE):
                ours = squashed(student[image, :, y, x].tolist())
                theirs = squashed(expert[image, :, y, x].tolist())
                total += sum((a - b) ** 2 for a, b in zip(ours, theirs, strict=True))
        assert found[image].item() == pytest.approx(total / (CLASSES * SIDE**2), rel=1e-4)


def test_softmax_of_activations_knows_no_common_level_of_all_classes():
    student, expert = maps()
    level = draw(4, IMAGES, 1, SIDE, SIDE)
    same = activation_guidance(student, expert, 2.0)
    torch.testing.assert_close(activation_guidance(student + level, expert, 2.0), same)
    released = activation_guidance(student, expert, 2.0, squash="sigmoid")
    moved = activation_guidance(student + level, expert, 2.0, squash="sigmoid")
    assert not torch.allclose(moved, released)


@given(seed=st.integers(0, 10_000), temperature=st.sampled_from([0.5, 1.1, 15.0]))
def test_guidance_is_zero_where_student_and_expert_agree_and_nowhere_negative(seed, temperature):
    student, expert = (draw(seed + i, IMAGES, CLASSES, scale=50.0) for i in range(2))
    same = student.clone().requires_grad_()
    loss = logits_guidance(same, student, temperature)
    assert (loss == 0).all()
    loss.sum().backward()
    assert same.grad.abs().max() < 1e-6
    assert (logits_guidance(student, expert, temperature) > -1e-6).all()
    # adding a constant to all logits of an image changes no probability
    torch.testing.assert_close(
        logits_guidance(student + 7.0, expert, temperature),
        logits_guidance(student, expert, temperature),
        rtol=1e-3,
        atol=1e-4,
    )
    for squash in ("sigmoid", "softmax"):
        drawn = draw(seed, IMAGES, CLASSES, SIDE, SIDE)
        assert (activation_guidance(drawn, drawn, temperature, squash=squash) == 0).all()


def test_the_released_slip_is_not_zero_there_and_nearly_inert_at_high_temperature():
    student, expert = logits()
    assert (logits_guidance(expert, expert, 15.0, kl_input="probabilities").abs() > 0.1).all()
    norms = {}
    for kl_input in ("log_probabilities", "probabilities"):
        student = student.detach().clone().requires_grad_()
        logits_guidance(student, expert, 15.0, kl_input=kl_input).mean().backward()
        norms[kl_input] = student.grad.norm().item()
    # d(-sum q p) carries another factor p, about 1 / classes
    assert norms["probabilities"] < 0.5 * norms["log_probabilities"]


def test_gradients():
    student, expert = (tensor.requires_grad_() for tensor in logits())
    logits_guidance(student, expert.detach(), 2.0).sum().backward()
    expected = ((student / 2).softmax(1) - (expert / 2).softmax(1)) / 2
    torch.testing.assert_close(student.grad, expected)
    student, expert = (tensor.requires_grad_() for tensor in maps())
    activation_guidance(student, expert.detach(), 2.0, squash="sigmoid").sum().backward()
    p, q = (student / 2).sigmoid(), (expert / 2).sigmoid()
    expected = 2 * (p - q) * p * (1 - p) / 2 / (CLASSES * SIDE**2)
    torch.testing.assert_close(student.grad, expected)


def test_float32_under_autocast_and_from_half_precision():
    student, expert = logits()
    ours, theirs = maps()
    exact = logits_guidance(student, expert, 15.0), activation_guidance(ours, theirs, 15.0)
    with torch.autocast("cpu", torch.bfloat16):
        found = logits_guidance(student, expert, 15.0), activation_guidance(ours, theirs, 15.0)
        half = logits_guidance(student.bfloat16(), expert.bfloat16(), 15.0)
    for left, right in zip(exact, found, strict=True):
        assert torch.equal(left, right)
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, exact[0], rtol=0.05, atol=1e-3)


def test_constant_maps_and_extreme_logits_stay_finite():
    constant = torch.full((2, CLASSES, SIDE, SIDE), 7.0, requires_grad=True)
    for squash in ("sigmoid", "softmax"):
        loss = activation_guidance(constant, torch.zeros_like(constant), 1.0, squash=squash).sum()
        loss.backward()
        assert loss.isfinite()
    assert constant.grad.isfinite().all()
    far = torch.tensor([[1e4, -1e4]], requires_grad=True)
    loss = logits_guidance(far, -far.detach(), 1.0).sum()
    loss.backward()
    assert loss.item() == pytest.approx(2e4)
    assert far.grad.isfinite().all()


def test_routes_are_uniform_and_follow_the_seed():
    torch.manual_seed(3)
    first = draw_routes(3000, 2)
    assert (first.bincount() - 1000).abs().max() < 130  # five standard deviations
    torch.manual_seed(3)
    assert torch.equal(first, draw_routes(3000, 2))
    assert set(draw_routes(200, 1).tolist()) == {0, 1}


@pytest.mark.parametrize("loss", [logits_guidance, activation_guidance])
def test_refuses_what_has_no_meaning(loss):
    pair = logits() if loss is logits_guidance else maps()
    key = "kl_input" if loss is logits_guidance else "squash"
    with pytest.raises(ValueError, match=f"{key}='other': expected one of"):
        loss(*pair, 1.0, **{key: "other"})
    with pytest.raises(ValueError, match="temperature=0"):
        loss(*pair, 0)
    with pytest.raises(ValueError, match="differ in shape"):
        loss(pair[0], pair[1][:, :1], 1.0)
