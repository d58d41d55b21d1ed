"""What SGRM's network learns: labels that an image's score map gives its pixels and superpixels.

Coarse2Fine (LCAR), Pan et al., AAAI 2023, eq. 12.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from wsol_mm.functional.boxes import otsu_level
from wsol_mm.functional.cam import to_grey
from wsol_mm.functional.superpixels import superpixel_means, superpixels

__all__ = [
    "IGNORE",
    "SGRM_PRESETS",
    "FinalMask",
    "Labels",
    "Pivot",
    "SGRMSettings",
    "StopRule",
    "image_labels",
    "reliable_labels",
    "threshold_at",
]

IGNORE = 255
FinalMask = Literal["network", "vote"]
StopRule = Literal["pooled", "per_class"]
Pivot = Literal["mean", "otsu"]


@dataclass(frozen=True)
class SGRMSettings:
    """What decides the result of an image. Defaults are the paper's on CUB where it names one.

    Attributes:
        low: Below this value of the map a pixel is reliably background.
        high: Above it a pixel is reliably object.
        superpixel_low: As ``low``, for means over superpixels.
        superpixel_high: As ``high``, for means over superpixels; the paper has 0.6 on ILSVRC.
        foreground_weight: Weight of the reliable object pixels' mean loss (w1).
        background_weight: Weight of the reliable background pixels' mean loss (w2).
        superpixel_weight: Weight of the superpixels' loss, a mean over all pixels (w3).
        lr: Learning rate of SGD.
        momentum: Momentum of SGD.
        max_iterations: Passes over the image at most.
        tolerance: Training ends once fewer reliable pixels than this share are wrong (``stop``).
        segment_scale: Felzenszwalb's scale; larger means larger superpixels. Not in the paper.
        segment_sigma: Felzenszwalb's blur. Not in the paper.
        segment_min_size: Pixels of the smallest superpixel. Not in the paper.
        train_scale: Side of the training image relative to the image. At 0.5 an iteration costs
            a quarter; the prediction is still made at full size. An approximation of ours.
        seed: Seed of the initial weights, the same for every image.
        pivot: Which value of the map the thresholds take for one half (:func:`threshold_at`): a
            number, or ``mean`` or ``otsu``, each map's own. At 0.5 thresholds are what they say, as
            in the paper; a map whose object begins at 0.09 has part of it below 0.1, and wants a
            pivot of about 0.09.
        mask: The result: ``network``, what the network says of each pixel, or ``vote``, eq. 13 of
            it: the reliable superpixels' labels, and elsewhere the superpixel's majority. The paper
            does not say which of them it evaluates.
        stop: What ``tolerance`` is a share of: ``pooled``, all reliable pixels, as in the paper, of
            which the ground has most, so that half an object of false pixels passes; or
            ``per_class``: pixels of either class taken for the other, each of the smaller class.
    """

    low: float = 0.1
    high: float = 0.6
    superpixel_low: float = 0.1
    superpixel_high: float = 0.4
    foreground_weight: float = 2.0
    background_weight: float = 0.1
    superpixel_weight: float = 0.1
    lr: float = 0.05
    momentum: float = 0.9
    max_iterations: int = 200
    tolerance: float = 0.1
    segment_scale: float = 32.0
    segment_sigma: float = 0.5
    segment_min_size: int = 64
    train_scale: float = 1.0
    seed: int = 0
    pivot: float | Pivot = 0.5
    mask: FinalMask = "network"
    stop: StopRule = "pooled"

    def __post_init__(self) -> None:
        """Refuse settings without meaning."""
        for low, high in (("low", "high"), ("superpixel_low", "superpixel_high")):
            if not 0 <= getattr(self, low) <= getattr(self, high) < 1:
                raise ValueError(
                    f"SGRM: expected 0 <= {low} <= {high} < 1, got {getattr(self, low)} and "
                    f"{getattr(self, high)}"
                )
        if self.max_iterations < 1:
            raise ValueError(f"SGRM: max_iterations must be positive, got {self.max_iterations}")
        if not 0 < self.train_scale <= 1:
            raise ValueError(f"SGRM: train_scale must lie in (0, 1], got {self.train_scale}")
        number = isinstance(self.pivot, int | float) and 0 < self.pivot < 1
        if not number and self.pivot not in get_args(Pivot):
            raise ValueError(
                f"SGRM: pivot must be a number in (0, 1) or one of {get_args(Pivot)}, got "
                f"{self.pivot!r}"
            )
        for key, words in (("mask", get_args(FinalMask)), ("stop", get_args(StopRule))):
            if getattr(self, key) not in words:
                raise ValueError(f"SGRM: {key} must be one of {words}, got {getattr(self, key)!r}")

    def pivot_of(self, values: NDArray[np.float64]) -> float:
        """The pivot of one map (H, W) with values from 0 to 1."""
        if self.pivot == "mean":
            return float(values.mean())
        if self.pivot == "otsu":  # above the last grey level that is cut away, below 1
            return (otsu_level(to_grey(values)) + 1) / 256
        return float(self.pivot)


# Named settings: the paper's, and thresholds about a third of the map, where the objects of a
# convolutional network's maps begin: chosen on val photographs at a quarter of the resolution,
# docs/photographs/refiners.md.
SGRM_PRESETS: dict[str, SGRMSettings] = {
    "lcar": SGRMSettings(),
    "narrow": SGRMSettings(
        low=0.25, high=0.4, superpixel_low=0.25, superpixel_high=0.35, mask="vote"
    ),
}


def threshold_at(threshold: float, pivot: float) -> float:
    """A threshold of [0, 1], moved so that 0.5 comes to lie at the pivot; 0 and 1 stay.

    Examples:
        >>> [round(threshold_at(gamma, 0.09), 3) for gamma in (0.1, 0.5, 0.6)]
        [0.018, 0.09, 0.272]
        >>> threshold_at(0.1, 0.5), threshold_at(0.6, 0.5)
        (0.1, 0.6)
    """
    if threshold <= 0.5:
        return 2 * threshold * pivot
    return 1 - 2 * (1 - threshold) * (1 - pivot)


def reliable_labels(values: NDArray[np.floating], low: float, high: float) -> NDArray[np.uint8]:
    """Labels of pixels with clear values (eq. 12): 0 below ``low``, 1 above ``high``, else 255.

    Examples:
        >>> reliable_labels(np.array([0.05, 0.1, 0.7]), 0.1, 0.6).tolist()
        [0, 255, 1]
    """
    return np.where(values > high, 1, np.where(values < low, 0, IGNORE)).astype(np.uint8)


@dataclass(frozen=True)
class Labels:
    """Labels of one image, (H, W) each.

    Attributes:
        values: float64, the map at the image's size, from 0 to 1; all zeros for a constant map.
        segments: int64, superpixels.
        pixels: uint8, reliable labels of pixels: 0, 1, or 255 for unknown.
        superpixels: uint8, the like of the superpixels' means.
    """

    values: NDArray[np.float64]
    segments: NDArray[np.int64]
    pixels: NDArray[np.uint8]
    superpixels: NDArray[np.uint8]


def image_labels(
    score_map: NDArray[np.floating], image: NDArray[np.uint8], settings: SGRMSettings
) -> Labels:
    """Labels that a map gives the pixels of its image.

    Args:
        score_map: (h, w) raw map; brought to the image's size by bilinear interpolation and to
            [0, 1] by min-max.
        image: (H, W, 3) uint8 that the map lies over.
        settings: Thresholds and superpixels.

    Raises:
        ValueError: Wrong shapes, or a map with NaN or infinity.

    Examples:
        >>> image = np.full((1, 4, 3), 9, np.uint8)
        >>> found = image_labels(np.array([[0.0, 0.2, 0.9, 1.0]]), image, SGRMSettings())
        >>> found.pixels.tolist(), found.superpixels.tolist()  # one colour, one superpixel
        ([[0, 255, 1, 1]], [[1, 1, 1, 1]])
    """
    if score_map.ndim != 2 or image.ndim != 3 or image.dtype != np.uint8:
        raise ValueError(
            f"expected a map (h, w) and a uint8 image (H, W, 3), got {score_map.shape} and "
            f"{image.dtype} {image.shape}"
        )
    if not np.isfinite(score_map).all():
        raise ValueError("the map holds NaN or infinite values; it cannot be refined")
    size = (image.shape[1], image.shape[0])
    values = np.zeros(image.shape[:2])
    if score_map.min() < score_map.max():  # resizing a constant would give it contrast by rounding
        resized = cv2.resize(score_map.astype(np.float64), size, interpolation=cv2.INTER_LINEAR)
        low, high = resized.min(), resized.max()
        values = (resized - low) / (high - low) if high > low else values
    segments = superpixels(
        image,
        scale=settings.segment_scale,
        sigma=settings.segment_sigma,
        min_size=settings.segment_min_size,
    )
    means = superpixel_means(values, segments)
    pivot = settings.pivot_of(values)
    low, high, superpixel_low, superpixel_high = (
        threshold_at(getattr(settings, key), pivot)
        for key in ("low", "high", "superpixel_low", "superpixel_high")
    )
    return Labels(
        values,
        segments,
        reliable_labels(values, low, high),
        reliable_labels(means, superpixel_low, superpixel_high),
    )
