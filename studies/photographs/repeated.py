"""What it changes to repeat a training on another processor, seed and all."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path

from studies.harness.images import hits
from studies.harness.store import Result, read_lines, replaced_file, run_name
from studies.photographs.rows import ANY, Bench, Row
from wsol_mm.io import atomic_write

COLUMNS = {"gt_known": "GT-known", "max_box_acc_v2": "MaxBoxAccV2"}


def repeated(bench: Bench, file: Path) -> Iterator[tuple[Row, int, Result, Result]]:
    """Rows of a bench whose last epoch is known of two processors, by seed.

    Args:
        bench: Where the rows are looked up.
        file: The bench's kept results; what they replaced stands in the folder beside it.

    Yields:
        Row, seed, the result that was replaced and the one that is kept.
    """
    before, after = read_lines(replaced_file(file)), read_lines(file)
    for row in bench.rows:
        for seed in range(row.seeds):
            name = run_name(bench.trial(row, seed, ANY, "last"))
            if name in before and processor(before[name]) != processor(after[name]):
                yield row, seed, before[name], after[name]


def processor(result: Result) -> str:
    """Name of the processor that a result was measured on, without its count of cores."""
    return result["machine"]["processor"].split(",")[0]


def write_repeated(benches: Mapping[str, Bench], kept: Path, path: Path) -> int:
    """Both results of every repeated training as csv; how many trainings these are."""
    pairs = [
        (name, *pair)
        for name, bench in benches.items()
        if replaced_file(kept / f"{name}.jsonl").is_file()
        for pair in repeated(bench, kept / f"{name}.jsonl")
    ]
    with atomic_write(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        numbers = [f"{name} {which}" for name in COLUMNS.values() for which in ("first", "second")]
        head = ["bench", "method", "seed", "first processor", "second processor"]
        writer.writerow([*head, *numbers])
        for bench_name, row, seed, *sides in pairs:
            cells = [
                f"{hits(side['images'], number).mean():.2f}" for number in COLUMNS for side in sides
            ]
            writer.writerow([bench_name, row.name, seed, *map(processor, sides), *cells])
    return len(pairs)
