"""What the trainings of rows logged, epoch by epoch: a table of one value."""

from __future__ import annotations

import csv
import json
import statistics
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
    bench: Bench,
    rows: Sequence[Row],
    key: str,
    docs: Path,
    *,
    root: Path,
    seeds: Sequence[int],
) -> int:
    """Write the block ``curves_<key>`` of the page, and a csv beside it.

    The page has the mean over the seeds, the csv each of them. A training that is not below
    ``root`` or never logged the value is said and left out.

    Returns:
        How many rows have every seed.
    """
    found: dict[str, dict[int, dict[int, float]]] = {}
    for row in rows:
        for seed in seeds:
            folder = trial_folder(bench.trial(row, seed, root / "data"), root)
            values = logged(folder / "train", key)
            if values:
                found.setdefault(row.name, {})[seed] = values
            else:
                print(f"left out: {row.name}, seed {seed}: no {key} in {folder}")
    if not found:
        return 0
    curves = [values for by_seed in found.values() for values in by_seed.values()]
    epochs = range(1, max(max(values) for values in curves) + 1)
    heads = [f"epoch {epoch}" for epoch in epochs]
    means, each = [["method", "seeds", *heads]], [["method", "seed", *heads]]
    for name, by_seed in found.items():
        for seed, values in by_seed.items():
            each.append([name, str(seed), *_cells([values], epochs)])
        means.append([name, str(len(by_seed)), *_cells(list(by_seed.values()), epochs)])
    path = docs / "photographs" / f"{key}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as temporary, temporary.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(each)
    write_block(docs / APART_PAGE, f"curves_{key}", markdown_table(means))
    return sum(len(by_seed) == len(seeds) for by_seed in found.values())


def _cells(curves: Sequence[dict[int, float]], epochs: Sequence[int]) -> list[str]:
    """Means over curves by epoch, empty where none has one."""
    cells = []
    for epoch in epochs:
        values = [values[epoch] for values in curves if epoch in values]
        cells.append(f"{statistics.mean(values):.3f}" if values else "")
    return cells
