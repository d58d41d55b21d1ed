"""Dropout that aims at the most attended positions of a feature map.

A feature map's attention is its mean over channels, one value for each position. What counts as
attended is relative to the image's own maximum.
"""

import torch
from torch import Tensor

__all__ = ["attention_dropout", "attention_mask"]


def attention_mask(features: Tensor, threshold: float) -> Tensor:
    """Where the channel mean reaches a share of its maximum over the image.

    Args:
        features: Feature maps (B, C, h, w), floating.
        threshold: Share of the maximum.

    Returns:
        bool (B, 1, h, w): channel mean >= ``threshold`` * spatial maximum. It carries no gradient.
        A constant map that is not negative is attended everywhere, a map whose channel means are
        all negative nowhere (0 < ``threshold`` < 1).

    Examples:
        >>> features = torch.tensor([[[[1.0, 4.0, 3.0]], [[1.0, 4.0, 1.0]]]])  # means 1, 4, 2
        >>> attention_mask(features, 0.5).tolist()
        [[[[False, True, True]]]]
    """
    attention = features.detach().mean(dim=1, keepdim=True)
    return attention >= threshold * attention.amax(dim=(2, 3), keepdim=True)


def attention_dropout(features: Tensor, threshold: float, *, drop: bool) -> Tensor:
    """One of the two branches of attention-based dropout.

    Choe and Shim, CVPR 2019: the drop mask hides the most attended positions, the importance map
    weighs every position by the sigmoid of its attention. Kept values are not rescaled.

    Args:
        features: Feature maps (B, C, h, w), floating.
        threshold: Share of each image's largest attention from which positions are dropped.
        drop: Multiply by the drop mask (0 where :func:`attention_mask`, else 1); otherwise by the
            importance map.

    Returns:
        (B, C, h, w), dtype of ``features``. Gradients flow through the features, and through the
        importance map; the drop mask is a comparison and carries none.

    Examples:
        >>> features = torch.tensor([[[[0.0, 8.0, 2.0]]]])
        >>> attention_dropout(features, 0.5, drop=True).tolist()
        [[[[0.0, 0.0, 2.0]]]]
        >>> scaled = attention_dropout(features, 0.5, drop=False)
        >>> torch.equal(scaled, features * features.sigmoid())
        True
    """
    if drop:
        return features * ~attention_mask(features, threshold)
    return features * torch.sigmoid(features.mean(dim=1, keepdim=True))
