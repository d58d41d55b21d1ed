"""Attention-based dropout layer."""

import torch
from torch import Tensor, nn

from wsol_mm.functional.attention_dropout import attention_dropout
from wsol_mm.registry import MODELS


@MODELS.register_module()
class ADL(nn.Module):
    """Hide the most attended positions, or weigh all by their attention, in turn at random.

    Choe and Shim, CVPR 2019. In training one coin is thrown for the batch: with probability
    ``drop_rate`` it is multiplied by the drop mask, else by the importance map
    (:func:`wsol_mm.functional.attention_dropout.attention_dropout`). At test nothing happens. The
    layer has no parameters; ``wsol_mm.WSOLClassifier`` puts it behind any module.

    Args:
        drop_rate: Probability of the drop mask, in [0, 1].
        threshold: Positions are dropped from this share of the image's largest attention on.

    Raises:
        ValueError: ``drop_rate`` is not a probability.

    Shapes: (B, C, h, w) -> the same.
    """

    def __init__(self, drop_rate: float = 0.75, threshold: float = 0.9) -> None:
        super().__init__()
        if not 0 <= drop_rate <= 1:
            raise ValueError(f"ADL: drop_rate must be in [0, 1], got {drop_rate}")
        self.drop_rate = drop_rate
        self.threshold = threshold

    def forward(self, features: Tensor) -> Tensor:
        """The features with one of the two maps applied; at test unchanged."""
        if not self.training:
            return features
        # drawn on the CPU, whose stream the seed hook sets, without waiting for a GPU
        drop = bool(torch.rand(()) < self.drop_rate)
        return attention_dropout(features, self.threshold, drop=drop)

    def extra_repr(self) -> str:
        """The settings, for printing."""
        return f"drop_rate={self.drop_rate}, threshold={self.threshold}"
