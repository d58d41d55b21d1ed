"""What the trainings of rows logged, epoch by epoch: a table of one value."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

from studies.harness.report import markdown_table, write_block
from studies.harness.run import trial_folder
from studies.photographs.report import APART_PAGE
from studies.photographs.rows import Bench, Row
from wsol_mm.io import atomic_write


def logged(work_dir: Path, key: str) -> dict[int, float]:
    """A value by epoch, as it was last logged in each, over all parts of a training.

    The log smooths: it is a mean over the last ten steps.
    """
    found = {}
    for log in sorted(work_dir.glob("*/vis_data/scalars.json")):
        for line in log.read_text().splitlines():
            row = json.loads(line)
            if key in row and "epoch" in row:
                found[int(row["epoch"])] = float(row[key])
    return found


def write_curves(
    bench: Bench, rows: Sequence[Row], key: str, docs: Path, *, root: Path, seed: int
) -> int:
    """Write the block ``curves_<key>`` of the page, and a csv beside it; how many rows it has.

    A row whose training is not below ``root`` or never logged the value is said and left out.
    """
    found = {}
    for row in rows:
        folder = trial_folder(bench.trial(row, seed, root / "data"), root)
        values = logged(folder / "train", key)
        if values:
            found[row.name] = values
        else:
            print(f"left out: {row.name}: no {key} in {folder}")
    if not found:
        return 0
    epochs = range(1, max(max(values) for values in found.values()) + 1)
    lines = [["method", *(f"epoch {epoch}" for epoch in epochs)]]
    for name, values in found.items():
        cells = (f"{values[epoch]:.3f}" if epoch in values else "" for epoch in epochs)
        lines.append([name, *cells])
    path = docs / "photographs" / f"{key}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as temporary, temporary.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(lines)
    write_block(docs / APART_PAGE, f"curves_{key}", markdown_table(lines))
    return len(found)
