"""The third kind of column: what the bench of photographs measured of a table's method."""

from __future__ import annotations

from functools import cache

from studies.harness.store import Result
from studies.harness.trial import ROOT
from studies.photographs.rows import BENCHES

KEPT = ROOT / "studies/results/photographs"
BIRDS = "birds"
# never in a column with numbers of CUB-200: it says why itself
HEADING = (
    "ours, six classes of birds (other classes, EfficientNet-Lite0, 144 training images: not to be "
    "read beside a CUB-200 number)"
)
NAMES = {
    "top1_cls": "Top-1 Cls",
    "top5_cls": "Top-5 Cls",
    "top1_loc": "Top-1 Loc",
    "top5_loc": "Top-5 Loc",
    "gt_known": "GT-known",
    "multi_gt_known": "GT-known of all boxes",
    "gt_known_iou70": "GT(.7)",
    "max_box_acc_v2_iou30": "MaxBoxAccV2 at .3",
    "max_box_acc_v2_iou50": ".5",
    "max_box_acc_v2_iou70": ".7",
    "max_box_acc_v2": "MaxBoxAccV2",
}


def heading(metrics: tuple[str, ...]) -> str:
    """Head of the column."""
    return f"{HEADING}: {' / '.join(NAMES[metric] for metric in metrics)}, seeds"


@cache
def bird_results(name: str) -> tuple[Result, ...]:
    """Kept results of a row of the bench at the last epoch, one per finished seed.

    Raises:
        KeyError: The bench has no such row.
    """
    bench = BENCHES["birds"]
    return tuple(bench.finished(bench.row(name), "last", KEPT).values())
