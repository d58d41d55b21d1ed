"""What repeated runs say about a difference: paired by seed, with Student's t interval."""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Difference:
    """Mean of paired differences.

    Attributes:
        mean: Their mean.
        sd: Their standard deviation (n - 1); nan for one pair.
        n: Number of pairs.
        low: Lower end of the 95 % interval of the mean; -inf for one pair.
        high: Upper end; inf for one pair.
    """

    mean: float
    sd: float
    n: int
    low: float
    high: float

    @property
    def clear(self) -> bool:
        """Whether zero lies outside the interval."""
        return self.low > 0 or self.high < 0


def paired_difference(a: Sequence[float], b: Sequence[float]) -> Difference:
    """Mean of ``b - a`` over pairs, and its 95 % interval after Student.

    Args:
        a: Numbers of the baseline.
        b: Numbers of the method, in the same order of seeds.

    Raises:
        ValueError: No pairs, or unequal lengths.

    Examples:
        >>> shown = paired_difference([10, 20, 30], [12, 23, 31])
        >>> shown.mean, shown.sd, shown.n, round(shown.low, 3), round(shown.high, 3)
        (2.0, 1.0, 3, -0.484, 4.484)
    """
    import numpy as np
    from scipy import stats

    if len(a) != len(b) or not len(a):
        raise ValueError(f"paired_difference: expected pairs, got {len(a)} and {len(b)} numbers")
    difference = np.asarray(b, dtype=np.float64) - np.asarray(a, dtype=np.float64)
    n, mean = len(difference), float(difference.mean())
    if n == 1:
        return Difference(mean, math.nan, n, -math.inf, math.inf)
    sd = float(difference.std(ddof=1))
    half = float(stats.t.ppf(0.975, n - 1)) * sd / math.sqrt(n)
    return Difference(mean, sd, n, mean - half, mean + half)
