"""From records to a stamped result: numbers, the settings that moved them, a table, a json."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from wsol_mm.evaluation.coco_ap import coco_ap
from wsol_mm.evaluation.protocols import Protocol
from wsol_mm.functional.box_rule import ORACLE, BoxRule
from wsol_mm.functional.image_record import BoxRecord, ImageRecord, MapRecord
from wsol_mm.functional.localization import Localization, compute_localization
from wsol_mm.functional.rates import V2_IOUS
from wsol_mm.io import atomic_write
from wsol_mm.version import __version__


def read_rule(threshold: Any, **fields: Any) -> BoxRule:
    """The rule of a metric, whose threshold may be chosen on the evaluated split.

    Args:
        threshold: ``oracle`` (best on the evaluated split), a number in [0, 1) (``fixed``),
            ``otsu`` or ``mean`` (per image, no ground truth), or ``dict(value=..., source='val')``
            as :func:`transfer_threshold` returns it.
        fields: Other attributes of the rule.

    Raises:
        ValueError: The threshold is none of these; so is ``val``, which needs a run of its own.
    """
    if threshold == "val":
        raise ValueError(
            "threshold='val' stands for the best one of the val split, which tools/test.py finds "
            "by running that split first; without that tool give dict(value=..., source='val')"
        )
    return BoxRule.parse(threshold, words=("oracle", "otsu", "mean"), **fields)


def rule_of_stamp(stamp: Mapping[str, Any]) -> BoxRule:
    """The box rule that a number was computed with, from the stamp beside it."""
    if stamp["prediction"] != "maps":
        return ORACLE
    threshold = stamp["threshold"]
    return BoxRule(
        threshold=threshold["source"] if threshold["value"] is None else threshold["value"],
        source=threshold["source"],
        normalization=stamp.get("normalization", "minmax"),
        percentile=stamp.get("percentile"),
        components=stamp["box_rule"],
    )


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Knobs of the numbers that are not part of a protocol.

    Attributes:
        rule: How maps become boxes; GT-known and Top-k Loc of maps look at these. ``max_box_acc``
            numbers take the best threshold, and their own components, by definition.
        iou_thrs: IoUs of ``gt_known_iouXX`` and ``best_threshold_iouXX``.
        interval: Step of the threshold grid.
        bootstrap: Resamples of the 95 % intervals, 0 for none.
        seed: Seed of the resamples.
    """

    rule: BoxRule = ORACLE
    iou_thrs: Sequence[float] = V2_IOUS
    interval: float = 0.001
    bootstrap: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse settings without meaning."""
        if self.rule.threshold == "val" or self.rule.components == "two_thresholds":
            raise ValueError(
                f"threshold={self.rule.threshold!r}, components={self.rule.components!r}: records "
                "take oracle, otsu, mean or a number, and largest or all"
            )
        if not self.iou_thrs or any(not 0 < thr < 1 for thr in self.iou_thrs):
            raise ValueError(f"iou_thrs={self.iou_thrs}: expected values in (0, 1)")
        if not 0 < self.interval < 1:
            raise ValueError(f"interval={self.interval}: expected a value in (0, 1)")
        if self.bootstrap < 0:
            raise ValueError(f"bootstrap={self.bootstrap}: expected 0 or more resamples")


def map_stamp(rule: BoxRule) -> dict[str, Any]:
    """What a rule says of the way from raw maps to the frame, for the stamp.

    >>> map_stamp(BoxRule(threshold=0.2))["interpolation"]
    'bicubic, float64'
    """
    return {
        "normalization": rule.normalization,
        "percentile": rule.percentile,
        "interpolation": "bicubic, float64" if rule.normalization else "none",
    }


def transfer_threshold(val_metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Carry the threshold chosen on the val split over to another split.

    Args:
        val_metrics: Metrics of a run on val, with or without the metric's prefix.

    Returns:
        ``dict(value=..., source='val')`` for ``WSOLMetric(threshold=...)``: the best threshold at
        IoU 0.5 under that run's box rule.

    Raises:
        KeyError: No such number among the metrics, for example those of a detector.

    >>> transfer_threshold({"wsol/best_threshold_iou50": 0.25, "wsol/gt_known": 60.0})
    {'value': 0.25, 'source': 'val'}
    """
    for key, value in val_metrics.items():
        if key.rsplit("/", 1)[-1] == "best_threshold_iou50":
            return {"value": float(value), "source": "val"}
    raise KeyError(
        "best_threshold_iou50 is not among the val metrics: only maps have a threshold to carry "
        f"over; found {sorted(val_metrics)}"
    )


@dataclass(frozen=True)
class Results:
    """Numbers with the stamp they must be read with."""

    numbers: Localization
    stamp: dict[str, Any]
    class_names: Sequence[str] = field(default=())

    def flat(self) -> dict[str, float]:
        """Numbers and chosen thresholds as plain floats, for loggers and checkpoint selection."""
        chosen = {
            key: value
            for key, value in self.numbers["thresholds"].items()
            if key.startswith(("best_threshold", "threshold"))
        }
        return {**self.numbers["metrics"], **chosen}

    def to_dict(self) -> dict[str, Any]:
        """All of it as json values; the numbers are on the top level."""
        rows = [dict(row) for row in self.numbers["per_class"]]
        for row in rows:
            label = int(row["label"])
            row |= {"label": label, "images": int(row["images"])}
            if label < len(self.class_names):
                row["name"] = self.class_names[label]
        return {
            **self.flat(),
            "intervals": self.numbers["intervals"],
            "thresholds": self.numbers["thresholds"],
            "curves": {key: curve.tolist() for key, curve in self.numbers["curves"].items()},
            "per_class": rows,
            "stamp": self.stamp,
        }

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write :meth:`to_dict` as json, atomically."""
        with atomic_write(path) as temporary:
            temporary.write_text(json.dumps(self.to_dict(), indent=1) + "\n")

    def warning(self) -> str | None:
        """One line on predictions that are none; None where there are no such."""
        counts = self.stamp["degenerate"]
        if not counts:
            return None
        kinds = ", ".join(f"{kind.replace('_', ' ')} {count}" for kind, count in counts.items())
        images = self.stamp["images"]
        return f"degenerate predictions among {images} images, counted as wrong: {kinds}"

    def table(self) -> str:
        """Numbers, intervals, thresholds and their sources, a paper's line, trivial predictors."""
        metrics, thresholds = self.numbers["metrics"], self.numbers["thresholds"]
        source = self.stamp["threshold"]["source"]
        lines = [f"{'metric':26}{'value':>8}  {'95 % interval':17}threshold"]

        def add(key: str) -> None:
            low, high = self.numbers["intervals"].get(key, (None, None))
            span = f"[{low:6.2f}, {high:6.2f}]" if low is not None else ""
            if key.startswith("trivial_centre_"):
                note = f"side {thresholds[key]:.3f} (oracle)"
            elif key in thresholds:
                note = f"{thresholds[key]:.3f} (oracle)"
            elif key.startswith("gt_known") or key in ("top1_loc", "top5_loc", "mask_iou"):
                value = thresholds.get("threshold")
                note = "" if source is None else source
                note = note if value is None else f"{value:.3f} ({source})"
            else:
                note = ""
            lines.append(f"{key:26}{metrics[key]:8.2f}  {span:17}{note}".rstrip())

        trivial = [key for key in metrics if key.startswith("trivial")]
        for key in metrics:
            if key not in trivial:
                add(key)
        papers = {"top1_loc": "Top-1 Loc", "top5_loc": "Top-5 Loc", "gt_known": "GT-known"}
        if papers.keys() <= metrics.keys():
            values = " / ".join(f"{metrics[key]:.2f}" for key in papers)
            lines.append(f"as papers print it, {' / '.join(papers.values())}: {values}")
        if trivial:
            lines.append("trivial predictors, same protocol")
        for key in trivial:
            add(key)
        lines.append("stamp: " + json.dumps(self.stamp))
        return "\n".join(lines)


def degenerate(records: Sequence[ImageRecord]) -> dict[str, int]:
    """How many images have a prediction that is none, by kind; kinds without any are left out.

    ``nan_scores``, ``nan_maps``, ``bad_boxes`` (not finite, or ending before they start) count as
    wrong; ``blank_maps``, in which nothing stands out, and ``no_boxes`` are judged by the protocol.

    >>> blank = MapRecord(img_id="a", gt_label=0, num_gt=1, grey_max=0, level_otsu=0, level_mean=0)
    >>> degenerate([blank])
    {'blank_maps': 1}
    """
    counts = dict.fromkeys(("nan_scores", "nan_maps", "blank_maps", "bad_boxes", "no_boxes"), 0)
    for record in records:
        counts["nan_scores"] += record.bad_scores
        if isinstance(record, MapRecord):
            counts["nan_maps"] += record.nan_map
            counts["blank_maps"] += record.grey_max == 0 and not record.nan_map
        elif isinstance(record, BoxRecord):
            counts["nan_maps"] += record.nan_map
            counts["bad_boxes"] += record.bad_boxes > 0
            of_map, empty = record.map_scope is not None, not len(record.box_iou)
            counts["blank_maps"] += of_map and empty and not record.nan_map
            counts["no_boxes"] += empty and not of_map
    return {kind: count for kind, count in counts.items() if count}


def class_agnostic(records: Sequence[ImageRecord]) -> bool | None:
    """Whether each image has one map for all classes, so that GT-known ignores the class.

    None where that cannot be told: no maps, maps of one class alone, records of earlier versions.

    >>> class_agnostic([ImageRecord(img_id="a", gt_label=0, num_gt=1)]) is None
    True
    """
    scopes = {getattr(record, "map_scope", None) for record in records}
    if "class" in scopes:
        return False  # a map without contrast is the same for all classes, too
    return True if "image" in scopes else None


def evaluate_records(
    records: Sequence[ImageRecord],
    protocol: Protocol,
    settings: Settings,
    *,
    stamp: Mapping[str, Any],
    class_names: Sequence[str] = (),
) -> Results:
    """Compute every number and put the stamp beside it.

    Those of :func:`wsol_mm.functional.localization.compute_localization`; for scored boxes, where
    an image has several objects, :func:`wsol_mm.evaluation.coco_ap.coco_ap` too.

    Args:
        records: One record per image.
        protocol: The protocol they were made under.
        settings: Box rule, intervals.
        stamp: What else moved the numbers: normalisation, classifier, source of the maps.
        class_names: Names for the per-class rows.

    Returns:
        The results.

    Raises:
        ValueError: See :func:`wsol_mm.functional.localization.compute_localization`.
    """
    numbers = compute_localization(
        records,
        iou_thrs=settings.iou_thrs,
        match=protocol.match,
        average=protocol.average,
        interval=settings.interval,
        rule=settings.rule,
        bootstrap=settings.bootstrap,
        seed=settings.seed,
    )
    maps, boxes = isinstance(records[0], MapRecord), isinstance(records[0], BoxRecord)
    scored = boxes and records[0].map_scope is None and records[0].boxes is not None
    if scored and max(record.num_gt for record in records) > 1:
        numbers["metrics"] |= coco_ap(records)
    views = {record.squash for record in records}
    full = {
        "protocol": protocol.to_dict(),
        "prediction": "maps" if maps else "boxes" if boxes else None,
        "pipeline": {(True,): "squash", (False,): "crop"}.get(tuple(views), "squash and crop"),
        "threshold": {
            "source": settings.rule.source if maps else None,
            "value": numbers["thresholds"].get("threshold"),
            "interval": settings.interval,
        },
        "box_rule": settings.rule.components if maps else "best score" if boxes else None,
        "class_agnostic": class_agnostic(records),
        "images": len(records),
        "degenerate": degenerate(records),
        "intervals": {"resamples": settings.bootstrap, "seed": settings.seed},
        "wsol_mm": __version__,
        **stamp,
    }
    return Results(numbers=numbers, stamp=full, class_names=class_names)
