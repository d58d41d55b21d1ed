"""Average precision of class-agnostic boxes, as COCO computes it (Lin et al., ECCV 2014)."""

import contextlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from wsol_mm.functional.image_record import BoxRecord
from wsol_mm.structures import OBJECT_CLASS


def coco_ap(records: Sequence[BoxRecord]) -> dict[str, float]:
    """AP over IoU 0.5 to 0.95, and at 0.5 and 0.75, in percent.

    All boxes of an image are ground truth, whatever their class, and whatever the protocol takes of
    them; boxes are compared in the original image, with no pixel added. COCO's rules: detections of
    all images ranked by score, 101 recall levels, the first 100 boxes of an image.

    Args:
        records: Of a detector, with ``boxes`` and ``gt_boxes``.

    Returns:
        ``coco_ap``, ``coco_ap50`` and ``coco_ap75``.

    Examples:
        >>> gt = np.array([[0, 0, 10, 10], [20, 0, 30, 10]])
        >>> record = BoxRecord(img_id="a", gt_label=0, num_gt=2, gt_boxes=gt, boxes=gt[:1],
        ...                    box_iou=np.ones(1), box_score=np.array([0.9]))
        >>> round(coco_ap([record])["coco_ap50"], 2)  # recall levels 0, .01, ..., .50 of 101
        50.5
    """
    truth: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    records = sorted(records, key=lambda record: record.img_id)
    for number, record in enumerate(records, start=1):
        image = {"image_id": number, "category_id": 1}
        truth += [
            {**image, "id": len(truth) + place, "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
            for place, box in enumerate(_corner_and_size(record.gt_boxes), start=1)
        ]
        boxes = _corner_and_size(record.boxes)
        found += [
            {**image, "bbox": box, "score": float(score)}
            for box, score in zip(boxes, record.box_score, strict=True)
        ]
    if not found:  # which pycocotools cannot load
        return dict.fromkeys(("coco_ap", "coco_ap50", "coco_ap75"), 0.0)
    with contextlib.redirect_stdout(io.StringIO()):  # it prints every step
        coco = COCO()
        coco.dataset = {
            "images": [{"id": number} for number in range(1, len(records) + 1)],
            "annotations": truth,
            "categories": [{"id": 1, "name": OBJECT_CLASS}],
        }
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(found), "bbox")
        evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, np.inf]], ["all"]
        evaluation.evaluate()
        evaluation.accumulate()
    precision = 100 * evaluation.eval["precision"][:, :, 0, 0, -1]  # (10 IoUs, 101 recall levels)
    ious = evaluation.params.iouThrs
    at50, at75 = (precision[np.isclose(ious, iou)].mean() for iou in (0.5, 0.75))
    return {"coco_ap": float(precision.mean()), "coco_ap50": float(at50), "coco_ap75": float(at75)}


def _corner_and_size(boxes: Any) -> list[list[float]]:
    boxes = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1).tolist()
