"""Records from predicted data samples, and files of records."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wsol_mm.evaluation.protocols import Protocol
from wsol_mm.evaluation.view import View, as_array
from wsol_mm.functional.box_rule import ORACLE, BoxRule
from wsol_mm.functional.boxes import box_iou, mean_level, otsu_level
from wsol_mm.functional.component_tree import level_curves
from wsol_mm.functional.image_record import BoxRecord, ImageRecord, MapRecord, Scope
from wsol_mm.functional.pxap import pxap_update
from wsol_mm.functional.rates import top_labels, trivial_update
from wsol_mm.io import atomic_write

RECORDS_FORMAT = "wsol_mm records 1"
_RAGGED = ("top5", "box_iou", "box_score", "boxes", "gt_boxes")


def make_record(
    sample: Mapping[str, Any],
    protocol: Protocol,
    *,
    rule: BoxRule = ORACLE,
    interval: float = 0.001,
    scores: NDArray[Any] | None = None,
) -> ImageRecord:
    """Reduce one predicted data sample to its record.

    Maps, where there are any, go before boxes. ``pred_maps`` are taken raw: upsampled to the
    frame, normalised, cut to 256 grey levels. Only the ground-truth class's map is read: GT-known
    numbers are defined on it, and for Top-k Loc, where each predicted class has its own map, a
    (class, box) pair can be right only if the class is the ground truth's. A class-agnostic map
    (``map_labels == [-1]``) and class-agnostic boxes serve every class. Scores, maps and boxes
    that are not finite are wrong, and the record says so.

    Args:
        sample: Fields of the data contract (``wsol_mm.structures``), arrays or tensors.
        protocol: How boxes are compared.
        rule: How maps are normalised. Its threshold does not enter: a record holds all of them.
        interval: Step of the threshold grid, for the PxAP histograms.
        scores: (K,) class scores of a separate classifier; they replace ``pred_score``.

    Returns:
        A :class:`MapRecord` (maps under a protocol of levels), a :class:`BoxRecord` (boxes, or
        maps under a protocol that takes one box), or the bare :class:`ImageRecord`.

    Raises:
        ValueError: A field is missing or malformed; the message names the image.
    """
    img_id = str(sample["img_id"])
    try:
        truth = read_truth(sample, protocol)
        common = common_fields(sample, truth, protocol, scores)
        if "pred_maps" in sample:
            check_ranking(sample, protocol)
            if protocol.boxes == "two_thresholds" and len(truth.annotated):
                return map_box_record(sample, protocol, truth, common)
            return map_record(sample, protocol, truth, common, rule=rule, interval=interval)
        if "pred_instances" in sample and len(truth.annotated):
            return box_record(sample, protocol, truth, common)
        return ImageRecord(**common)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{img_id}: {error}") from error


class Truth(NamedTuple):
    """Ground truth of an image.

    Attributes:
        view: The frame as a view of the image.
        annotated: (n, 4) all boxes, as annotated.
        boxes: (m, 4) those that the protocol compares with, in the frame.
    """

    view: View
    annotated: NDArray[np.float64]
    boxes: NDArray[np.float64]


def read_truth(sample: Mapping[str, Any], protocol: Protocol) -> Truth:
    """The ground-truth boxes of a sample, in both frames.

    Raises:
        ValueError: Boxes that are none, or neither boxes nor a mask.
    """
    view = View(sample, protocol)
    annotated = np.zeros((0, 4))
    if "gt_instances" in sample:
        annotated = as_array(sample["gt_instances"]["bboxes"]).astype(np.float64).reshape(-1, 4)
    if not np.isfinite(annotated).all() or (annotated[:, 2:] < annotated[:, :2]).any():
        raise ValueError(f"ground-truth boxes {annotated.tolist()} are not finite x0, y0, x1, y1")
    if not len(annotated) and "gt_mask" not in sample:
        raise ValueError("neither ground-truth boxes nor a mask, nothing to compare with")
    boxes = view.boxes(annotated[:1] if protocol.ground_truth == "first" else annotated)
    if protocol.geometry == "input":  # a crop may have cut all of it away
        boxes = boxes[(boxes[:, 2:] > boxes[:, :2]).all(axis=1)]
    return Truth(view, annotated, boxes)


def common_fields(
    sample: Mapping[str, Any], truth: Truth, protocol: Protocol, scores: NDArray[Any] | None
) -> dict[str, Any]:
    """The fields of :class:`ImageRecord`.

    Raises:
        ValueError: The ground-truth class has no score.
    """
    label = int(as_array(sample["gt_label"]).reshape(-1)[0])
    found: dict[str, Any] = {
        "img_id": str(sample["img_id"]),
        "gt_label": label,
        "num_gt": len(truth.annotated),
        "squash": truth.view.squash,
        "image_size": truth.view.size.astype(np.int64),
    }
    if sample.get("img_path"):
        found["img_path"] = str(sample["img_path"])
    scores = sample.get("pred_score") if scores is None else scores
    if scores is not None:
        values = as_array(scores).reshape(-1)
        if not 0 <= label < len(values):
            raise ValueError(f"gt_label {label} has no score, the classes are 0..{len(values) - 1}")
        found["top5"] = top_labels(values)
        found["bad_scores"] = not len(found["top5"])
    if len(truth.annotated):
        whole, centre = trivial_update(truth.boxes, protocol.frame, plus_one=protocol.plus_one)
        found |= {"trivial_whole": whole, "trivial_centre": centre}
    return found


def map_record(
    sample: Mapping[str, Any],
    protocol: Protocol,
    truth: Truth,
    common: dict[str, Any],
    *,
    rule: BoxRule,
    interval: float,
) -> MapRecord:
    """The record of an image's map under a protocol of grey levels.

    Args:
        sample: With ``pred_maps`` and ``map_labels``; ``gt_mask`` and ``ignore_mask`` for PxAP.
        protocol: How boxes are compared.
        truth: Of :func:`read_truth`.
        common: Of :func:`common_fields`.
        rule: How the map is normalised.
        interval: Step of the threshold grid.

    Raises:
        ValueError: No map of the class, or the protocol is not defined on the crop.
    """
    raw = class_map(sample["pred_maps"], sample["map_labels"], common["gt_label"])
    frame = rule.frame(raw, (protocol.frame, protocol.frame))
    if protocol.plus_one and (truth.boxes < 0).any():
        raise ValueError(
            f"a crop cut into a ground-truth box, which lies at {truth.boxes.tolist()} in the "
            f"frame; protocol {protocol.name!r} is not defined there: squash the image, or take "
            "dict(name='wsolevaluation', geometry='input') or 'original'"
        )
    more: dict[str, Any] = {}
    if len(truth.annotated):
        # No box can be right where the crop cut the truth away, or where the map is none.
        curves = np.zeros(256), np.zeros(256), np.zeros((256, 4), np.int16)
        if len(truth.boxes) and frame.finite:
            curves = level_curves(frame.grey, truth.boxes, plus_one=protocol.plus_one)
        more["curve_largest"], more["curve_any"], more["level_boxes"] = curves
        more |= {"to_frame": truth.view.to_frame, "gt_boxes": truth.annotated}
    if "gt_mask" in sample:
        ignore = sample.get("ignore_mask")
        ignore = None if ignore is None else truth.view.mask(as_array(ignore))
        mask = truth.view.mask(as_array(sample["gt_mask"]))
        more["hist_fg"], more["hist_bg"] = pxap_update(frame.values, mask, ignore, interval)
    return MapRecord(
        **common,
        grey_max=int(frame.grey.max()),
        level_otsu=int(otsu_level(frame.grey)),
        level_mean=int(mean_level(frame.values)),
        nan_map=not frame.finite,
        map_scope=map_scope(sample["pred_maps"], sample["map_labels"]),
        **more,
    )


def map_box_record(
    sample: Mapping[str, Any], protocol: Protocol, truth: Truth, common: dict[str, Any]
) -> BoxRecord:
    """The record of an image's map under a protocol that takes one box of it.

    Args:
        sample: With ``pred_maps`` and ``map_labels``.
        protocol: Threshold of the box, and the image it is compared in.
        truth: Of :func:`read_truth`.
        common: Of :func:`common_fields`.

    Raises:
        ValueError: No map of the class.
    """
    raw = class_map(sample["pred_maps"], sample["map_labels"], common["gt_label"])
    rule = BoxRule(threshold=protocol.threshold, components="two_thresholds")
    boxes, gt = rule.apply(raw, (protocol.frame, protocol.frame)), truth.boxes
    in_image = truth.view.to_image(boxes)
    if protocol.compare == "image":
        count = 1 if protocol.ground_truth == "first" else None
        boxes, gt = in_image, truth.annotated[:count]
    return BoxRecord(
        **common,
        box_iou=box_iou(boxes, gt, plus_one=protocol.plus_one).max(axis=1, initial=0.0),
        box_score=np.ones(len(boxes)),
        map_scope=map_scope(sample["pred_maps"], sample["map_labels"]),
        nan_map=not np.isfinite(raw).all(),
        boxes=in_image,
        gt_boxes=truth.annotated,
    )


def box_record(
    sample: Mapping[str, Any], protocol: Protocol, truth: Truth, common: dict[str, Any]
) -> BoxRecord:
    """The record of a detector's boxes.

    A box that is none, or whose score is not finite, is no reason to leave it out: the image would
    be judged by its second best. It counts as wrong at its rank, one without a score as the first.

    Args:
        sample: With ``pred_instances``: ``bboxes`` in the original image, and ``scores``.
        protocol: How boxes are compared.
        truth: Of :func:`read_truth`.
        common: Of :func:`common_fields`.
    """
    instances = sample["pred_instances"]
    scores = as_array(instances["scores"]).astype(np.float64).reshape(-1)
    boxes = as_array(instances["bboxes"]).astype(np.float64).reshape(-1, 4)
    good = np.isfinite(boxes).all(axis=1) & np.isfinite(scores)
    good &= (boxes[:, 2:] >= boxes[:, :2]).all(axis=1)
    scores = np.nan_to_num(scores, nan=np.inf, posinf=np.inf, neginf=-np.inf)
    order = np.argsort(-scores, kind="stable")
    scores, good = scores[order], good[order]
    boxes = np.where(good[:, None], boxes[order], 0.0)
    iou = np.zeros(len(boxes))
    moved = truth.view.boxes(boxes[good])
    iou[good] = box_iou(moved, truth.boxes, plus_one=protocol.plus_one).max(axis=1, initial=0.0)
    return BoxRecord(
        **common,
        box_iou=iou,
        box_score=scores,
        bad_boxes=int((~good).sum()),
        boxes=boxes,
        gt_boxes=truth.annotated,
    )


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


def map_scope(maps: Any, map_labels: Any) -> Scope:
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
    path: str | os.PathLike[str], records: Sequence[ImageRecord], info: Mapping[str, Any]
) -> None:
    """Write records to one npz file, atomically and without pickles.

    Args:
        path: Target; ends in ``.npz``.
        records: Records of one kind with the same fields.
        info: What they were made with (json values), read back by :func:`load_records`.
    """
    rows = [record.present() for record in records]
    arrays: dict[str, NDArray[Any]] = {}
    for key in rows[0]:
        column = [row[key] for row in rows]
        if key in _RAGGED:
            arrays[f"{key}.size"] = np.array([len(entry) for entry in column], dtype=np.int64)
            column = np.concatenate(column)
        arrays[key] = np.asarray(column)
    arrays["info"] = np.array(json.dumps({"format": RECORDS_FORMAT, **info}))
    with atomic_write(path) as temporary:
        np.savez_compressed(temporary, **arrays)


def load_records(path: str | os.PathLike[str]) -> tuple[list[ImageRecord], dict[str, Any]]:
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
        for key in _RAGGED:
            if key in arrays:
                ends = np.cumsum(arrays.pop(f"{key}.size"))
                arrays[key] = np.split(arrays[key], ends[:-1])
        kind = MapRecord if "grey_max" in arrays else BoxRecord if "box_iou" in arrays else None
        kind = kind or ImageRecord
        columns = {field.name: arrays[field.name] for field in fields(kind) if field.name in arrays}
        return [
            kind(**{name: _plain(value) for name, value in zip(columns, row, strict=True)})
            for row in zip(*columns.values(), strict=True)
        ], info
    except (KeyError, OSError, ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is not a file of wsol_mm records") from error


def _plain(value: Any) -> Any:
    """A numpy scalar as Python's own."""
    return value.item() if isinstance(value, np.generic) else value
