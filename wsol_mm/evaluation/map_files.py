"""Maps on disk."""

from pathlib import Path

import numpy as np


def load_map(path: Path) -> np.ndarray:
    """Read one map, as ``tools/test.py --dump-maps`` writes it.

    Args:
        path: An .npy file.

    Returns:
        (h, w) floating.

    Raises:
        TypeError: Not floating.
        ValueError: Not an array of two dimensions, or with a NaN.
    """
    try:
        score_map = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ValueError(f"{path}: not a readable .npy array ({error})") from error
    if not np.issubdtype(score_map.dtype, np.floating):
        raise TypeError(f"{path}: expected a floating map, got {score_map.dtype}")
    if score_map.ndim != 2 or score_map.size == 0:
        raise ValueError(f"{path}: expected a map of two dimensions, got {score_map.shape}")
    if not np.isfinite(score_map).all():
        raise ValueError(f"{path}: the map holds NaN or infinite values")
    return score_map
