"""SD-CAM's loss, seed regions and sign against slow references, by hand, and at the edges."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from wsol_mm.functional.sd_cam import distillation_divergence, orientations, seed_regions


def slow_softmax(row, temperature):
    weights = [math.exp(value / temperature) for value in row]
    return [weight / sum(weights) for weight in weights]


def slow_divergence(student, teacher, temperature):
    """Equation 6, second sum, as it is written; mean over images."""
    total = 0.0
    for row_s, row_t in zip(student.tolist(), teacher.tolist(), strict=True):
        s, t = slow_softmax(row_s, temperature), slow_softmax(row_t, temperature)
        total += sum(p * (math.log(p) - math.log(q)) for p, q in zip(t, s, strict=True))
    return total / len(student)


def slow_orientation(cut, class_map, beta):
    """Equations 2, 10 and 11 pixel by pixel."""
    cut, values = cut.flatten().tolist(), class_map.flatten().tolist()
    low, high, mean = min(values), max(values), sum(cut) / len(cut)
    seed = [high > low and (value - low) / (high - low) > beta for value in values]
    above = [value > mean for value in cut]
    shares = []
    for side in (True, False):
        inside = [s for s, a in zip(seed, above, strict=True) if a == side]
        shares.append(sum(inside) / len(inside) if inside else math.nan)
    return -1 if shares[0] < shares[1] else 1


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_divergence_is_equation_6(temperature):
    torch.manual_seed(0)
    student, teacher = 3 * torch.randn(5, 7), 3 * torch.randn(5, 7)
    expected = slow_divergence(student, teacher, temperature)
    found = distillation_divergence(student, teacher, temperature)
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_gradient_moves_the_student_only():
    torch.manual_seed(1)
    student = torch.randn(4, 6, dtype=torch.float64, requires_grad=True)
    teacher = torch.randn(4, 6, dtype=torch.float64, requires_grad=True)
    distillation_divergence(student, teacher, 3.0).backward()
    assert teacher.grad is None
    difference = (student / 3).softmax(1) - (teacher / 3).softmax(1)
    torch.testing.assert_close(student.grad, difference.detach() / 3 / 4, rtol=1e-5, atol=1e-8)


@given(st.lists(st.floats(-50, 50), min_size=2, max_size=6), st.floats(0.3, 10))
def test_divergence_is_never_negative_and_ignores_a_common_shift(row, temperature):
    teacher = torch.tensor([row])
    student = teacher.flip(1)
    found = distillation_divergence(student, teacher, temperature)
    assert found >= -1e-6
    shifted = distillation_divergence(student + 4, teacher - 7, temperature)
    torch.testing.assert_close(found, shifted, rtol=1e-3, atol=1e-3)
    assert distillation_divergence(teacher, teacher, temperature).abs() < 1e-6


def test_half_precision_and_huge_logits_stay_finite():
    teacher = torch.tensor([[60_000.0, -60_000.0]]).half()
    assert distillation_divergence(teacher.flip(1), teacher).isfinite()


def test_wrong_logits_and_temperature_are_named():
    with pytest.raises(ValueError, match=r"\(2, 3\) and \(2, 4\)"):
        distillation_divergence(torch.zeros(2, 3), torch.zeros(2, 4))
    with pytest.raises(ValueError, match="temperature"):
        distillation_divergence(torch.zeros(2, 3), torch.zeros(2, 3), 0.0)


@given(st.integers(0, 10_000), st.floats(0, 0.95), st.floats(0.01, 100), st.floats(-10, 10))
def test_seeds_ignore_scale_and_shift(seed, threshold, scale, shift):
    maps = torch.randn(2, 4, 5, generator=torch.Generator().manual_seed(seed)).double()
    assert torch.equal(seed_regions(maps, threshold), seed_regions(scale * maps + shift, threshold))


def test_a_constant_map_and_one_with_nan_have_no_seed():
    maps = torch.stack([torch.full((3, 3), 0.1), torch.eye(3)])
    maps[1, 0, 1] = torch.nan
    assert not seed_regions(maps).any()


@pytest.mark.parametrize("beta", [0.0, 0.6, 0.9])
def test_orientations_are_the_papers_pixel_by_pixel(beta):
    generator = torch.Generator().manual_seed(2)
    cuts = torch.randn(40, 1, 4, 6, generator=generator, dtype=torch.float64)
    classes = torch.randn(40, 3, 4, 6, generator=generator, dtype=torch.float64)
    found = orientations(cuts, classes, beta)
    expected = [[slow_orientation(cuts[i, 0], m, beta) for m in classes[i]] for i in range(40)]
    assert found.tolist() == expected
    assert {1, -1} == set(found.flatten().tolist())
    # ties apart, the other sign of the cut is the other answer
    flipped = orientations(-cuts, classes, beta)
    assert ((found == -flipped) | (found == 1)).all()


def test_without_a_say_the_sign_stays():
    cut = torch.tensor([[[[2.0, -1.0, -1.0]]]])
    for classes in (torch.ones(1, 1, 1, 3), torch.full((1, 1, 1, 3), torch.nan)):
        assert orientations(cut, classes).tolist() == [[1]]
        assert orientations(-cut, classes).tolist() == [[1]]
    constant = torch.full((1, 1, 1, 3), 0.1)
    assert orientations(constant, torch.tensor([[[[0.0, 1, 2]]]])).tolist() == [[1]]


def test_shapes_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match=r"expected maps \(B, 1, H, W\)"):
        orientations(torch.zeros(1, 2, 3, 3), torch.zeros(1, 2, 3, 3))
    with pytest.raises(ValueError, match=r"\(1, 1, 3, 3\), \(1, 2, 3, 4\)"):
        orientations(torch.zeros(1, 1, 3, 3), torch.zeros(1, 2, 3, 4))
