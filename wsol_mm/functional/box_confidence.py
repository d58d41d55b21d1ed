"""How much a box that was cut from a map is to be trusted, without any truth."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def box_confidence(
    map01: NDArray[np.floating], box: Sequence[float], class_score: float = 1.0
) -> float:
    """The map's share inside the box, times how evenly it fills the box, times a little score.

    With s the share of the map's sum that lies inside, m the mean of the map inside and p the
    class's probability: ``s * (1 - m) * p ** 0.1``. A map that peaks on a part gives a box that is
    full of high values (m near 1) and too small; one that is spread over the whole object, with a
    peak somewhere, gives m near a half. The exponent was chosen on pets; docs/label.md has what
    it is worth on birds, beside what concentration, score and area alone are.

    Args:
        map01: (H, W) normalised map in [0, 1].
        box: x0, y0, x1, y1 in pixels of the map, exclusive end.
        class_score: Probability of the class in [0, 1].

    Returns:
        In [0, 1]; 0 for a box without pixels or a map of zeros.

    Raises:
        ValueError: The map is not one of shape (H, W).

    Examples:
        >>> score_map = np.array([[0.0, 1.0, 0.5, 0.0], [0.0, 0.5, 0.5, 0.5]])
        >>> box_confidence(score_map, (1, 0, 3, 2))  # 2.5 of 3, mean 2.5 / 4
        0.3125
        >>> box_confidence(score_map, (0, 0, 1, 2)), box_confidence(score_map * 0, (1, 0, 3, 2))
        (0.0, 0.0)
    """
    if map01.ndim != 2:
        raise ValueError(f"expected one map of shape (H, W), got shape {map01.shape}")
    x0, y0, x1, y1 = (round(float(edge)) for edge in box)
    inside = map01[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)]
    total = float(map01.sum())
    if not inside.size or total <= 0:
        return 0.0
    share, mean = float(inside.sum()) / total, float(inside.mean())
    return float(share * (1 - mean) * class_score**0.1)
