"""Combination of class maps: weights by hand, maps against the sum over all classes."""

import numpy as np
import pytest
import torch

from wsol_mm.functional.class_map_combination import combination_weights, combine_class_maps


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"name": "none"}, [1, 0, 0, 0, 0]),
        ({"name": "linear"}, [1, 0.5, 0, -0.5, -1]),
        ({"name": "neg_quadratic"}, [0, -1 / 16, -4 / 16, -9 / 16, -1]),
        ({"name": "signed_quadratic", "split": 0}, [0, -1 / 16, -4 / 16, -9 / 16, -1]),
        ({"name": "signed_quadratic", "split": 2}, [1, 0, 0, -0.25, -1]),
        ({"name": "signed_quadratic", "split": 3}, [1, 0.25, 0, 0, -1]),
        ({"name": "signed_quadratic", "split": 0.6}, [1, 0.25, 0, 0, -1]),
        ({"name": "signed_quadratic", "split": 5}, [1, 9 / 16, 4 / 16, 1 / 16, 0]),
        # -(1/2) * (0, 2); -(1/3) * (0, 1, 2); -(1/3) * (0, 2, 4); top-1 among the lowest
        ({"name": "top1_minus_lowest", "lowest": 2}, [1, 0, 0, 0, -1]),
        ({"name": "top1_minus_lowest", "lowest": 3}, [1, 0, 0, -1 / 3, -2 / 3]),
        ({"name": "top1_minus_lowest", "lowest": 3, "slope": 4.0}, [1, 0, 0, -2 / 3, -4 / 3]),
        ({"name": "top1_minus_lowest", "lowest": 5}, [1, -0.1, -0.2, -0.3, -0.4]),
    ],
)
def test_weights_of_five_classes_by_hand(settings, expected):
    weights = combination_weights(num_classes=5, **settings)
    assert weights.dtype == np.float64
    np.testing.assert_allclose(weights, expected, atol=1e-15)
    assert not np.signbit(weights[weights == 0]).any()


def test_weights_on_cub_and_ilsvrc_as_released():
    weights = combination_weights("signed_quadratic", 200, split=100)
    np.testing.assert_allclose(weights[[0, 50, 99, 100, 199]], [1, (49 / 99) ** 2, 0, 0, -1])
    weights = combination_weights("top1_minus_lowest", 1000, lowest=20)
    assert np.flatnonzero(weights).tolist() == [0, *range(981, 1000)]
    assert weights[1:].mean() * 999 == pytest.approx(-1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "cubic", "num_classes": 5}, "combination 'cubic': expected one of"),
        ({"name": "none", "num_classes": 1}, "needs at least 2 classes"),
        (
            {"name": "top1_minus_lowest", "num_classes": 5, "lowest": 20},
            "lowest=20: expected 2 to 5",
        ),
        ({"name": "top1_minus_lowest", "num_classes": 5, "lowest": 1}, "lowest=1"),
        ({"name": "top1_minus_lowest", "num_classes": 5}, "lowest=None"),
        ({"name": "signed_quadratic", "num_classes": 5, "split": 6}, "split=6: expected 0 to 5"),
        (
            {"name": "signed_quadratic", "num_classes": 5, "split": 1.5},
            "split=1.5: expected 0 to 5",
        ),
        ({"name": "linear", "num_classes": 5, "split": 2}, "no use for split=2"),
        ({"name": "linear", "num_classes": 5, "slope": 2.0}, "no use for slope=2.0"),
    ],
)
def test_numbers_without_a_meaning_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        combination_weights(**settings)


def by_ranks(features, weight, order, gamma):
    """The sum of eq. 3, map by map."""
    class_maps = torch.einsum("kc,chw->khw", weight, features)
    combined = sum(gamma[rank] * class_maps[label] for rank, label in enumerate(order))
    return combined - combined.min()


@pytest.mark.parametrize("name", ["linear", "neg_quadratic"])
def test_equals_the_sum_over_ranked_maps(name):
    torch.manual_seed(0)
    features, weight = torch.randn(3, 4, 5, 6), torch.randn(7, 4)
    scores = torch.randn(3, 7)
    gamma = torch.tensor(combination_weights(name, 7), dtype=torch.float32)
    maps = combine_class_maps(features, weight, scores, gamma)
    assert maps.shape == (3, 1, 5, 6)
    for i in range(3):
        order = scores[i].argsort(descending=True).tolist()
        expected = by_ranks(features[i], weight, order, gamma)
        torch.testing.assert_close(maps[i, 0], expected, rtol=1e-5, atol=1e-5)
        assert maps[i].min() == 0


def test_a_label_goes_to_the_first_rank_and_the_others_keep_their_order():
    torch.manual_seed(0)
    features, weight = torch.randn(1, 4, 5, 6), torch.randn(4, 4)
    scores, gamma = torch.tensor([[0.1, 0.4, 0.3, 0.2]]), torch.tensor([1.0, 0.5, -0.5, -1.0])
    maps = combine_class_maps(features, weight, scores, gamma, torch.tensor([[0, 1, 3]]))
    for i, order in enumerate([(0, 1, 2, 3), (1, 2, 3, 0), (3, 1, 2, 0)]):
        expected = by_ranks(features[0], weight, order, gamma)
        torch.testing.assert_close(maps[0, i], expected, rtol=1e-5, atol=1e-5)
    agnostic = combine_class_maps(features, weight, scores, gamma)
    torch.testing.assert_close(maps[:, 1:2], agnostic)


def test_equal_scores_rank_by_index():
    features = torch.eye(3).reshape(1, 3, 1, 3)
    maps = combine_class_maps(features, torch.eye(3), torch.zeros(1, 3), torch.tensor([3.0, 2, 0]))
    assert maps.flatten().tolist() == [3, 2, 0]


def test_constant_features_give_a_zero_map():
    maps = combine_class_maps(
        torch.full((2, 3, 4, 4), 0.7), torch.randn(5, 3), torch.randn(2, 5), torch.randn(5)
    )
    assert torch.equal(maps, torch.zeros(2, 1, 4, 4))


def test_gradients_reach_features_and_classifier():
    torch.manual_seed(0)
    features = torch.randn(2, 3, 2, 2, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    scores = torch.randn(2, 5, dtype=torch.float64)
    gamma = torch.tensor(combination_weights("linear", 5))
    assert torch.autograd.gradcheck(
        lambda x, w: combine_class_maps(x, w, scores, gamma), (features, weight)
    )
