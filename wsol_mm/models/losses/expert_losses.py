"""Losses of KG-CI-CAM's experts on the foreground and background that they find."""

import torch.nn.functional as F
from torch import Tensor, nn

from wsol_mm.functional.masking import area_loss, difference_scores
from wsol_mm.registry import MODELS


@MODELS.register_module()
class AreaLoss(nn.Module):
    """Mean of the localization maps (Shao et al., KG-CI-CAM, eq. 12).

    Args:
        loss_weight: The paper's eta or delta. It depends on the scale of the maps, so it does not
            carry over from one network or combination to another. With 0 it is not computed.

    Raises:
        ValueError: A negative weight.

    Example:
        >>> import torch
        >>> AreaLoss(loss_weight=0.5)(torch.tensor([[[0.0, 3.0]], [[0.0, 1.0]]]))
        tensor(0.5000)
    """

    def __init__(self, loss_weight: float) -> None:
        super().__init__()
        self.loss_weight = _checked(self, loss_weight)

    def forward(self, maps: Tensor) -> Tensor:
        """Scalar of maps (B, h, w) with minimum 0."""
        return self.loss_weight * area_loss(maps)


@MODELS.register_module()
class DifferenceLoss(nn.Module):
    """Foreground minus background tells the class (Shao et al., KG-CI-CAM, eq. 15).

    Cross entropy of the foreground's logits minus the background's, plus that of their mean with
    the whole image's.

    Args:
        loss_weight: The paper's beta. With 0 it is not computed.

    Raises:
        ValueError: A negative weight.

    Example:
        >>> import torch
        >>> fore, back = torch.tensor([[9.0, 0.0]]), torch.tensor([[0.0, 0.0]])
        >>> DifferenceLoss(loss_weight=0.5)(fore, fore, back, torch.tensor([0])) < 0.001
        tensor(True)
    """

    def __init__(self, loss_weight: float) -> None:
        super().__init__()
        self.loss_weight = _checked(self, loss_weight)

    def forward(self, scores: Tensor, fore: Tensor, back: Tensor, target: Tensor) -> Tensor:
        """Loss of a batch.

        Args:
            scores: Logits (B, K) of the whole image.
            fore: Of the foreground image.
            back: Of the background image.
            target: int64 (B,) classes, or (B, K) shares of mixed images.

        Returns:
            Scalar.
        """
        told = difference_scores(scores, fore, back)
        return self.loss_weight * sum(F.cross_entropy(each, target) for each in told)


def _checked(loss: nn.Module, weight: float) -> float:
    if not weight >= 0:
        raise ValueError(f"{type(loss).__name__}: loss_weight={weight}: expected 0 or more")
    return weight
