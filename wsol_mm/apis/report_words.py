"""Numbers and stamps of a result in words."""

from __future__ import annotations

import re
from typing import Any

_NAMES = {
    "top1_cls": "Top-1 classification",
    "top5_cls": "Top-5 classification",
    "gt_known": "GT-known, IoU 0.5",
    "top1_loc": "Top-1 Loc",
    "top5_loc": "Top-5 Loc",
    "max_box_acc": "MaxBoxAcc, IoU 0.5",
    "max_box_acc_v2": "MaxBoxAccV2, mean of IoU 0.3, 0.5, 0.7",
    "multi_box_acc_v2": "any box: mean of IoU 0.3, 0.5, 0.7",
    "multi_gt_known": "any box: GT-known",
    "multi5_gt_known": "any of the best 5 boxes: GT-known",
    "multi_top5_loc": "any of the best 5 boxes: Top-5 Loc",
    "mean_boxes": "boxes per image",
    "mean_iou": "mean IoU",
    "pxap": "PxAP",
    "mask_iou": "IoU of masks",
    "max_mask_iou": "IoU of masks at the best threshold",
    "trivial_whole": "the whole image, mean of IoU 0.3, 0.5, 0.7",
    "trivial_centre": "the best centred square, mean of IoU 0.3, 0.5, 0.7",
    "coco_ap": "COCO AP, one class",
    "coco_ap50": "COCO AP at IoU 0.5, one class",
    "coco_ap75": "COCO AP at IoU 0.75, one class",
}
_SOURCES = {
    "oracle": "the best one on the evaluated images themselves (oracle): optimistic",
    "val": "the best one of the validation split, carried over",
    "fixed": "a fixed number, set before",
    "otsu": "Otsu's rule, for each image anew",
    "mean": "the mean of the map, for each image anew",
}


def metric_name(key: str) -> str:
    """A number's name for people.

    >>> metric_name("gt_known_iou70"), metric_name("gt_known")
    ('GT-known, IoU 0.7', 'GT-known, IoU 0.5')
    """
    match = re.fullmatch(r"(.+)_iou(\d+(?:\.\d+)?)", key)
    if match is None:
        return _NAMES.get(key, key.replace("_", " "))
    stem = _NAMES.get(match[1], match[1].replace("_", " ")).split(",")[0]
    stem = stem.split(": mean of")[0]
    return f"{stem}, IoU {float(match[2]) / 100:g}"


def stamp_sentences(stamp: dict[str, Any]) -> list[str]:
    """What moved the numbers, a sentence each.

    Args:
        stamp: Of :func:`wsol_mm.evaluation.results.evaluate_records`.
    """
    protocol, threshold = stamp["protocol"], stamp["threshold"]
    every = "every image" if protocol["average"] == "micro" else "every class"
    sign = "at least" if protocol["match"] == "ge" else "more than"
    said = [
        f"Protocol {protocol['name']}: {protocol['note']}.",
        f"{stamp['images']} images; {every} counts the same; a box is right with {sign} the IoU.",
        f"Predictions are {stamp['prediction'] or 'classes only'}; the network saw the image by "
        f"{stamp['pipeline']}.",
    ]
    if stamp["prediction"] == "maps":
        value = "" if threshold["value"] is None else f" {threshold['value']:.3f}:"
        source = _SOURCES.get(threshold["source"], threshold["source"])
        said.append(f"Threshold of maps:{value} {source}; box rule: {stamp['box_rule']}.")
        normal = stamp.get("normalization") or "none, ready maps"
        said.append(f"Normalisation: {normal}.")
    else:
        said.append(f"Box rule: {stamp['box_rule'] or 'none'}.")
    if stamp.get("class_agnostic"):
        said.append("One map serves all classes: GT-known ignores the class.")
    if stamp.get("classifier"):
        own = stamp["classifier"] == "own"
        name = "the localizer's own" if own else stamp["classifier"]
        said.append(f"Class scores: {name}.")
    for kind, count in stamp.get("degenerate", {}).items():
        said.append(f"{kind.replace('_', ' ')}: {count} images.")
    resamples = stamp["intervals"]["resamples"]
    if resamples:
        said.append(f"Intervals: 95 %, {resamples} bootstrap resamples of the images.")
    return [*said, f"wsol_mm {stamp['wsol_mm']}."]
