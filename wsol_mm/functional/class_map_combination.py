"""Combinational class activation maps: one map from the maps of all classes, by rank.

Yang et al., WACV 2020 (NL-CCAM): classes are ranked by their scores, best first, and the map of
rank r enters with weight gamma(r). Low ranks show the background, so they enter negatively.
"""

from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Combination = Literal["none", "linear", "signed_quadratic", "neg_quadratic", "top1_minus_lowest"]

__all__ = ["Combination", "combination_weights", "combine_class_maps"]


def combination_weights(
    name: Combination,
    num_classes: int,
    *,
    split: int | float | None = None,
    lowest: int | None = None,
    slope: float | None = None,
) -> NDArray[np.float64]:
    """The weights gamma(r) of the ranks r = 0 (best class) to n - 1.

    * ``none``: the best class's map alone.
    * ``linear``: 1 - 2 r / (n - 1).
    * ``signed_quadratic``: the squares of ``split`` values from 1 down to 0, then minus the squares
      of the rest from 0 to 1 (NL-CCAM's released code, which splits 200 classes at 100).
    * ``neg_quadratic``: -(r / (n - 1))^2, so the best class's own map does not enter (the released
      code of CI-CAM and KG-CI-CAM on CUB; the limit of the former at split 0).
    * ``top1_minus_lowest``: the best class's map minus the mean over the ``lowest`` k ranks of
      their maps times 0, ..., ``slope`` in k equal steps (the same code on ILSVRC: k = 20, slope 2,
      which makes the mean weight 1, or 4).

    Args:
        name: One of the five.
        num_classes: Classes n, at least 2.
        split: Ranks with a positive weight, 0..n, or their share of n, above 0 and below 1; needed
            by ``signed_quadratic`` and no other.
        lowest: k in 2..n; needed by ``top1_minus_lowest`` and no other.
        slope: Last factor of ``top1_minus_lowest``, 2 by default; of no other.

    Returns:
        (n,) float64.

    Raises:
        ValueError: An unknown name, a number out of range, or one that the name has no use for.

    Examples:
        >>> combination_weights("linear", 5).tolist()
        [1.0, 0.5, 0.0, -0.5, -1.0]
        >>> combination_weights("signed_quadratic", 5, split=3).tolist()
        [1.0, 0.25, 0.0, 0.0, -1.0]
        >>> combination_weights("signed_quadratic", 4, split=0.5).tolist()
        [1.0, 0.0, 0.0, -1.0]
        >>> combination_weights("neg_quadratic", 5).tolist()
        [0.0, -0.0625, -0.25, -0.5625, -1.0]
        >>> combination_weights("top1_minus_lowest", 5, lowest=3).round(6).tolist()
        [1.0, 0.0, 0.0, -0.333333, -0.666667]
    """
    if name not in get_args(Combination):
        raise ValueError(f"combination {name!r}: expected one of {get_args(Combination)}")
    if num_classes < 2:
        raise ValueError(f"num_classes={num_classes}: a combination needs at least 2 classes")
    if isinstance(split, float) and 0 < split < 1:
        split = round(split * num_classes)
    _check_use("split", split, name == "signed_quadratic", range(num_classes + 1))
    _check_use("lowest", lowest, name == "top1_minus_lowest", range(2, num_classes + 1))
    if slope is not None and name != "top1_minus_lowest":
        raise ValueError(f"combination {name!r} has no use for slope={slope}")
    if name == "linear":
        return 1.0 - 2.0 * np.arange(num_classes) / (num_classes - 1)
    if name == "neg_quadratic":
        split = 0
    if split is not None:
        above, below = np.linspace(1, 0, int(split)), np.linspace(0, 1, num_classes - int(split))
        return np.concatenate([above**2, 0.0 - below**2])
    weights = np.zeros(num_classes)
    if lowest is not None:
        weights[-lowest:] = 0.0 - np.linspace(0, 2.0 if slope is None else slope, lowest) / lowest
    weights[0] += 1.0
    return weights


def combine_class_maps(
    features: Tensor,
    weight: Tensor,
    scores: Tensor,
    gamma: Tensor,
    labels: Tensor | None = None,
) -> Tensor:
    """Combined maps, with their minimum subtracted.

    Class activation maps are linear in the classifier's rows, so the rows are combined first: one
    vector and one dot product per position, however many classes there are.

    Args:
        features: (B, C, h, w), floating.
        weight: (n, C) rows of the linear classifier.
        scores: (B, n) by which classes are ranked; of equal ones the lower index comes first.
        gamma: (n,) weight of each rank.
        labels: int64 (B, k): classes put on the first rank, before all others, each for a map of
            its own. By default the ranks are the scores' alone, for one map.

    Returns:
        (B, k, h, w), k = 1 without ``labels``; at least 0, not scaled, differentiable in
        ``features`` and ``weight``.

    Source: Yang et al., WACV 2020; Shao et al., ACM MM 2021, eq. 3.

    Example:
        >>> features = torch.tensor([[[[1.0, 2.0]], [[0.0, 4.0]]]])  # (1, 2, 1, 2)
        >>> weight, gamma = torch.eye(2), torch.tensor([1.0, -1.0])
        >>> combine_class_maps(features, weight, torch.tensor([[0.2, 0.8]]), gamma).tolist()
        [[[[0.0, 3.0]]]]
    """
    ranked = scores.detach()[:, None]
    if labels is not None:
        ranked = ranked.expand(-1, labels.shape[1], -1)
        ranked = ranked.scatter(2, labels[..., None], torch.inf)
    order = ranked.argsort(dim=2, descending=True, stable=True)
    by_class = torch.zeros_like(ranked, dtype=weight.dtype)
    by_class = by_class.scatter(2, order, gamma.to(weight.dtype).expand(order.shape))
    maps = torch.einsum("bkc,bchw->bkhw", by_class @ weight, features)
    return maps - maps.amin(dim=(2, 3), keepdim=True)


def _check_use(key: str, value: int | float | None, used: bool, allowed: range) -> None:
    """Refuse a number that is missing, superfluous or out of range."""
    if used and value not in allowed:
        raise ValueError(
            f"{key}={value}: expected {allowed.start} to {allowed.stop - 1} for as many classes"
        )
    if not used and value is not None:
        raise ValueError(f"this combination has no use for {key}={value}")
