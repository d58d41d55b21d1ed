"""C2AM's losses against loops over pairs, and the border vote by hand."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from wsol_mm.functional.c2am import (
    border_votes,
    cosine_matrix,
    disentangle,
    pull_loss,
    push_loss,
    rank_weights,
)


def cosine(a, b):
    value = sum(x * y for x, y in zip(a, b, strict=True))
    value /= math.sqrt(sum(x * x for x in a)) * math.sqrt(sum(y * y for y in b))
    return min(max(value, 0.0005), 0.9995)


def slow_pull(vectors, alpha):
    """The definition, pair by pair."""
    total = 0.0
    for a in vectors:
        row = [cosine(a, b) for b in vectors]
        for place, value in enumerate(row):
            # of equal ones the earlier goes first
            rank = sum(other > value for other in row) + row[:place].count(value) - 1
            total += math.exp(-alpha * rank) * -math.log(value)
    return total / len(vectors) ** 2


def slow_push(foreground, background):
    """The definition, pair by pair."""
    pairs = [-math.log(1 - cosine(a, b)) for a in foreground for b in background]
    return sum(pairs) / len(pairs)


@given(
    seed=st.integers(0, 99),
    count=st.integers(1, 7),
    alpha=st.floats(0, 1),
    spread=st.sampled_from([0.3, 3.0]),
)
def test_losses_equal_the_loops_over_pairs(seed, count, alpha, spread):
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(2, count, 5, generator=generator, dtype=torch.float64) * spread + 1
    first, second = values.tolist()
    assert pull_loss(values[0], alpha).item() == pytest.approx(slow_pull(first, alpha), rel=1e-9)
    assert push_loss(*values).item() == pytest.approx(slow_push(first, second), rel=1e-9)


def test_vectors_are_sums_over_the_two_sides():
    features = torch.arange(12.0).reshape(1, 3, 2, 2)
    mask = torch.tensor([[[[1.0, 0.0], [0.0, 1.0]]]])
    foreground, background = disentangle(features, mask)
    assert foreground.tolist() == [[(0 + 3) / 4, (4 + 7) / 4, (8 + 11) / 4]]
    assert background.tolist() == [[(1 + 2) / 4, (5 + 6) / 4, (9 + 10) / 4]]
    # the losses do not see that a larger side has larger sums
    assert torch.equal(
        cosine_matrix(foreground, background), cosine_matrix(foreground * 8, background)
    )


def test_the_losses_pull_and_push():
    # every image holds two kinds of vectors, two positions each; one linear map reads them
    generator = torch.Generator().manual_seed(0)
    kinds = torch.tensor([[1.0, 1.0, 0.1, 0.1], [0.1, 0.1, 1.0, 1.0]])
    features = kinds[None, :, :, None] + 0.1 * torch.rand(6, 2, 4, 1, generator=generator)
    weight = torch.tensor([0.3, -0.2], requires_grad=True)
    losses = []
    for _ in range(100):
        activation = torch.einsum("bchw,c->bhw", features, weight)[:, None].sigmoid()
        foreground, background = disentangle(features, activation)
        loss = pull_loss(foreground, 0.05) + pull_loss(background, 0.05)
        loss = loss + push_loss(foreground, background)
        losses.append(loss.item())
        (gradient,) = torch.autograd.grad(loss, weight)
        weight.data -= gradient
    assert losses[-1] < losses[0] / 2
    # the slight lead of the first kind has become a decision
    assert activation[:, 0, :2].min() > 0.9
    assert activation[:, 0, 2:].max() < 0.1


def test_weights_rank_rows_and_pass_no_gradient():
    similarity = torch.tensor([[1.0, 0.2, 0.9], [0.2, 1.0, 0.1]], requires_grad=True)
    weights = rank_weights(similarity, 0.5)
    expected = [[0.5, -0.5, 0.0], [0.0, 0.5, -0.5]]
    assert weights.log().tolist() == [pytest.approx(row, abs=1e-6) for row in expected]
    assert not weights.requires_grad


def test_border_vote_by_hand():
    # of a 4 x 4 map 16 border cells are counted, each corner in both of its lines
    activation = torch.full((1, 1, 4, 4), 0.2)
    assert border_votes(activation).tolist() == [False]
    activation[0, 0, 0] = 0.9
    assert border_votes(activation).tolist() == [False]  # 4 + 1 + 1 of 16
    activation[0, 0, :2, 3] = 0.9
    activation[0, 0, 3, 1] = 0.9
    assert border_votes(activation).tolist() == [False]  # 8 of 16 are no majority
    activation[0, 0, 3, 2] = 0.9
    assert border_votes(activation).tolist() == [True]  # 9 of 16
    # what lies inside has no vote
    inside = torch.zeros(1, 1, 4, 4)
    inside[0, 0, 1:-1, 1:-1] = 1
    assert border_votes(inside).tolist() == [False]
    assert border_votes(1 - inside).tolist() == [True]
