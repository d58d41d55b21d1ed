"""Boxes and masks of saved maps before and after refinement, measured on one data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from wsol_mm.evaluation.map_files import load_map
from wsol_mm.functional.bootstrap import bootstrap_intervals
from wsol_mm.functional.box_rule import BoxRule
from wsol_mm.functional.boxes import box_iou
from wsol_mm.functional.geometry import to_original_frame
from wsol_mm.functional.masks import to_original_mask
from wsol_mm.models.refiners import refine

IOUS = (0.5, 0.7, 0.8, 0.9)


@dataclass(frozen=True)
class Found:
    """What a map says about its image, in the original frame.

    Attributes:
        boxes: (n, 4) float64 xyxy, exclusive end, by the box rule.
        mask: (H, W) bool, everything above the threshold.
    """

    boxes: NDArray[np.float64]
    mask: NDArray[np.bool_]


def find(score_map: NDArray[np.floating], item: Mapping[str, Any], rule: BoxRule) -> Found:
    """Box and mask of a saved map, raw or refined, by the rule of ``tools/refine_maps.py``.

    Args:
        score_map: (h, w).
        item: The data set's item of the image.
        rule: From a map to boxes; the mask takes all components.
    """
    sample = item["data_samples"]
    size = tuple(int(side) for side in sample.ori_shape)
    matrix = np.asarray(sample.homography_matrix)
    upsampled, _ = refine([], torch.from_numpy(score_map)[None], item["inputs"][None])
    values = upsampled[0].numpy()
    boxes = rule.apply(values)
    every, _ = replace(rule, components="all").masks(values)
    boxes = to_original_frame(boxes, matrix, size)
    return Found(boxes, to_original_mask(every.any(axis=0), matrix, size))


def measure(
    folders: Mapping[str, Path], dataset: Dataset, rules: Mapping[str, BoxRule]
) -> dict[str, NDArray[np.float64]]:
    """IoUs of every image under every folder of maps.

    Args:
        folders: Name -> folder with ``<img_id>.npy``.
        dataset: Test split with true boxes and, if the data set has them, masks.
        rules: Name -> rule for these maps, as :func:`find` takes it.

    Returns:
        Name -> (n, 2): best IoU of a found box with a true one, and IoU of the mask with that of
        all objects, NaN without true masks.

    Raises:
        ValueError: An image has no true boxes.
    """
    rows: dict[str, list[tuple[float, float]]] = {name: [] for name in folders}
    for index in range(len(dataset)):
        item = dataset[index]
        sample = item["data_samples"]
        if "gt_instances" not in sample or not len(sample.gt_instances.bboxes):
            raise ValueError(f"{sample.img_id} has no true boxes to compare with")
        truth = np.asarray(sample.gt_instances.bboxes, dtype=np.float64)
        for name, folder in folders.items():
            found = find(load_map(folder / f"{sample.img_id}.npy"), item, rules[name])
            best = float(box_iou(found.boxes, truth).max(initial=0.0))
            overlap = np.nan
            if "gt_mask" in sample:
                true_mask = np.asarray(sample.gt_mask, dtype=bool)
                union = (found.mask | true_mask).sum()
                overlap = float((found.mask & true_mask).sum() / union) if union else 1.0
            rows[name].append((best, overlap))
    return {name: np.array(values) for name, values in rows.items()}


def table(measured: Mapping[str, NDArray[np.float64]]) -> str:
    """Markdown table; refined rows with the difference to the first one and its interval.

    Args:
        measured: Result of :func:`measure`, the maps before refinement first.

    Examples:
        >>> print(table({"CAM": np.array([[0.55, 0.4], [0.75, np.nan]])}))
        | maps | GT(0.5) | GT(0.7) | GT(0.8) | GT(0.9) |
        |---|---|---|---|---|
        | CAM | 100.0 | 50.0 | 0.0 | 0.0 |
    """
    columns = {name: _percent(values) for name, values in measured.items()}
    first = next(iter(columns.values()))
    masks = all(np.isfinite(values).all() for values in columns.values())
    head = ["maps", *(f"GT({iou:g})" for iou in IOUS), *(["mask IoU"] if masks else [])]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for name, values in columns.items():
        cells = [f"{value:.1f}" for value in values.mean(axis=0)]
        if values is not first:
            change = _difference(values - first)
            cells = [f"{cell} ({text})" for cell, text in zip(cells, change, strict=True)]
        lines.append("| " + " | ".join([name, *cells][: len(head)]) + " |")
    return "\n".join(lines)


def _percent(ious: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, 5): right or not at each IoU, and the mask's IoU, times 100."""
    right = ious[:, :1] >= np.array(IOUS)
    return 100 * np.concatenate([right, ious[:, 1:]], axis=1)


def _difference(changes: NDArray[np.float64]) -> list[str]:
    """Mean and 95 % bootstrap interval over images of every column."""
    ends = bootstrap_intervals(
        lambda counts: counts @ changes / len(changes), np.zeros(len(changes), dtype=np.int64)
    )
    pairs: Sequence[Any] = list(zip(changes.mean(axis=0), ends, strict=True))
    return [f"{mean:+.1f}, [{low:+.1f}, {high:+.1f}]" for mean, (low, high) in pairs]
