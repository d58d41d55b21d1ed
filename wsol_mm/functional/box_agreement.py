"""How two sets of boxes for the same images agree: overlap, size bias, by size of the object."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from wsol_mm.functional.boxes import box_iou

Boxes = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Agreement:
    """What :func:`agreement` measures; shares in percent, of images.

    Attributes:
        images: Images with a reference box.
        missing: Those of them without a box.
        mean_iou: Mean IoU of the first box and the reference box that it meets best; 0 where it is
            missing.
        iou30, iou50, iou70: Share of images whose IoU is that or more.
        area_ratio: Geometric mean of the area of the box over that of the reference box, over
            images whose boxes overlap: 1 is no bias, below 1 boxes are too small.
        width_ratio, height_ratio: The same of the sides.
        shorter: Share of the overlapping images whose box has less area than the reference box.
        iou50_small, iou50_middle, iou50_large: Share of ``iou50`` in thirds of the images by the
            area of the reference box; NaN for a third without an image.
    """

    images: int
    missing: int
    mean_iou: float
    iou30: float
    iou50: float
    iou70: float
    area_ratio: float
    width_ratio: float
    height_ratio: float
    shorter: float
    iou50_small: float
    iou50_middle: float
    iou50_large: float

    def to_dict(self) -> dict[str, float | None]:
        """All numbers; NaN becomes None, as json has no other word for it."""
        return {key: None if value != value else value for key, value in asdict(self).items()}


def agreement(boxes: Boxes, reference: Boxes) -> Agreement:
    """Compare the first box of each image with the reference boxes.

    Args:
        boxes: (n, 4) xyxy pixels of each image, the best one first; images may be missing or have
            no box.
        reference: (m, 4) of each image; images without a box are left out.

    Returns:
        The numbers.

    Raises:
        ValueError: No image has a reference box.

    Example:
        >>> truth = {"a": np.array([[0.0, 0, 10, 10]]), "b": np.array([[0.0, 0, 20, 20]])}
        >>> found = agreement({"a": np.array([[0.0, 0, 10, 5]])}, truth)
        >>> found.missing, found.mean_iou, found.iou50, found.area_ratio
        (1, 25.0, 50.0, 0.5)
    """
    overlaps, ratios, areas, missing = [], [], [], 0
    for name, wanted in reference.items():
        if not len(wanted):
            continue
        mine = boxes.get(name, np.zeros((0, 4)))
        sides = wanted[:, 2:] - wanted[:, :2]
        if not len(mine):
            missing += 1
            overlaps.append(0.0)
            areas.append(sides[0].prod())
            continue
        row = box_iou(mine[:1], wanted)[0]
        best = int(row.argmax())
        overlaps.append(float(row[best]))
        areas.append(sides[best].prod())
        if row[best] > 0:
            ratios.append((mine[0, 2:] - mine[0, :2]) / sides[best])
    if not overlaps:
        raise ValueError("no image has a reference box, so there is nothing to compare with")
    ious, logs = np.array(overlaps), np.log(np.array(ratios).reshape(-1, 2))
    order = np.argsort(np.array(areas), kind="stable")
    thirds = [_share(ious[part], 0.5) for part in np.array_split(order, 3)]
    means = np.exp(logs.mean(axis=0)) if len(logs) else np.full(2, np.nan)
    return Agreement(
        images=len(ious),
        missing=missing,
        mean_iou=100.0 * float(ious.mean()),
        iou30=_share(ious, 0.3),
        iou50=_share(ious, 0.5),
        iou70=_share(ious, 0.7),
        area_ratio=float(means.prod()),
        width_ratio=float(means[0]),
        height_ratio=float(means[1]),
        shorter=100.0 * float((logs.sum(axis=1) < 0).mean()) if len(logs) else float("nan"),
        iou50_small=thirds[0],
        iou50_middle=thirds[1],
        iou50_large=thirds[2],
    )


def _share(ious: NDArray[np.float64], least: float) -> float:
    return 100.0 * float((ious >= least).mean()) if len(ious) else float("nan")
