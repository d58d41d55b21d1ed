"""Maps on disk."""

from pathlib import Path
from zipfile import BadZipFile

import numpy as np


def seed_file(folder: Path, img_id: str) -> Path:
    """Where the class map beside a saved map stands, if there is one."""
    return folder / f"{img_id}.seed.npz"


def load_seed(path: Path) -> np.ndarray | None:
    """Read a :func:`seed_file`: (h, w) floating, None where there is none.

    Raises:
        ValueError: Not such a file.
    """
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            return file["seed"]
    except (OSError, ValueError, EOFError, KeyError, BadZipFile) as error:
        raise ValueError(f"{path}: not a readable .npz file with a seed ({error})") from error


def load_map(path: Path, *, finite: bool = True) -> np.ndarray:
    """Read one map, as ``tools/test.py --dump-maps`` writes it.

    Args:
        path: An .npy file.
        finite: Refuse NaN and infinities; an evaluation takes such a map as wrong instead.

    Returns:
        (h, w) floating.

    Raises:
        ValueError: Not a floating array of two dimensions, or with a NaN.
    """
    try:
        score_map = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ValueError(f"{path}: not a readable .npy array ({error})") from error
    if not np.issubdtype(score_map.dtype, np.floating):
        raise ValueError(
            f"{path}: expected a floating map, got {score_map.dtype}: save it as float32"
        )
    if score_map.ndim != 2 or score_map.size == 0:
        raise ValueError(f"{path}: expected a map of two dimensions, got {score_map.shape}")
    if finite and not np.isfinite(score_map).all():
        raise ValueError(f"{path}: the map holds NaN or infinite values")
    return score_map
