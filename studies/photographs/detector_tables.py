"""Tables and picture of the birds' pseudo boxes: makers, and what detectors make of theirs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from studies.harness.forest import draw_groups
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
AT_ONE_THRESHOLD = "gt_known_mean"
COLUMNS = {"gt_known": "GT-known", AT_ONE_THRESHOLD: "mean GT-known"}
BESIDE = ("difference", "at val's epoch")
# Rows that stand in no grid of detectors, makers and entropies.
ONE_THING = [
    row
    for row in DETECTORS
    if row.name
    not in {
        f"{name}{kind}{end} on {maker}'s boxes"
        for name in ("SCR", *WEND, "Faster R-CNN, frozen network")
        for kind in ENTROPIES
        for end in ("", ",")
        for maker in BOX_MAKERS
    }
]


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
    """Detectors without an entropy on each maker's boxes, behind the maker's own map.

    None where no detector is measured.
    """
    found, at_val = _last(lines), _at_val(lines)
    if not any(row.name in found for row in DETECTORS):
        return None
    rows = [["mean GT-known", *(h for maker in BOX_MAKERS for h in (f"{maker}'s boxes", *BESIDE))]]
    rows.append(["the map that drew them"])
    for maker in BOX_MAKERS:
        rows[-1] += _cells(found.get(maker), at_val.get(maker), against=False)
    for name in ("SCR", *WEND, "Faster R-CNN, frozen network,"):
        names = [f"{name} on {maker}'s boxes" for maker in BOX_MAKERS]
        if any(each in found for each in names):
            cells = [cell for each in names for cell in _cells(found.get(each), at_val.get(each))]
            rows.append([name.strip(","), *cells])
    return markdown_table(rows)


def pairs_table(lines: Sequence[Line]) -> str | None:
    """What each entropy changes in each detector; None where nothing is measured."""
    found, at_val = _last(lines), _at_val(lines)
    kinds = [kind for kind in ENTROPIES if kind]
    rows = [["mean GT-known", *(h for kind in kinds for h in (_label(kind), BESIDE[-1]))]]
    for maker in BOX_MAKERS:
        for name in (*WEND, "Faster R-CNN, frozen network"):
            cells = []
            for kind in kinds:
                row = f"{name}{kind}{',' * ('frozen' in name)} on {maker}'s boxes"
                for line in (found.get(row), at_val.get(row)):
                    change = line and line.differences.get(AT_ONE_THRESHOLD)
                    cells.append(change.marked if change else "")
            if any(cells):
                rows.append([f"{name}, {maker}'s boxes", *cells])
    return markdown_table(rows) if len(rows) > 1 else None


def one_thing_table(lines: Sequence[Line]) -> str | None:
    """The other detectors, each with one thing changed; None where none is measured."""
    found, at_val = _last(lines), _at_val(lines)
    rows = [["detector", "seeds", "mean GT-known", *BESIDE, "to"]]
    for row in ONE_THING:
        if line := found.get(row.name):
            cells = _cells(line, at_val.get(row.name))
            rows.append([row.name, str(len(line.seeds)), *cells, row.baseline or ""])
    return markdown_table(rows) if len(rows) > 1 else None


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
            cells = [change.marked for change, _ in changes]
            rows.append([_label(kind), str(len(pairs)), str(changes[0][1]), *cells])
    return markdown_table(rows) if len(rows) > 1 else None


def draw_detectors(lines: Sequence[Line], path: Path) -> None:
    """A panel for each maker: a line at its map's GT-known, points of detectors and entropies."""
    found = _last(lines)
    names = [f"{name}{{}} on {{}}'s boxes" for name in (*WEND, "SCR")]
    panels = []
    for maker in BOX_MAKERS:
        groups = []
        for name in names:
            each = [found.get(name.format(kind, maker)) for kind in ENTROPIES]
            groups.append([line and line.levels["gt_known"] for line in each])
        own = found.get(maker)
        panels.append((f"GT-known, {maker}'s boxes", own and own.levels["gt_known"].mean, groups))
    if any(span for _, _, groups in panels for group in groups for span in group):
        labels = [name.split("{")[0] for name in names]
        draw_groups(labels, [_label(kind) for kind in ENTROPIES], panels, path)


def _label(kind: str) -> str:
    return kind.removeprefix(",").removeprefix(" with").strip() or "no entropy"


def _cells(line: Line | None, chosen: Line | None, against: bool = True) -> list[str]:
    if line is None:
        return [""] * (1 + len(BESIDE))
    change = line.differences.get(AT_ONE_THRESHOLD) if against else None
    level = line.levels[AT_ONE_THRESHOLD].mean
    marked = change.marked if change else ""
    return [f"{level:.1f}", marked, line.beside(chosen, AT_ONE_THRESHOLD)]


def _last(lines: Sequence[Line]) -> Mapping[str, Line]:
    return {line.row.name: line for line in lines if line.checkpoint == "last"}


def _at_val(lines: Sequence[Line]) -> Mapping[str, Line]:
    return {line.row.name: line for line in lines if line.checkpoint == "val"}
