"""Rates over images: what counts as right, and how often it is, at one or at every threshold."""

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wsol_mm.functional.bootstrap import Average
from wsol_mm.functional.boxes import box_iou

Floats = NDArray[np.float64]
Match = Literal["ge", "gt"]

V2_IOUS = (0.3, 0.5, 0.7)
# Sides of the centred squares, as shares of the frame: even pixel numbers at 224.
CENTRE_SHARES = np.arange(1, 113) / 112


def iou_key(prefix: str, iou_thr: float) -> str:
    """Name of a number at one IoU threshold.

    >>> iou_key("max_box_acc_v2", 0.3)
    'max_box_acc_v2_iou30'
    """
    return f"{prefix}_iou{100 * iou_thr:g}"


def threshold_levels(grey_max: ArrayLike, thresholds: ArrayLike) -> NDArray[np.int64]:
    """Grey level of a threshold: it is a share of the map's own maximum, truncated.

    >>> threshold_levels(255, [0.0, 0.1, 0.999])
    array([  0,  25, 254])
    """
    levels = np.asarray(thresholds, dtype=np.float64) * np.asarray(grey_max)
    return np.asarray(levels, dtype=np.int64)


def is_hit(iou: ArrayLike, iou_thr: float, match: Match = "ge") -> NDArray[np.bool_]:
    """Whether an IoU counts as right.

    >>> is_hit([0.5, 0.51], 0.5, "ge"), is_hit([0.5, 0.51], 0.5, "gt")
    (array([ True,  True]), array([False,  True]))
    """
    values = np.asarray(iou)
    return values >= iou_thr if match == "ge" else values > iou_thr


def accuracy(values: NDArray[Any], labels: NDArray[np.int64], average: Average = "micro") -> Floats:
    """Mean over images (micro) or over the means of the classes (macro), in percent.

    Args:
        values: (n, ...) booleans or numbers, one row per image.
        labels: (n,) ground-truth class.
        average: ``micro`` or ``macro``.

    >>> right, labels = np.array([True, True, True, False]), np.array([0, 0, 0, 1])
    >>> float(accuracy(right, labels)), float(accuracy(right, labels, "macro"))
    (75.0, 50.0)
    """
    if average == "micro":
        return np.asarray(values.sum(axis=0) * 100.0 / len(values))
    classes, row = np.unique(labels, return_inverse=True)
    sums = np.zeros((len(classes), *values.shape[1:]))
    np.add.at(sums, row, values)
    sizes = np.bincount(row).reshape(-1, *[1] * (values.ndim - 1))
    return np.asarray((sums * 100.0 / sizes).mean(axis=0))


def threshold_curve(
    best_iou: Floats,
    grey_max: NDArray[np.int64],
    labels: NDArray[np.int64],
    thresholds: Floats,
    *,
    iou_thr: float,
    match: Match = "ge",
    average: Average = "micro",
) -> Floats:
    """Accuracy in percent at every threshold, the threshold being shared by all images.

    Args:
        best_iou: (n, 256) best IoU of each image at each grey level.
        grey_max: (n,) largest grey value of each map.
        labels: (n,) ground-truth class, for the macro average.
        thresholds: (T,) shares of the map's maximum.
        iou_thr: IoU from which on a box is right.
        match: ``ge`` or ``gt``.
        average: ``micro`` or ``macro``.

    Returns:
        (T,) float64.

    >>> curve = np.zeros((2, 256))
    >>> curve[0, :10], curve[1, 5:] = 0.6, 0.5
    >>> threshold_curve(curve, np.array([10, 10]), np.array([0, 1]),
    ...                 np.array([0.0, 0.5, 0.9]), iou_thr=0.5)
    array([ 50., 100., 100.])
    """
    right = is_hit(best_iou, iou_thr, match)
    if average == "micro":
        # Integers keep the count, and so the percentage, exact.
        weights: NDArray[Any] = np.ones(len(labels), dtype=np.int64)
        total = len(labels)
    else:
        _, row, sizes = np.unique(labels, return_inverse=True, return_counts=True)
        weights, total = 1.0 / sizes[row], len(sizes)
    correct = np.zeros(len(thresholds), dtype=weights.dtype)
    for peak in np.unique(grey_max):
        of_peak = grey_max == peak
        per_level = weights[of_peak] @ right[of_peak]
        correct += per_level[threshold_levels(peak, thresholds)]
    return np.asarray(correct * 100.0 / total)


def trivial_update(gt: Floats, frame: int, *, plus_one: bool) -> tuple[float, Floats]:
    """Best IoU of the predictors that look at nothing: the whole frame, and centred squares.

    Args:
        gt: (n, 4) ground truth in the evaluation frame.
        frame: Side of the frame in pixels.
        plus_one: Box convention, as in :func:`wsol_mm.functional.boxes.box_iou`; corners are then
            cut at the last pixel, like those of map boxes.

    Returns:
        IoU of the whole frame, and (112,) IoU of squares of side ``CENTRE_SHARES * frame``.

    >>> whole, squares = trivial_update(np.array([[56.0, 56, 168, 168]]), 224, plus_one=False)
    >>> whole, float(squares.max()), float(CENTRE_SHARES[squares.argmax()])
    (0.25, 1.0, 0.5)
    """
    half = CENTRE_SHARES[:, None] * frame / 2
    squares = frame / 2 + half * np.array([-1.0, -1.0, 1.0, 1.0])
    if plus_one:
        squares = squares.clip(max=frame - 1)
    if not len(gt):
        return 0.0, np.zeros(len(squares))
    best = box_iou(squares, gt, plus_one=plus_one).max(axis=1)
    return float(best[-1]), best


def top_labels(scores: ArrayLike, k: int = 5) -> NDArray[np.int64]:
    """The k best classes, best first; equal scores keep the order of their index.

    None is best where a score is NaN or infinitely high: the image is wrong, not of class 0.

    >>> top_labels([0.1, 0.4, 0.4, 0.1], k=3), top_labels([0.1, np.nan])
    (array([1, 2, 0]), array([], dtype=int64))
    """
    values = np.asarray(scores, dtype=np.float64)
    if np.isnan(values).any() or (values == np.inf).any():
        return np.zeros(0, dtype=np.int64)
    return np.argsort(-values, kind="stable")[:k]
