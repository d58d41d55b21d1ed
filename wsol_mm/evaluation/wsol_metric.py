"""The metric of all localizers and detectors."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from wsol_mm.evaluation.protocols import get_protocol
from wsol_mm.evaluation.records import make_record, save_records
from wsol_mm.evaluation.results import (
    Settings,
    evaluate_records,
    map_stamp,
    read_rule,
    transfer_threshold,
)
from wsol_mm.evaluation.scores import load_classifier_scores
from wsol_mm.functional.image_record import ImageRecord, MapRecord
from wsol_mm.functional.rates import V2_IOUS
from wsol_mm.registry import METRICS

__all__ = ["WSOLMetric", "transfer_threshold"]


@METRICS.register_module()
class WSOLMetric(BaseMetric):
    """Every localization number from one pass over the data.

    MaxBoxAcc, MaxBoxAccV2 and PxAP are those of Choe et al., CVPR 2020.

    Takes maps (``pred_maps``, ``map_labels``) or class-agnostic boxes (``pred_instances``), class
    scores (``pred_score`` or a file), ground-truth boxes and masks; gives the numbers these allow
    (:func:`wsol_mm.functional.localization.compute_localization` lists them; boxes on images with
    several objects also get COCO's class-agnostic ``coco_ap``, ``coco_ap50`` and ``coco_ap75``) as
    plain floats in percent, and logs a table with intervals, trivial predictors and the stamp. One
    small record per image is kept, never a map.

    Args:
        protocol: Name of a protocol, or ``dict(name=..., key=value)`` to change keys of one.
        normalization: ``minmax``, ``max``, ``pas`` or ``ivr``; None for maps that already have the
            frame's size and float64 values in [0, 1].
        percentile: Percentile of ``pas`` and ``ivr``.
        iou_thrs: IoUs of ``gt_known_iouXX`` and ``best_threshold_iouXX``.
        interval: Step of the threshold grid.
        threshold: Threshold of GT-known and Top-k Loc of maps, see
            :class:`wsol_mm.functional.box_rule.BoxRule`. ``max_box_acc`` numbers take the best
            one by definition.
        box_rule: ``largest`` or ``all``, boxes of a map that GT-known looks at.
        classifier_scores: File with the scores of a separate classifier (npz, json or pkl); they
            replace ``pred_score`` and give detectors their Top-k numbers.
        bootstrap: Resamples of the 95 % intervals.
        seed: Seed of the resamples.
        out: Json file for the results; the records go beside it, into ``<stem>_records.npz``.
        collect_device, prefix, collect_dir: As in ``mmengine.evaluator.BaseMetric``.

    Raises:
        ValueError: An argument has no meaning; a sample lacks a field.
        KeyError: ``classifier_scores`` has no scores for an image.
    """

    default_prefix = "wsol"

    def __init__(
        self,
        protocol: str | Mapping[str, Any] = "wsolevaluation",
        normalization: str | None = "minmax",
        percentile: float | None = None,
        iou_thrs: Sequence[float] = V2_IOUS,
        interval: float = 0.001,
        threshold: str | float | Mapping[str, Any] = "oracle",
        box_rule: str = "largest",
        classifier_scores: str | None = None,
        bootstrap: int = 1000,
        seed: int = 0,
        out: str | None = None,
        collect_device: str = "cpu",
        prefix: str | None = None,
        collect_dir: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix, collect_dir=collect_dir)
        self.protocol = get_protocol(protocol)
        rule = read_rule(
            threshold, components=box_rule, normalization=normalization, percentile=percentile
        )
        rule = self.protocol.box_rule(rule)
        self.settings = Settings(
            rule=rule, iou_thrs=iou_thrs, interval=interval, bootstrap=bootstrap, seed=seed
        )
        self.scores = load_classifier_scores(classifier_scores) if classifier_scores else None
        self.out = Path(out) if out else None
        if self.out and self.out.suffix != ".json":
            raise ValueError(f"out={out!r}: expected a name that ends in .json")

    def process(self, data_batch: Any, data_samples: Sequence[Mapping[str, Any]]) -> None:
        """Reduce each sample to its record.

        Args:
            data_batch: Unused.
            data_samples: Predicted samples as dictionaries (``wsol_mm.structures``).
        """
        for sample in data_samples:
            record = make_record(
                sample,
                self.protocol,
                rule=self.settings.rule,
                interval=self.settings.interval,
                scores=self.scores[sample["img_id"]] if self.scores else None,
            )
            self.results.append(record)

    def compute_metrics(self, results: list[ImageRecord]) -> dict[str, float]:
        """Compute, log and, with ``out``, write all numbers.

        Args:
            results: Records of all images.

        Returns:
            Plain floats: percent, and thresholds as shares of the maximum.
        """
        own = bool(results) and results[0].top5 is not None
        stamp: dict[str, Any] = {"classifier": "own" if own else None}
        if self.scores:
            stamp["classifier"] = self.scores.path
        if results and isinstance(results[0], MapRecord):
            stamp |= map_stamp(self.settings.rule)
        names = (self.dataset_meta or {}).get("classes", ())
        labels = {record.gt_label for record in results}
        computed = evaluate_records(
            results,
            self.protocol,
            self.settings,
            stamp=stamp,
            class_names=names if max(labels, default=0) < len(names) else (),
        )
        if self.out:
            save_records(
                self.out.with_name(f"{self.out.stem}_records.npz"), results, computed.stamp
            )
            computed.save(self.out)
        print_log("\n" + computed.table(), logger="current")
        if computed.warning():
            print_log(computed.warning(), logger="current", level=logging.WARNING)
        return computed.flat()
