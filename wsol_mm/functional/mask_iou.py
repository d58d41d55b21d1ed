"""Mask IoU per image, at one or at the best threshold, from the histograms that PxAP is made of.

PxAP has no value per image, so that two methods cannot be paired by it; the mean over images of the
IoU of ``score >= threshold`` with the true mask can.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsol_mm.functional.bootstrap import Average
from wsol_mm.functional.image_record import MapRecord
from wsol_mm.functional.pxap import threshold_grid
from wsol_mm.functional.rates import accuracy

Floats = NDArray[np.float64]


def mask_ious(fg: NDArray[Any], bg: NDArray[Any]) -> Floats:
    """IoU of the mask ``score >= threshold`` with the true one at every threshold.

    Args:
        fg: (..., T + 1) histogram of the scores of foreground pixels
            (:func:`wsol_mm.functional.pxap.pxap_update`).
        bg: (..., T + 1) the same of background pixels; ignored pixels are in neither.

    Returns:
        (..., T + 1) in [0, 1]; 0 where neither mask has a pixel.

    >>> mask_ious(np.array([0, 1, 1]), np.array([1, 1, 0])).tolist()
    [0.5, 0.6666666666666666, 0.5]
    """
    true, false = (np.cumsum(hist[..., ::-1], axis=-1)[..., ::-1] for hist in (fg, bg))
    union = true[..., :1] + false
    return np.asarray(np.divide(true, union, out=np.zeros(union.shape), where=union > 0))


def mask_columns(
    records: Sequence[MapRecord],
    labels: NDArray[np.int64],
    levels: NDArray[np.int64] | None,
    *,
    average: Average,
    interval: float,
) -> tuple[dict[str, Floats], float]:
    """IoU of each image's mask: at given grey levels, and at the best threshold for all.

    Args:
        records: With histograms.
        labels: (n,) ground-truth class.
        levels: (n,) grey levels of the masks ``grey > level``, those of the boxes; None where there
            are none. Met to one step of the grid, since histograms know no grey levels.
        average: ``micro`` or ``macro``, decides what the best threshold is.
        interval: Step of the histograms' threshold grid.

    Returns:
        ``mask_iou`` (with levels) and ``max_mask_iou``, (n,) in [0, 1], 0 for a map that was not
        finite; and the threshold of the latter.

    Raises:
        ValueError: A record has no histograms.
    """
    pairs = [(record.hist_fg, record.hist_bg) for record in records]
    if any(fg is None or bg is None for fg, bg in pairs):
        raise ValueError("mask IoU needs records with histograms: there were no masks")
    ious = mask_ious(*(np.array(side) for side in zip(*pairs, strict=True)))
    ious[[record.nan_map for record in records]] = 0.0
    grid = threshold_grid(interval)
    best = int(accuracy(ious[:, : len(grid)], labels, average).argmax())
    columns = {"max_mask_iou": ious[:, best]}
    if levels is not None:
        # grey > level is score >= (level + 1) / 255; nothing lies above the highest bin
        first = np.ceil((levels + 1) / 255 / interval - 1e-9).astype(np.int64)
        padded = np.pad(ious, ((0, 0), (0, 1)))
        rows = np.arange(len(records))
        columns["mask_iou"] = padded[rows, first.clip(max=padded.shape[1] - 1)]
    return columns, float(grid[best])
