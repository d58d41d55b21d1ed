"""Tables of the birds' pseudo boxes: how right the makers are, and what detectors make of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from studies.harness.images import level, mean_difference
from studies.harness.report import markdown_table
from studies.photographs.rows import (
    BOX_MAKERS,
    DETECTORS,
    ENTROPIES,
    MAKERS,
    TRAINING_IMAGES,
    WEND,
)

if TYPE_CHECKING:
    from studies.photographs.report import Line

IOUS = {"gt_known_iou30": "IoU .3", "gt_known": "IoU .5", "gt_known_iou70": "IoU .7"}
TIGHT = "gt_known_iou70"
COLUMNS = {"gt_known": "GT-known", "gt_known_mean": "mean GT-known"}


def makers_table(lines: Sequence[Line]) -> str | None:
    """Percent of the training images whose box is right, a row for each maker; None without one."""
    found = _last(lines)
    rows = [["boxes of", "seeds", *IOUS.values()]]
    for row in MAKERS:
        if line := found.get(row.name):
            columns = list(line.columns.values())
            shares = [f"{level(columns, number).mean:.1f}" for number in IOUS]
            rows.append([row.name.removesuffix(TRAINING_IMAGES), str(len(columns)), *shares])
    return markdown_table(rows) if len(rows) > 1 else None


def detectors_table(lines: Sequence[Line]) -> str | None:
    """Detectors on the test images, each against its own baseline, behind their makers.

    None where no detector is measured.
    """
    found = _last(lines)
    at_val = {line.row.name: line for line in lines if line.checkpoint == "val"}
    heads = [h for name in COLUMNS.values() for h in (name, "difference", "at val's epoch")]
    rows = [["detector", "seeds", *heads, "to", IOUS[TIGHT], "training, s"]]
    if not any(row.name in found for row in DETECTORS):
        return None
    for name, baseline in (
        *((maker, None) for maker in BOX_MAKERS),
        *((row.name, row.baseline) for row in DETECTORS),
    ):
        if line := found.get(name):
            cells = []
            for number in COLUMNS:
                against = line.differences.get(number) if baseline else None
                cells += [f"{line.levels[number].mean:.1f}", against.marked if against else ""]
                cells.append(line.beside(at_val.get(name), number))
            tight = f"{level(list(line.columns.values()), TIGHT).mean:.1f}"
            known = [baseline or "", tight, line.seconds()]
            rows.append([name, str(len(line.seeds)), *cells, *known])
    return markdown_table(rows)


def entropies_table(lines: Sequence[Line]) -> str | None:
    """What each kind of entropy changes over all detectors and makers together.

    None where no pair is measured.
    """
    found = _last(lines)
    rows = [["against none", "pairs", "seeds", *COLUMNS.values()]]
    for kind in ENTROPIES:
        pairs = [
            (found[name.format("")].columns, found[name.format(kind)].columns)
            for detector in WEND
            for maker in BOX_MAKERS
            for name in (f"{detector}{{}} on {maker}'s boxes",)
            if kind and {name.format(kind), name.format("")} <= set(found)
        ]
        if pairs:
            changes = [mean_difference(pairs, number) for number in COLUMNS]
            label = kind.removeprefix(",").removeprefix(" with").strip()
            cells = [change.marked for change, _ in changes]
            rows.append([label, str(len(pairs)), str(changes[0][1]), *cells])
    return markdown_table(rows) if len(rows) > 1 else None


def _last(lines: Sequence[Line]) -> Mapping[str, Line]:
    return {line.row.name: line for line in lines if line.checkpoint == "last"}
