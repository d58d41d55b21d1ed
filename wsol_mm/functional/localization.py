"""Every localization number, from small per-image records.

:func:`compute_localization` computes all numbers from a list of records
(:mod:`wsol_mm.functional.image_record`; ``wsol_mm.evaluation.records`` makes them). Each number is
a column with one entry per image, so that means, intervals and per-class rows come from the same
place. Rates are percent.

Sources: Top-1/Top-5 Loc and GT-known, Zhou et al., CVPR 2016; MaxBoxAcc, MaxBoxAccV2 and PxAP,
Choe et al., CVPR 2020 and its 2021 extension; several boxes per image, as the weighted entropy
detectors report them: a top-5 class with one of the top-5 boxes, any box for GT-known.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, TypeVar

import numpy as np
from numpy.typing import NDArray

from wsol_mm.functional.bootstrap import Average, bootstrap_intervals
from wsol_mm.functional.box_rule import ORACLE, BoxRule
from wsol_mm.functional.image_record import BoxRecord, ImageRecord, MapRecord
from wsol_mm.functional.mask_iou import mask_columns
from wsol_mm.functional.pxap import pxap_compute, threshold_grid
from wsol_mm.functional.rates import (
    CENTRE_SHARES,
    V2_IOUS,
    Floats,
    Match,
    accuracy,
    iou_key,
    is_hit,
    threshold_curve,
    threshold_levels,
)

T = TypeVar("T")


class Localization(TypedDict):
    """Result of :func:`compute_localization`."""

    metrics: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    thresholds: dict[str, float]
    curves: dict[str, Floats]
    per_class: list[dict[str, float]]


def classification_columns(records: Sequence[ImageRecord]) -> dict[str, NDArray[np.bool_]]:
    """Whether the ground-truth class is first, or among the first five.

    >>> record = ImageRecord(img_id="a", gt_label=2, num_gt=0, top5=np.array([1, 2]))
    >>> columns = classification_columns([record])
    >>> {name: column.tolist() for name, column in columns.items()}
    {'top1_cls': [False], 'top5_cls': [True]}
    """
    pairs = [(record.gt_label, _has(record.top5)) for record in records]
    return {
        "top1_cls": np.array([label in top5[:1] for label, top5 in pairs]),
        "top5_cls": np.array([label in top5[:5] for label, top5 in pairs]),
    }


def box_columns(
    records: Sequence[BoxRecord], iou_thrs: Sequence[float], match: Match
) -> dict[str, NDArray[Any]]:
    """Right or wrong per image for scored boxes: of the best box, of the best five, of all.

    >>> ious, scores = np.array([0.4, 0.8]), np.array([0.9, 0.1])
    >>> record = BoxRecord(img_id="a", gt_label=0, num_gt=1, box_iou=ious, box_score=scores)
    >>> columns = box_columns([record], [0.3], "ge")
    >>> columns["gt_known"].tolist(), columns["multi_gt_known"].tolist()
    ([False], [True])
    """
    ious = [record.box_iou for record in records]
    first, five, every = (
        np.array([iou[:count].max(initial=0.0) for iou in ious]) for count in (1, 5, None)
    )
    columns: dict[str, NDArray[Any]] = {"gt_known": is_hit(first, 0.5, match)}
    columns |= {iou_key("gt_known", thr): is_hit(first, thr, match) for thr in iou_thrs}
    columns["max_box_acc"] = columns["gt_known"]
    for name, best in (("max_box_acc_v2", first), ("multi_box_acc_v2", every)):
        columns |= {iou_key(name, thr): is_hit(best, thr, match) for thr in V2_IOUS}
    columns["multi_gt_known"] = is_hit(every, 0.5, match)
    columns["multi5_gt_known"] = is_hit(five, 0.5, match)
    return columns


def map_columns(
    records: Sequence[MapRecord],
    labels: NDArray[np.int64],
    iou_thrs: Sequence[float],
    *,
    match: Match,
    average: Average,
    interval: float,
    rule: BoxRule,
) -> tuple[dict[str, NDArray[Any]], dict[str, float], dict[str, Floats]]:
    """Right or wrong per image for maps, with the thresholds used and the curves over thresholds.

    Args:
        records: With curves.
        labels: (n,) ground-truth class.
        iou_thrs: IoUs of the GT-known numbers beside 0.5.
        match: ``ge`` or ``gt``.
        average: ``micro`` or ``macro``, decides what the best threshold is.
        interval: Step of the threshold grid.
        rule: Threshold and components of GT-known and Top-k Loc. MaxBoxAcc numbers always take
            the best threshold on these very records, each for itself: that is their definition.

    Returns:
        Columns (n,), thresholds (shares of the maximum), and curves in percent (T,).
    """
    grid = threshold_grid(interval)
    peaks = np.array([record.grey_max for record in records], dtype=np.int64)
    curves = {
        "largest": np.stack([_has(record.curve_largest) for record in records]),
        "all": np.stack([_has(record.curve_any) for record in records]),
    }
    rows = np.arange(len(records))
    columns: dict[str, NDArray[Any]] = {}
    best: dict[str, float] = {}
    swept: dict[str, Floats] = {}

    def sweep(key: str, components: str, thr: float) -> None:
        swept[key] = threshold_curve(
            curves[components], peaks, labels, grid, iou_thr=thr, match=match, average=average
        )
        best[key] = float(grid[swept[key].argmax()])

    wanted = sorted({0.5, *iou_thrs})
    for thr in wanted:
        sweep(iou_key("best_threshold", thr), rule.components, thr)
    maxima = {"max_box_acc": ("largest", 0.5)}
    maxima |= {iou_key("max_box_acc_v2", thr): ("all", thr) for thr in V2_IOUS}
    for key, (components, thr) in maxima.items():
        sweep(key, components, thr)
        chosen = curves[components][rows, threshold_levels(peaks, best[key])]
        columns[key] = is_hit(chosen, thr, match)
    value = best["best_threshold_iou50"] if rule.threshold == "oracle" else rule.threshold
    if not isinstance(value, str):
        best["threshold"] = value
    chosen = curves[rule.components][rows, map_levels(records, value)]
    columns["gt_known"] = is_hit(chosen, 0.5, match)
    columns |= {iou_key("gt_known", thr): is_hit(chosen, thr, match) for thr in iou_thrs}
    return columns, best, swept


def map_levels(records: Sequence[MapRecord], threshold: float | str) -> NDArray[np.int64]:
    """(n,) grey level of each map at a threshold of all, or by each map's own rule.

    Args:
        records: The images.
        threshold: A share of each map's maximum, ``otsu`` or ``mean``.
    """
    if isinstance(threshold, str):
        return np.array([getattr(record, f"level_{threshold}") for record in records], np.int64)
    return threshold_levels([record.grey_max for record in records], threshold)


def trivial_columns(
    records: Sequence[ImageRecord],
    labels: NDArray[np.int64],
    *,
    match: Match,
    average: Average,
) -> tuple[dict[str, NDArray[Any]], dict[str, float]]:
    """Right or wrong per image for the whole frame and for the best centred square.

    The square's side is the best one on these records, for each IoU anew, like the threshold of
    MaxBoxAcc.

    Returns:
        Columns (n,) and the chosen sides as shares of the frame.
    """
    whole = np.array([_has(record.trivial_whole) for record in records])
    squares = np.stack([_has(record.trivial_centre) for record in records])
    columns: dict[str, NDArray[Any]] = {}
    sides: dict[str, float] = {}
    for thr in V2_IOUS:
        columns[iou_key("trivial_whole", thr)] = is_hit(whole, thr, match)
        right = is_hit(squares, thr, match)
        side = int(accuracy(right, labels, average).argmax())
        key = iou_key("trivial_centre", thr)
        columns[key] = right[:, side]
        sides[key] = float(CENTRE_SHARES[side])
    return columns, sides


def compute_localization(
    records: Sequence[ImageRecord],
    *,
    iou_thrs: Sequence[float] = V2_IOUS,
    match: Match = "ge",
    average: Average = "micro",
    interval: float = 0.001,
    rule: BoxRule = ORACLE,
    bootstrap: int = 1000,
    seed: int = 0,
) -> Localization:
    """Every number that the records allow.

    A number needs its fields: no boxes, no Loc numbers; no class scores, no Top-k; no masks, no
    PxAP and no mask IoU. All records must have the same fields.

    * ``gt_known`` (IoU 0.5) and ``gt_known_iouXX``: by ``rule``; its threshold ``oracle``
      is the one that is best for IoU 0.5. For detectors: the best-scored box.
    * ``top1_loc``, ``top5_loc``: ``gt_known`` and the ground-truth class among the first 1 or 5.
      A (class, box) pair is right only where its class is the ground truth's, so of the maps of
      the predicted classes only the ground-truth class's own can decide.
    * ``max_box_acc``, ``max_box_acc_v2`` and ``_iou30/50/70``: best over thresholds, each anew;
      for detectors the best-scored box, and ``multi_box_acc_v2`` for all boxes.
    * ``multi_gt_known`` (any box), ``multi5_gt_known`` (any of the best five),
      ``multi_top5_loc`` (top-5 class and any of the best five boxes), ``mean_boxes`` (a count).
    * ``pxap``; ``max_mask_iou`` (best over thresholds) and ``mask_iou`` (by ``rule``, whose oracle
      is that of the boxes), means over images, see :mod:`wsol_mm.functional.mask_iou`.
    * ``trivial_whole``, ``trivial_centre``: see :func:`trivial_columns`.

    Args:
        records: One per image.
        iou_thrs: IoUs of ``gt_known_iouXX`` and ``best_threshold_iouXX``.
        match: ``ge`` or ``gt``.
        average: ``micro`` (images) or ``macro`` (classes).
        interval: Step of the threshold grid; also that of the records' PxAP histograms.
        rule: Threshold and components; not ``val``, not ``two_thresholds``.
        bootstrap: Number of resamples for the 95 % intervals; 0 for none.
        seed: Seed of the resamples.

    Returns:
        Numbers (percent but for ``mean_boxes``), intervals, thresholds and sides chosen, curves
        over thresholds, and one row of numbers per class.

    Raises:
        ValueError: No records, an image twice, records with different fields, or some images
            without ground-truth boxes.

    Examples:
        >>> from dataclasses import replace
        >>> record = BoxRecord(img_id="a", gt_label=0, num_gt=1, top5=np.array([0]),
        ...                    box_iou=np.array([0.6]), box_score=np.ones(1),
        ...                    trivial_whole=0.4, trivial_centre=np.zeros(112))
        >>> wrong = replace(record, img_id="b", top5=np.array([1]),
        ...                 box_iou=np.array([0.4, 0.9]), box_score=np.ones(2))
        >>> numbers = compute_localization([record, wrong], bootstrap=0)["metrics"]
        >>> [numbers[key] for key in ("gt_known", "top1_loc", "multi_gt_known", "mean_boxes")]
        [50.0, 50.0, 100.0, 1.5]
    """
    check_records(records)
    records = sorted(records, key=lambda record: record.img_id)
    labels = np.array([record.gt_label for record in records], dtype=np.int64)
    columns: dict[str, NDArray[Any]] = {}
    thresholds: dict[str, float] = {}
    curves: dict[str, Floats] = {}
    boxed, classified = records[0].num_gt > 0, records[0].top5 is not None
    maps = [record for record in records if isinstance(record, MapRecord)]
    boxes = [record for record in records if isinstance(record, BoxRecord)]
    more = [thr for thr in iou_thrs if thr != 0.5]
    if classified:
        columns |= classification_columns(records)
    if boxed and maps:
        found, thresholds, curves = map_columns(
            maps, labels, more, match=match, average=average, interval=interval, rule=rule
        )
        columns |= found
    elif boxed and boxes:
        columns |= box_columns(boxes, more, match)
        columns["mean_boxes"] = np.array([len(record.box_iou) for record in boxes])
    for k in (1, 5):
        if "gt_known" in columns and classified:
            columns[f"top{k}_loc"] = columns["gt_known"] & columns[f"top{k}_cls"]
    if "multi5_gt_known" in columns and classified:
        columns["multi_top5_loc"] = columns["multi5_gt_known"] & columns["top5_cls"]
    masked = bool(maps) and maps[0].hist_fg is not None
    if masked:
        value = thresholds.get("threshold", rule.threshold)
        levels = None if value == "oracle" else map_levels(maps, value)
        covered, thresholds["max_mask_iou"] = mask_columns(
            maps, labels, levels, average=average, interval=interval
        )
        columns |= covered
    shown = list(columns)
    if boxed:
        trivial, sides = trivial_columns(records, labels, match=match, average=average)
        columns |= trivial
        thresholds |= sides
    metrics = _means(columns, labels, average)
    for key in ("max_box_acc_v2", "multi_box_acc_v2", "trivial_whole", "trivial_centre"):
        parts = [iou_key(key, thr) for thr in V2_IOUS]
        if parts[0] in columns:
            metrics[key] = float(np.mean([metrics[part] for part in parts]))
            columns[key] = np.mean([columns[part] for part in parts], axis=0)
    rows = [
        {"label": float(label), "images": float((labels == label).sum())}
        | _means({key: columns[key][labels == label] for key in shown}, labels[labels == label])
        for label in np.unique(labels)
    ]
    histograms: list[NDArray[Any]] = []
    if masked:
        for key in ("hist_fg", "hist_bg"):
            stack = np.stack([getattr(record, key) for record in maps])
            histograms.append(stack.astype(np.float64))
        metrics["pxap"] = float(pxap_compute(*(hist.sum(axis=0) for hist in histograms)))
    intervals = {}
    if bootstrap:
        intervals = _intervals(columns, histograms, labels, average, bootstrap, seed)
    return Localization(
        metrics=metrics, intervals=intervals, thresholds=thresholds, curves=curves, per_class=rows
    )


def check_records(records: Sequence[ImageRecord]) -> None:
    """Refuse records that cannot be put side by side.

    Raises:
        ValueError: No records, an image twice, different fields, or boxes for some images only.
    """
    if not records:
        raise ValueError("no records: the split is empty, or no sample reached the metric")
    seen: set[str] = set()
    first = records[0]
    names = first.present().keys()
    for record in records:
        if record.img_id in seen:
            raise ValueError(f"image {record.img_id!r} was evaluated twice")
        seen.add(record.img_id)
        if record.present().keys() != names:
            different = sorted(record.present().keys() ^ names)
            raise ValueError(
                f"images {first.img_id!r} and {record.img_id!r} differ in the fields "
                f"{different}: every image needs the same kind of prediction and ground truth"
            )
        if (record.num_gt > 0) != (first.num_gt > 0):
            without = record if first.num_gt else first
            raise ValueError(
                f"image {without.img_id!r} has no ground-truth box, others have: "
                "leave it out of the split or give it a box"
            )


def _has(value: T | None) -> T:
    """A field that :func:`check_records` has seen to be there."""
    if value is None:
        raise ValueError("a record lacks a field that its neighbours have")
    return value


def _means(
    columns: Mapping[str, NDArray[Any]], labels: NDArray[np.int64], average: Average = "micro"
) -> dict[str, float]:
    """Means of columns: percent, but counts stay counts."""
    means = {key: float(accuracy(column, labels, average)) for key, column in columns.items()}
    if "mean_boxes" in means:
        means["mean_boxes"] /= 100
    return means


def _intervals(
    columns: Mapping[str, NDArray[Any]],
    histograms: Sequence[Floats],
    labels: NDArray[np.int64],
    average: Average,
    times: int,
    seed: int,
) -> dict[str, tuple[float, float]]:
    """95 % intervals of all columns, and of PxAP, from the same resamples."""
    names = list(columns)
    table = np.zeros((len(labels), len(names)))
    for number, key in enumerate(names):
        table[:, number] = columns[key] * (1.0 if key == "mean_boxes" else 100.0)
    weights: Floats = np.full(len(labels), 1.0 / len(labels))
    if average == "macro":
        _, row, sizes = np.unique(labels, return_inverse=True, return_counts=True)
        weights = 1.0 / (sizes[row] * len(sizes))
    table *= weights[:, None]

    def statistics(counts: Floats) -> Floats:
        found = counts @ table
        if histograms:
            fg, bg = (counts @ hist for hist in histograms)
            pxap, some = np.full(len(counts), np.nan), fg.sum(axis=1) > 0
            pxap[some] = pxap_compute(fg[some], bg[some])
            found = np.concatenate([found, pxap[:, None]], axis=1)
        return found

    ends = bootstrap_intervals(statistics, labels, average=average, times=times, seed=seed)
    if histograms:
        names.append("pxap")
    return {key: (float(low), float(high)) for key, (low, high) in zip(names, ends, strict=True)}
