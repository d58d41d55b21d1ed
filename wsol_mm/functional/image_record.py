"""What is kept of one evaluated image: all that any localization number needs, a few KB.

``wsol_mm.evaluation.records`` builds these from predictions, and keeps them in files;
:func:`wsol_mm.functional.localization.compute_localization` turns them into numbers. IoUs stay
float64: in float32 an IoU of exactly 0.7 would change sides.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Scope = Literal["image", "class", "unknown"]

__all__ = ["BoxRecord", "ImageRecord", "MapRecord"]


@dataclass(frozen=True, kw_only=True)
class ImageRecord:
    """An image and what it is compared with; as such, that of a run without predictions.

    Attributes:
        img_id: Name of the image.
        gt_label: Ground-truth class.
        num_gt: Number of ground-truth boxes.
        squash: The network saw the whole image.
        top5: (<= 5,) int64 predicted classes, best first; None without class scores, empty where
            they held a NaN.
        bad_scores: They did.
        trivial_whole: IoU of the whole frame; None without ground-truth boxes.
        trivial_centre: (112,) IoU of the centred squares; the same.
        img_path: File of the image, where the data set says it.
        image_size: (2,) int64 width and height of the original image; None in older files.
    """

    img_id: str
    gt_label: int
    num_gt: int
    squash: bool = True
    top5: NDArray[np.int64] | None = None
    bad_scores: bool = False
    trivial_whole: float | None = None
    trivial_centre: Floats | None = None
    img_path: str | None = None
    image_size: NDArray[np.int64] | None = None

    def present(self) -> dict[str, Any]:
        """The fields that this image has, in order."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class MapRecord(ImageRecord):
    """An image with a score map, at all thresholds.

    Attributes:
        grey_max: Largest grey value, 0 for a map in which nothing stands out.
        level_otsu: Grey level of Otsu's rule.
        level_mean: Grey level of the map's mean.
        nan_map: The map held a value that is not finite; it counts as wrong.
        map_scope: What the map belongs to, see :func:`wsol_mm.evaluation.records.map_scope`.
        curve_largest: (256,) best IoU of the largest contour's box at each grey level; None
            without ground-truth boxes.
        curve_any: The same of any contour's box.
        level_boxes: (256, 4) int16 the largest contour's box at each grey level, x0, y0, x1, y1 in
            the frame with an exclusive end; None without ground-truth boxes and in older files.
        to_frame: (4,) float64: x_frame = x * to_frame[0] + to_frame[2], y the same with 1 and 3;
            as ``level_boxes``.
        gt_boxes: (n, 4) all ground truth in the original image; as ``level_boxes``.
        hist_fg: (T + 1,) int32 histogram of the scores of foreground pixels, for PxAP; None
            without masks.
        hist_bg: The same of background pixels.
    """

    grey_max: int
    level_otsu: int
    level_mean: int
    nan_map: bool = False
    map_scope: Scope = "unknown"
    curve_largest: Floats | None = None
    curve_any: Floats | None = None
    level_boxes: NDArray[np.int16] | None = None
    to_frame: Floats | None = None
    gt_boxes: Floats | None = None
    hist_fg: NDArray[np.int32] | None = None
    hist_bg: NDArray[np.int32] | None = None


@dataclass(frozen=True, kw_only=True)
class BoxRecord(ImageRecord):
    """An image with scored boxes, a detector's or the one that a protocol takes from a map.

    Attributes:
        box_iou: (m,) best IoU of each box with the ground truth, by descending score; 0 where a
            box or its score is not finite, or the box ends before it starts.
        box_score: (m,) scores.
        bad_boxes: How many of the boxes are of that kind.
        boxes: (m, 4) in that order: x0, y0, x1, y1 in the original image; None of a map in older
            files.
        gt_boxes: (n, 4) all ground truth of the image; the same.
        map_scope: As in :class:`MapRecord`; None for a detector's boxes.
        nan_map: The same.
    """

    box_iou: Floats
    box_score: Floats
    bad_boxes: int = 0
    boxes: Floats | None = None
    gt_boxes: Floats | None = None
    map_scope: Scope | None = None
    nan_map: bool = False
