"""AreaLoss and DifferenceLoss against their equations."""

import pytest
import torch
from torch.nn import functional as F

from wsol_mm.registry import MODELS


def build(name, weight):
    return MODELS.build({"type": f"wsol_mm.{name}", "loss_weight": weight})


def test_area_is_the_mean_of_the_maps():
    maps = torch.tensor([[[0.0, 3.0]], [[0.0, 5.0]]])
    assert build("AreaLoss", 0.5)(maps).item() == 1.0


def test_difference_is_eq_15():
    scores, fore, back = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0))
    target = torch.tensor([0, 1, 2, 3])
    expected = 0.3 * (
        F.cross_entropy(fore - back, target) + F.cross_entropy(0.5 * (scores + fore - back), target)
    )
    loss = build("DifferenceLoss", 0.3)
    torch.testing.assert_close(loss(scores, fore, back, target), expected)
    shares = F.one_hot(target, 5).float()
    torch.testing.assert_close(loss(scores, fore, back, shares), expected)


@pytest.mark.parametrize("name", ["AreaLoss", "DifferenceLoss"])
@pytest.mark.parametrize("weight", [-0.1, float("nan")])
def test_refuses_a_negative_weight(name, weight):
    with pytest.raises(ValueError, match=f"{name}: loss_weight={weight}"):
        build(name, weight)
