"""Operators on boxes (x1, y1, x2, y2), signatures of ``mmcv._ext``.

``offset`` 1 counts inclusive pixel ends: a side is ``x2 - x1 + offset`` long.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

__all__ = ["bbox_overlaps", "nms", "nms_match", "softnms"]

Array = npt.NDArray[np.floating]


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Indices (K,) of the kept boxes by falling score; suppresses IoU above the threshold.

    Args:
        boxes, scores: (N, 4) and (N,) floats on one device.
    """
    if offset:
        boxes = boxes + boxes.new_tensor([0, 0, offset, offset])
    # mmcv compares in float32: an IoU of exactly 0.3 is not above 0.3
    return torch.ops.torchvision.nms(boxes, scores, float(np.float32(iou_threshold)))


def softnms(
    boxes: Tensor,
    scores: Tensor,
    dets: Tensor,
    iou_threshold: float,
    sigma: float,
    min_score: float,
    method: int,
    offset: int,
) -> Tensor:
    """Indices (K,) by falling decayed score; the first K rows of ``dets`` are filled.

    Args:
        boxes, scores: (N, 4) and (N,) floats on the CPU.
        dets: (N, 5), written in place: box and decayed score.
        method: 0 drops boxes of IoU at or above the threshold, 1 scales their score by 1 - IoU,
            2 scales every score by exp(-IoU^2 / sigma).
    """
    corners, values = boxes.detach().numpy(), scores.detach().numpy().copy()
    rest = np.arange(len(values))
    kept = []
    while len(rest):
        best = int(values[rest].argmax())
        # the front box moves to the place of the best, as in mmcv: it decides between ties
        chosen, rest[best] = rest[best], rest[0]
        kept.append(chosen)
        rest = rest[1:]
        iou = _iou_with(corners[chosen], corners[rest], offset)
        if method == 2:
            values[rest] *= np.exp(-(iou**2) / sigma)
        else:
            values[rest] *= np.where(iou >= iou_threshold, method * (1 - iou), 1)
        rest = rest[values[rest] >= min_score]
    order = torch.as_tensor(np.array(kept, dtype=np.int64))
    dets[: len(kept), :4] = boxes[order]
    dets[: len(kept), 4] = torch.from_numpy(values)[order]
    return order


def nms_match(dets: Tensor, iou_threshold: float) -> list[list[int]]:
    """Groups of indices: a kept box, then those it suppresses (IoU at or above the threshold).

    Args:
        dets: (N, 5) boxes and scores on the CPU.
    """
    corners = dets[:, :4].detach().numpy()
    rest = dets[:, 4].sort(descending=True, stable=True).indices.numpy()
    groups = []
    while len(rest):
        first, rest = rest[0], rest[1:]
        matched = _iou_with(corners[first], corners[rest], 0) >= iou_threshold
        groups.append([int(first), *rest[matched].tolist()])
        rest = rest[~matched]
    return groups


def bbox_overlaps(
    bboxes1: Tensor, bboxes2: Tensor, ious: Tensor, mode: int, aligned: bool, offset: int
) -> None:
    """IoU (``mode`` 0) or share of the first box (1), written into ``ious``.

    Args:
        bboxes1, bboxes2: (M, 4) and (N, 4).
        ious: (M, N), or (M,) where ``aligned`` pairs the rows.
    """
    first = bboxes1 if aligned else bboxes1[:, None]
    corners = torch.min(first[..., 2:], bboxes2[:, 2:]) - torch.max(first[..., :2], bboxes2[:, :2])
    inter = (corners + offset).clamp(min=0).prod(-1)
    area = (first[..., 2:] - first[..., :2] + offset).prod(-1)
    if mode == 0:
        area = area + (bboxes2[:, 2:] - bboxes2[:, :2] + offset).prod(-1) - inter
    ious.copy_(inter / area)


def _iou_with(box: Array, others: Array, offset: int) -> Array:
    """IoU (N,) of one box (4,) with ``others`` (N, 4); 0 where both are empty."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2]) + offset
    inter = sides.clip(min=0).prod(axis=1)
    union = _area(box, offset) + _area(others, offset) - inter
    return np.divide(inter, union, out=np.zeros_like(inter), where=union != 0)


def _area(boxes: Array, offset: int) -> Array:
    return (boxes[..., 2] - boxes[..., 0] + offset) * (boxes[..., 3] - boxes[..., 1] + offset)
