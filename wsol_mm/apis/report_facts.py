"""The numbers of a report that the evaluator does not give: groups of images, errors, differences.

Pure: arrays of :class:`wsol_mm.apis.report_data.Run` in, numbers out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from wsol_mm.apis.report_data import Floats, Run
from wsol_mm.functional.bootstrap import bootstrap_intervals
from wsol_mm.functional.rates import V2_IOUS, iou_key, is_hit

# Limits of the kinds of error, as shares of a box's area.
MOSTLY, COVERED = 0.7, 0.5
KINDS = {
    "right": "IoU of at least 0.5, and the class is first where classes are predicted",
    "wrong class": "the box is right, the first class is not",
    "part only": "70 % of the box or more lie in the object, and the box is smaller",
    "too big": "70 % of the object or more lie in the box, and the box is larger",
    "wrong place": "a box that is neither: shifted, or elsewhere",
    "several objects": "the box covers half or more of at least two true boxes",
    "no box": "the map is blank or not a number, or the detector found nothing",
    "not told": "records of an earlier version: they do not hold boxes",
}


class Group(NamedTuple):
    """Images that share a property.

    Attributes:
        name: The property.
        images: How many.
        rate: Percent of them right at IoU 0.5; NaN for none.
        interval: 95 % interval of the rate (Wilson).
        mean_iou: Mean IoU.
    """

    name: str
    images: int
    rate: float
    interval: tuple[float, float]
    mean_iou: float


@dataclass(frozen=True)
class Difference:
    """A number of two runs on the same images.

    Attributes:
        key: Name of the number.
        values: Of the first and of the second run.
        change: Second minus first.
        interval: 95 % bootstrap interval of the change, paired by image.
    """

    key: str
    values: tuple[float, float]
    change: float
    interval: tuple[float, float]

    @property
    def clear(self) -> bool:
        """The interval leaves zero out; sums of shares are zero up to their rounding."""
        return self.interval[0] > 1e-9 or self.interval[1] < -1e-9


def hits(run: Run, iou_thr: float = 0.5) -> NDArray[np.bool_]:
    """(n,) whether the box of each image is right."""
    if run.iou is None:
        raise ValueError(f"{run.name}: no boxes were compared")
    return is_hit(run.iou, iou_thr, run.protocol.match)


def columns(run: Run) -> dict[str, Floats]:
    """Numbers with one entry per image, percent: those that two runs are compared by."""
    found: dict[str, Floats] = {}
    first = None
    if run.records[0].top5 is not None:
        first = np.array([record.gt_label in list(record.top5)[:1] for record in run.records])  # type: ignore[arg-type]
        found["top1_cls"] = 100.0 * first
    if run.iou is not None:
        found["gt_known"] = 100.0 * hits(run)
        found |= {iou_key("gt_known", thr): 100.0 * hits(run, thr) for thr in V2_IOUS if thr != 0.5}
        if first is not None:
            found["top1_loc"] = found["gt_known"] * first
        found["mean_iou"] = 100.0 * run.iou
    return found


def histogram(iou: Floats, bins: int = 20) -> NDArray[np.int64]:
    """How many images have an IoU in each of ``bins`` equal steps of [0, 1].

    >>> histogram(np.array([0.0, 0.49, 1.0]), 2).tolist()
    [2, 1]
    """
    return np.histogram(iou, bins=bins, range=(0, 1))[0]


def main_boxes(run: Run) -> Floats:
    """(n, 4) the largest true box of each image, as shares of its sides."""
    found = np.zeros((len(run.records), 4))
    for row, record, boxes in zip(found, run.records, run.truth or (), strict=True):
        sides = boxes[:, 2:] - boxes[:, :2]
        if record.image_size is not None and len(boxes):
            row[:] = boxes[sides.prod(axis=1).argmax()] / np.tile(record.image_size, 2)
    return found


def groups(run: Run) -> dict[str, list[Group]]:
    """Rates by size, aspect and place of the largest true box; empty where these are not known."""
    if run.iou is None or run.truth is None or run.records[0].image_size is None:
        return {}
    shares = main_boxes(run)
    sides = shares[:, 2:] - shares[:, :2]
    pixels = sides * np.stack([_size(record.image_size) for record in run.records])
    aspect = pixels[:, 0] / np.maximum(pixels[:, 1], 1e-9)
    centre = (3 * (shares[:, :2] + shares[:, 2:]) / 2).astype(np.int64).clip(0, 2)
    places = [f"{row} {column}".strip() for row in _ROWS for column in _COLUMNS]
    return {
        "size, share of the image": _binned(
            sides.prod(axis=1), (0.05, 0.15, 0.3, 0.6), ("under 5 %", "5 to 15 %", "15 to 30 %",
            "30 to 60 %", "over 60 %"), run
        ),
        "width / height": _binned(
            aspect, (0.5, 0.8, 1.25, 2), ("under 0.5", "0.5 to 0.8", "0.8 to 1.25", "1.25 to 2",
            "over 2"), run
        ),
        "place of the centre": _grouped(centre[:, 1] * 3 + centre[:, 0], places, run),
    }  # fmt: skip


_ROWS, _COLUMNS = ("top", "middle", "bottom"), ("left", "centre", "right")


def _size(size: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """The size of an image whose neighbours have one."""
    return np.ones(2, np.int64) if size is None else size


def _binned(
    values: Floats, edges: tuple[float, ...], names: tuple[str, ...], run: Run
) -> list[Group]:
    return _grouped(np.digitize(values, edges), list(names), run)


def _grouped(number: NDArray[np.int64], names: list[str], run: Run) -> list[Group]:
    right, iou = hits(run), run.iou
    found = []
    for index, name in enumerate(names):
        chosen = number == index
        count = int(chosen.sum())
        if not count or iou is None:
            found.append(Group(name, 0, float("nan"), (float("nan"),) * 2, float("nan")))
            continue
        good = int(right[chosen].sum())
        low, high = binomtest(good, count).proportion_ci(method="wilson")
        mean = float(iou[chosen].mean())
        found.append(Group(name, count, 100 * good / count, (100 * low, 100 * high), mean))
    return found


def error_kind(box: Floats, truth: Floats) -> str:
    """What is wrong with a box that misses.

    Args:
        box: (4,) x0, y0, x1, y1; empty for none.
        truth: (m, 4) true boxes of the image.

    Returns:
        A key of :data:`KINDS`. The kinds are judged against the true box with the largest overlap.

    >>> one = np.array([[0.0, 0, 10, 10]])
    >>> error_kind(np.array([2.0, 2, 6, 6]), one), error_kind(np.array([0.0, 0, 20, 20]), one)
    ('part only', 'too big')
    >>> two = np.array([[0.0, 0, 10, 10], [10, 0, 20, 10]])
    >>> error_kind(np.array([0.0, 0, 20, 10]), two), error_kind(np.array([8.0, 8, 18, 18]), one)
    ('several objects', 'wrong place')
    """
    width, height = box[2] - box[0], box[3] - box[1]
    if width <= 0 or height <= 0:
        return "no box"
    low, high = np.maximum(box[:2], truth[:, :2]), np.minimum(box[2:], truth[:, 2:])
    overlap = np.clip(high - low, 0, None).prod(axis=1)
    areas = (truth[:, 2:] - truth[:, :2]).prod(axis=1)
    if not len(truth) or not overlap.any():
        return "wrong place"
    covered = overlap / np.maximum(areas, 1e-9)
    if (covered >= COVERED).sum() >= 2:
        return "several objects"
    best, area = int(overlap.argmax()), width * height
    if overlap[best] / area >= MOSTLY and area < areas[best]:
        return "part only"
    if covered[best] >= MOSTLY and area > areas[best]:
        return "too big"
    return "wrong place"


def kinds(run: Run) -> list[str]:
    """The kind of each image, keys of :data:`KINDS`."""
    right = hits(run)
    found = []
    for index, record in enumerate(run.records):
        if right[index]:
            first = record.top5 is None or record.gt_label in record.top5[:1]
            found.append("right" if first else "wrong class")
        elif run.boxes is None or run.truth is None:
            found.append("not told")
        else:
            found.append(error_kind(run.boxes[index], run.truth[index]))
    return found


def examples(values: Floats, count: int = 6) -> dict[str, list[int]]:
    """Positions of the best, the median and the worst images.

    None stands twice where there are three images or more.

    >>> examples(np.array([0.5, 0.1, 0.9]), 6)
    {'best': [2], 'median': [0], 'worst': [1]}
    """
    order = np.argsort(values, kind="stable").tolist()
    count = min(count, max(1, len(order) // 3))
    middle = max(0, len(order) // 2 - count // 2)
    found = {"best": order[::-1][:count], "median": order[middle : middle + count]}
    return found | {"worst": order[:count]}


def paired(first: Run, second: Run) -> tuple[list[int], list[int]]:
    """Positions of the images that both runs have, in the order of their names.

    Raises:
        ValueError: There is none, or an image has another class in the other run.
    """
    where = {record.img_id: index for index, record in enumerate(second.records)}
    pairs = [
        (index, where[record.img_id])
        for index, record in enumerate(first.records)
        if record.img_id in where
    ]
    if not pairs:
        raise ValueError(f"{first.name} and {second.name} have no image in common")
    for left, right in pairs:
        if first.records[left].gt_label != second.records[right].gt_label:
            raise ValueError(
                f"{first.records[left].img_id} has another class in {second.name} than in "
                f"{first.name}: runs of different data"
            )
    return [left for left, _ in pairs], [right for _, right in pairs]


def differences(first: Run, second: Run, times: int = 1000, seed: int = 0) -> list[Difference]:
    """What the second run does better, paired by image.

    Each resample draws images, and both runs are looked at on the same ones; thresholds stay those
    that the runs' numbers were computed with. Under a macro average classes count the same.
    """
    left, right = paired(first, second)
    one, other = columns(first), columns(second)
    keys = [key for key in one if key in other]
    if not keys:
        raise ValueError(f"{first.name} and {second.name} have no number in common")
    before = np.stack([one[key][left] for key in keys], axis=1)
    after = np.stack([other[key][right] for key in keys], axis=1)
    labels, average = first.labels[left], first.protocol.average
    weight = np.full(len(labels), 1 / len(labels))
    if average == "macro":
        _, index, sizes = np.unique(labels, return_inverse=True, return_counts=True)
        weight = 1 / (len(sizes) * sizes[index])
    change = weight[:, None] * (after - before)
    ends = bootstrap_intervals(
        lambda counts: counts @ change, labels, average=average, times=times, seed=seed
    )
    return [
        Difference(
            key,
            (float(weight @ before[:, k]), float(weight @ after[:, k])),
            float(change[:, k].sum()),
            (float(ends[k, 0]), float(ends[k, 1])),
        )
        for k, key in enumerate(keys)
    ]
