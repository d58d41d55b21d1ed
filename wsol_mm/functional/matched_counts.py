"""Localization by several boxes at equal numbers of boxes, so that detectors can be compared."""

from collections.abc import Sequence

import numpy as np

from wsol_mm.functional.image_record import BoxRecord


def top_boxes(records: Sequence[BoxRecord], count: int, least: float = 0.5) -> float:
    """Share of images of which any of the best boxes is right.

    Args:
        records: Of all images, boxes by descending score.
        count: Boxes counted of each image, at least 1.
        least: IoU of a right box.

    Returns:
        Percent.

    Raises:
        ValueError: No record, or no box is counted.

    Example:
        >>> ious, scores = np.array([0.4, 0.6]), np.array([0.9, 0.2])
        >>> one = BoxRecord(img_id="a", gt_label=0, num_gt=1, box_iou=ious, box_score=scores)
        >>> top_boxes([one], 1), top_boxes([one], 2)
        (0.0, 100.0)
    """
    if not records or count < 1:
        raise ValueError(f"{len(records)} records and {count} boxes: expected at least one of each")
    hits = [record.box_iou[:count].max(initial=0.0) >= least for record in records]
    return 100.0 * int(sum(hits)) / len(records)


def boxes_at_mean(records: Sequence[BoxRecord], mean: float, least: float = 0.5) -> float:
    """Share of images with a right box, at the score cut that leaves so many boxes per image.

    The highest-scored boxes of all images are kept, ``mean`` for each image on average: an image
    may have many or none. A detector that has fewer keeps all.

    Args:
        records: Of all images.
        mean: Boxes per image, positive.
        least: IoU of a right box.

    Returns:
        Percent.

    Raises:
        ValueError: No record, or no box is kept.

    Example:
        >>> pairs = [([0.9, 0.6], [0.4, 0.3]), ([0.2, 0.1], [0.6, 0.5])]  # scores, IoU
        >>> rows = [BoxRecord(img_id=str(n), gt_label=0, num_gt=1, box_iou=np.array(iou),
        ...                   box_score=np.array(score)) for n, (score, iou) in enumerate(pairs)]
        >>> boxes_at_mean(rows, 1), boxes_at_mean(rows, 1.5), boxes_at_mean(rows, 9)
        (0.0, 50.0, 50.0)
    """
    if not records or not mean > 0:
        raise ValueError(f"{len(records)} records and mean {mean}: expected some, and a positive")
    scores = np.concatenate([record.box_score for record in records])
    ious = np.concatenate([record.box_iou for record in records])
    images = np.repeat(np.arange(len(records)), [len(record.box_iou) for record in records])
    kept = np.argsort(-scores, kind="stable")[: round(mean * len(records))]
    right = np.unique(images[kept][ious[kept] >= least])
    return 100.0 * len(right) / len(records)
