"""One small record per image: all that any localization number needs, a few KB.

==========================  ==================================================  ================
field                       what                                                present
==========================  ==================================================  ================
``img_id``, ``gt_label``    name, ground-truth class                            always
``num_gt``                  number of ground-truth boxes                        always
``squash``                  the input shows the whole image                     always
``top5``                    (<= 5,) int64 predicted classes, best first         with class scores
``curve_largest``           (256,) float64: best IoU of the largest contour's   with maps, boxes
                            box at each grey level
``curve_any``               the same, any contour's box                         with maps, boxes
``grey_max``                largest grey value                                  with maps
``level_otsu/_mean``        grey levels of the two rules without ground truth   with maps
``nan_map``                 the map held a NaN and counts as empty              with maps
``map_scope``               ``image``, ``class`` or ``unknown``, see            with maps
                            :func:`map_scope`
``box_iou``, ``box_score``  (m,) float64, by descending score                   with boxes, no map,
                                                                                or one box per map
``boxes``, ``gt_boxes``     (m, 4) in that order, (n, 4) all of the image:      with boxes, no map
                            float64 x0, y0, x1, y1 in the original image
``trivial_whole``           IoU of the whole frame                              with gt boxes
``trivial_centre``          (112,) float64: IoU of centred squares              with gt boxes
``hist_fg``, ``hist_bg``    (T + 1,) int32 score histograms for PxAP            with masks, maps
==========================  ==================================================  ================

IoUs stay float64: in float32 an IoU of exactly 0.7 would change sides.
"""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsol_mm.engine.atomic import atomic_write
from wsol_mm.evaluation.protocols import Protocol
from wsol_mm.evaluation.view import View, as_array
from wsol_mm.functional.box_rule import ORACLE, BoxRule
from wsol_mm.functional.boxes import box_iou, mean_level, otsu_level, two_threshold_box
from wsol_mm.functional.component_tree import best_iou_curves
from wsol_mm.functional.pxap import pxap_update
from wsol_mm.functional.rates import top_labels, trivial_update

Record = dict[str, Any]

RECORDS_FORMAT = "wsol_mm records 1"
_RAGGED = ("top5", "box_iou", "box_score", "boxes", "gt_boxes")


def make_record(
    sample: Mapping[str, Any],
    protocol: Protocol,
    *,
    rule: BoxRule = ORACLE,
    interval: float = 0.001,
    scores: NDArray[Any] | None = None,
) -> Record:
    """Reduce one predicted data sample to its record.

    Maps, where there are any, go before boxes. ``pred_maps`` are taken raw: upsampled to the
    frame, normalised, cut to 256 grey levels. Only the ground-truth class's map is read: GT-known
    numbers are defined on it, and for Top-k Loc, where each predicted class has its own map, a
    (class, box) pair can be right only if the class is the ground truth's. A class-agnostic map
    (``map_labels == [-1]``) and class-agnostic boxes serve every class.

    Args:
        sample: Fields of the data contract (``wsol_mm.structures``), arrays or tensors.
        protocol: How boxes are compared.
        rule: How maps are normalised. Its threshold does not enter: a record holds all of them.
        interval: Step of the threshold grid, for the PxAP histograms.
        scores: (K,) class scores of a separate classifier; they replace ``pred_score``.

    Returns:
        The record.

    Raises:
        ValueError: A field is missing or malformed; the message names the image.
    """
    img_id = str(sample["img_id"])
    try:
        return _make_record(sample, protocol, rule, interval, scores)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{img_id}: {error}") from error


def _make_record(
    sample: Mapping[str, Any],
    protocol: Protocol,
    rule: BoxRule,
    interval: float,
    scores: NDArray[Any] | None,
) -> Record:
    label = int(as_array(sample["gt_label"]).reshape(-1)[0])
    view = View(sample, protocol)
    gt = (
        as_array(sample["gt_instances"]["bboxes"]) if "gt_instances" in sample else np.zeros((0, 4))
    )
    gt = gt.astype(np.float64).reshape(-1, 4)
    if not np.isfinite(gt).all() or (gt[:, 2:] < gt[:, :2]).any():
        raise ValueError(f"ground-truth boxes {gt.tolist()} are not finite x0, y0, x1, y1")
    if not len(gt) and "gt_mask" not in sample:
        raise ValueError("neither ground-truth boxes nor a mask, nothing to compare with")
    record: Record = {
        "img_id": str(sample["img_id"]),
        "gt_label": label,
        "num_gt": len(gt),
        "squash": view.squash,
    }
    scores = sample.get("pred_score") if scores is None else scores
    if scores is not None:
        values = as_array(scores).reshape(-1)
        if not 0 <= label < len(values):
            raise ValueError(f"gt_label {label} has no score, the classes are 0..{len(values) - 1}")
        record["top5"] = top_labels(values)
    every_gt = gt
    gt = gt[:1] if protocol.ground_truth == "first" else gt
    annotated = gt
    if len(gt):
        gt = view.boxes(gt)
        gt = gt[(gt[:, 2:] > gt[:, :2]).all(axis=1)] if protocol.geometry == "input" else gt
        whole, centre = trivial_update(gt, protocol.frame, plus_one=protocol.plus_one)
        record |= {"trivial_whole": whole, "trivial_centre": centre}
    if "pred_maps" in sample:
        check_ranking(sample, protocol)
        record["map_scope"] = map_scope(sample["pred_maps"], sample["map_labels"])
    if "pred_maps" in sample and record["num_gt"] and protocol.boxes == "two_thresholds":
        raw = class_map(sample["pred_maps"], sample["map_labels"], label)
        boxes = two_threshold_box(
            raw, size=(protocol.frame, protocol.frame), threshold=protocol.cut
        )
        if protocol.compare == "image":
            boxes, gt = view.to_image(boxes), annotated
        iou = box_iou(boxes, gt, plus_one=protocol.plus_one).max(axis=1, initial=0.0)
        record |= {"box_iou": iou, "box_score": np.ones(len(boxes))}
    elif "pred_maps" in sample:
        raw = class_map(sample["pred_maps"], sample["map_labels"], label)
        frame = rule.frame(raw, (protocol.frame, protocol.frame))
        score_map, grey, record["nan_map"] = frame.values, frame.grey, not frame.finite
        record["grey_max"] = int(grey.max())
        record["level_otsu"] = int(otsu_level(grey))
        record["level_mean"] = int(mean_level(score_map))
        if protocol.plus_one and (gt < 0).any():
            raise ValueError(
                f"a crop cut into a ground-truth box, which lies at {gt.tolist()} in the frame; "
                f"protocol {protocol.name!r} is not defined there: squash the image, or take "
                "dict(name='wsolevaluation', geometry='input') or 'original'"
            )
        if record["num_gt"]:
            # The crop may have cut all ground truth away: no box can be right then.
            curves = np.zeros((2, 256))
            if len(gt):
                curves = np.stack(best_iou_curves(grey, gt, plus_one=protocol.plus_one))
            record["curve_largest"], record["curve_any"] = curves
        if "gt_mask" in sample:
            ignore = sample.get("ignore_mask")
            ignore = None if ignore is None else view.mask(as_array(ignore))
            hists = pxap_update(score_map, view.mask(as_array(sample["gt_mask"])), ignore, interval)
            record["hist_fg"], record["hist_bg"] = hists
    elif "pred_instances" in sample and record["num_gt"]:
        instances = sample["pred_instances"]
        confidence = as_array(instances["scores"]).astype(np.float64).reshape(-1)
        order = np.argsort(-confidence, kind="stable")
        boxes = as_array(instances["bboxes"]).astype(np.float64).reshape(-1, 4)[order]
        iou = box_iou(view.boxes(boxes), gt, plus_one=protocol.plus_one).max(axis=1, initial=0.0)
        record |= {"box_iou": iou, "box_score": confidence[order]}
        record |= {"boxes": boxes, "gt_boxes": every_gt}
    return record


def class_map(maps: Any, map_labels: Any, label: int) -> NDArray[Any]:
    """The (h, w) map of class ``label``, or the class-agnostic one.

    Raises:
        ValueError: There is no such map, or shapes disagree.
    """
    maps, labels = as_array(maps), as_array(map_labels).reshape(-1)
    if maps.ndim != 3 or len(maps) != len(labels):
        raise ValueError(
            f"pred_maps must be (k, h, w) with one entry of map_labels each, got "
            f"{maps.shape} and {len(labels)} labels"
        )
    if labels.tolist() == [-1]:
        return maps[0]
    found = np.flatnonzero(labels == label)
    if not len(found):
        raise ValueError(
            f"map_labels {labels.tolist()} lack the ground-truth class {label}: the head must "
            "also give the map of gt_label when it is known, or mark one map as -1"
        )
    return maps[found[0]]


def map_scope(maps: Any, map_labels: Any) -> str:
    """What the maps of an image belong to.

    Returns:
        ``image``: one map, or the same one for each class (norm maps, NL-CCAM's combination by
        predicted ranks); ``class``: classes have maps of their own; ``unknown``: a single map of
        one class, as refiners leave it.

    >>> map_scope(np.ones((2, 3, 3)), [4, 1]), map_scope(np.ones((1, 3, 3)), [4])
    ('image', 'unknown')
    """
    maps, labels = as_array(maps), as_array(map_labels).reshape(-1)
    if labels.tolist() == [-1]:
        return "image"
    if len(maps) < 2:
        return "unknown"
    same = all(np.array_equal(maps[0], each, equal_nan=True) for each in maps[1:])
    return "image" if same else "class"


def check_ranking(sample: Mapping[str, Any], protocol: Protocol) -> None:
    """Refuse a sample whose classes were ranked on another view than the protocol says.

    Raises:
        ValueError: As said.
    """
    ranking = sample.get("ranking", "same_view")
    if ranking != protocol.ranking:
        raise ValueError(
            f"classes were ranked on the {ranking}, protocol {protocol.name!r} says "
            f"{protocol.ranking}: 'second_view' needs a wsol_mm.TwoPassClassifier and a test "
            "pipeline with wsol_mm.RankingView; a protocol takes ranking='second_view' as a key"
        )


def save_records(
    path: str | os.PathLike[str], records: Sequence[Record], info: Mapping[str, Any]
) -> None:
    """Write records to one npz file, atomically and without pickles.

    Args:
        path: Target; ends in ``.npz``.
        records: Records with the same fields.
        info: What they were made with (json values), read back by :func:`load_records`.
    """
    arrays: dict[str, NDArray[Any]] = {}
    for key in records[0]:
        column = [record[key] for record in records]
        if key in _RAGGED:
            arrays[f"{key}.size"] = np.array([len(entry) for entry in column], dtype=np.int64)
            column = np.concatenate(column)
        arrays[key] = np.asarray(column)
    arrays["info"] = np.array(json.dumps({"format": RECORDS_FORMAT, **info}))
    with atomic_write(path) as temporary:
        np.savez_compressed(temporary, **arrays)


def load_records(path: str | os.PathLike[str]) -> tuple[list[Record], dict[str, Any]]:
    """Read the records and the ``info`` of :func:`save_records`.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: It is not a file of records.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path} does not exist: make it with WSOLMetric(out=...)")
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
        info = json.loads(str(arrays.pop("info")))
        if info.pop("format") != RECORDS_FORMAT:
            raise KeyError("format")
    except (KeyError, OSError, ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is not a file of wsol_mm records") from error
    for key in _RAGGED:
        if key in arrays:
            ends = np.cumsum(arrays.pop(f"{key}.size"))
            arrays[key] = np.split(arrays[key], ends[:-1])
    names = list(arrays)
    rows = zip(*(arrays[name] for name in names), strict=True)
    records = [dict(zip(names, row, strict=True)) for row in rows]
    for record in records:
        for key, value in record.items():
            if isinstance(value, np.generic):
                record[key] = value.item()
    return records, info
