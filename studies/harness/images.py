"""What each test image adds to a number, and intervals over seeds and images together."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Columns = Mapping[str, str | Sequence[float]]

IOUS = (30, 50, 70)  # percent of rates.V2_IOUS
# Numbers that are means of several columns; every other number is its own column. The second is
# the first at one threshold, the stamp's, for all three IoUs.
PARTS = {
    "max_box_acc_v2": tuple(f"max_box_acc_v2_iou{percent}" for percent in IOUS),
    "gt_known_mean": tuple(f"gt_known_iou{percent}" for percent in IOUS),
}


def image_columns(records: str | os.PathLike[str]) -> dict[str, str | list[float]]:
    """Columns of a file of records: for each number an entry per image, in the order of the ids.

    GT-known, Top-k Loc and ``mask_iou`` at the threshold that the file's stamp names, MaxBoxAcc
    numbers and ``max_mask_iou`` at their own; classes where there are class scores.

    Args:
        records: The npz file that ``tools/test.py --out`` leaves beside its numbers.

    Returns:
        Strings of ``0`` and ``1`` for what is right or wrong, lists of percent for IoUs of masks,
        all of the same length.
    """
    from wsol_mm.evaluation.records import load_records
    from wsol_mm.evaluation.results import rule_of_stamp
    from wsol_mm.functional.image_record import BoxRecord, MapRecord
    from wsol_mm.functional.localization import (
        box_columns,
        classification_columns,
        map_columns,
        map_levels,
    )
    from wsol_mm.functional.mask_iou import mask_columns
    from wsol_mm.functional.rates import V2_IOUS

    rows, stamp = load_records(records)
    rows = sorted(rows, key=lambda row: row.img_id)
    protocol = stamp["protocol"]
    found: dict[str, NDArray[np.bool_]] = {}
    shares: dict[str, NDArray[np.float64]] = {}
    if rows[0].top5 is not None:
        found |= classification_columns(rows)
    if isinstance(rows[0], MapRecord) and rows[0].num_gt:
        labels = np.array([row.gt_label for row in rows])
        rule = rule_of_stamp(stamp)
        common = {"average": protocol["average"], "interval": stamp["threshold"]["interval"]}
        found |= map_columns(rows, labels, V2_IOUS, match=protocol["match"], rule=rule, **common)[0]
        if rows[0].hist_fg is not None:
            levels = map_levels(rows, rule.threshold)
            shares = mask_columns(rows, labels, levels, **common)[0]
    elif isinstance(rows[0], BoxRecord):
        found |= box_columns(rows, V2_IOUS, protocol["match"])
    if "gt_known" in found and "top1_cls" in found:
        found["top1_loc"] = found["gt_known"] & found["top1_cls"]
        found["top5_loc"] = found["gt_known"] & found["top5_cls"]
    digits = {name: "".join("01"[bool(hit)] for hit in column) for name, column in found.items()}
    return digits | {name: (100 * share).round(2).tolist() for name, share in shares.items()}


@dataclass(frozen=True)
class Interval:
    """A mean in percent with the ends of its 95 % interval."""

    mean: float
    low: float
    high: float

    @property
    def clear(self) -> bool:
        """Whether zero lies outside."""
        return self.low > 0 or self.high < 0

    @property
    def marked(self) -> str:
        """For markdown tables: bold where it is clear."""
        return f"**{self}**" if self.clear else str(self)

    def __str__(self) -> str:
        """For tables of differences."""
        return f"{self.mean:+.1f} [{self.low:+.1f}, {self.high:+.1f}]"


def hits(columns: Columns, number: str) -> NDArray[np.float64]:
    """(n,) what each image adds to a number, in percent; those in ``PARTS`` are means of three.

    Raises:
        KeyError: The columns do not hold this number.
    """
    parts = [_percent(columns[part]) for part in PARTS.get(number, (number,))]
    return np.asarray(np.mean(parts, axis=0))


def _percent(column: str | Sequence[float]) -> NDArray[np.float64]:
    if isinstance(column, str):
        return 100.0 * (np.frombuffer(column.encode(), dtype=np.uint8) - ord("0"))
    return np.asarray(column, dtype=np.float64)


def bootstrap(values: NDArray[np.float64], times: int = 2000, seed: int = 0) -> Interval:
    """Mean over seeds and images, both drawn anew with replacement.

    Seeds share the test images, so an image that is drawn counts in every drawn seed; a difference
    of two methods is paired by giving the differences.

    Args:
        values: (seeds, images), percent.
        times: Resamples.
        seed: Of the draws.

    >>> found = bootstrap(np.full((3, 50), 20.0))
    >>> found.mean, found.low, found.high
    (20.0, 20.0, 20.0)
    """
    first, second = _draws(*values.shape, times, seed)
    means = np.einsum("ts,si,ti->t", first, values, second, optimize=True)
    low, high = np.percentile(means, [2.5, 97.5])
    return Interval(float(values.mean()), float(low), float(high))


@lru_cache(maxsize=8)  # a page has a thousand intervals over few shapes
def _draws(
    seeds: int, images: int, times: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Shares of (times, seeds) and of (times, images) in each resample."""
    rng = np.random.default_rng(seed)
    first = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=times) / seeds
    second = rng.multinomial(images, np.full(images, 1 / images), size=times) / images
    return first, second


def level(sides: Sequence[Columns], number: str) -> Interval:
    """A number over some seeds of one method."""
    return bootstrap(np.stack([hits(columns, number) for columns in sides]))


def difference(baseline: Sequence[Columns], method: Sequence[Columns], number: str) -> Interval:
    """Method minus baseline, paired by seed and image.

    Args:
        baseline: Columns of each seed.
        method: The same seeds in the same order, on the same images.
        number: Key of a number, ``gt_known`` say.

    Raises:
        ValueError: Other seeds or images on one side.
    """
    pairs = [np.stack([hits(columns, number) for columns in side]) for side in (baseline, method)]
    if pairs[0].shape != pairs[1].shape:
        raise ValueError(
            f"{number}: (seeds, images) is {pairs[0].shape} for the baseline and "
            f"{pairs[1].shape} for the method; a difference is paired"
        )
    return bootstrap(pairs[1] - pairs[0])


def mean_difference(
    pairs: Sequence[tuple[Mapping[int, Columns], Mapping[int, Columns]]], number: str
) -> tuple[Interval, int]:
    """What a change does to several rows together, and how many seeds say so.

    A seed's images have the mean over the pairs that the seed has on both sides; the interval is
    over seeds and images, as everywhere.

    Args:
        pairs: Columns by seed of each baseline, and of the row that differs from it.
        number: As for :func:`difference`.

    Raises:
        ValueError: No seed is on both sides of a pair.
    """
    shared = [(base, row, set(base) & set(row)) for base, row in pairs]
    seeds = sorted(set().union(*(both for *_, both in shared)))
    if not seeds:
        raise ValueError(f"{number}: no pair of rows has a seed in common")
    means = [
        np.mean(
            [
                hits(row[s], number) - hits(base[s], number)
                for base, row, both in shared
                if s in both
            ],
            axis=0,
        )
        for s in seeds
    ]
    return bootstrap(np.stack(means)), len(seeds)
