"""A recorded loss gives the same and remembers what it was asked."""

import torch
from torch import nn

from wsol_mm.models.losses import RecordedLoss


class Quality(nn.Module):
    """A loss with a key that heads read, and a pair for target."""

    use_sigmoid = True

    def forward(self, pred, target, weight=None, avg_factor=None, reduction_override=None):
        """Sum over ``avg_factor``, or as it is."""
        found = pred * target[1] * (1 if weight is None else weight)
        return found if reduction_override == "none" else found.sum() / avg_factor


def test_it_gives_the_same_and_forgets_what_was_taken():
    loss = RecordedLoss(Quality())
    pred, target = torch.ones(3, 1), (torch.zeros(3).long(), torch.full((3, 1), 2.0))
    assert loss(pred, target, avg_factor=3.0) == 2
    weight = torch.tensor([[1.0], [0], [0]])
    assert loss(pred, target, weight, reduction_override="none").tolist() == [[2], [0], [0]]
    first, second = loss.take()
    assert first.cls_score is pred
    assert first.target is target
    assert first.weight is None
    assert second.weight is weight
    assert loss.take() == []


def test_keys_are_those_of_the_loss_inside():
    loss = RecordedLoss(Quality())
    assert loss.use_sigmoid is True
    assert not hasattr(loss, "custom_accuracy")
    assert not loss.state_dict()
