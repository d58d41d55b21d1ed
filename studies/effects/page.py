"""docs/effects.md: a picture and one line for each claim; everything else as csv beside it."""

from __future__ import annotations

import csv
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from studies.effects.effect import MeasuredEffect, distinct, stamp_line
from studies.harness.forest import draw_forest
from studies.harness.report import write_block
from studies.toy.methods import METRIC_NAMES
from wsol_mm.io import atomic_write

GROUP_NAMES = {
    "benchmark_methods": "methods of the reference benchmark",
    "bridgegap": "BridgeGap",
    "causal_rho0": "causal family, co-occurrence 0",
    "causal_rho0.5": "causal family, co-occurrence .5",
    "causal_rho0.95": "causal family, co-occurrence .95",
    "kg_rho0": "guidance, co-occurrence 0",
    "kg_rho0.5": "guidance, co-occurrence .5",
    "kg_rho0.95": "guidance, co-occurrence .95",
    "kg_masks": "the localization expert's masks",
    "lcar": "refinement",
    "wend_bcd": "WEND: many boxes against one",
    "wend_noise0": "WEND: right boxes",
    "wend_noise0.3": "WEND: 3 boxes in 10 wrong",
    "wend_noise0.6": "WEND: 6 boxes in 10 wrong",
    "wend_forms": "WEND: readings of the loss",
    "wend_frozen": "WEND: a frozen backbone",
}


def verdict(entry: MeasuredEffect) -> str:
    """What the main number says of a claim.

    ``holds`` and ``reversed`` where the 95 % interval lies on one side of zero, ``no effect`` where
    it does not, ``does not count`` where the baseline did not learn the task, ``one pair`` without
    an interval.
    """
    found = entry.difference(entry.effect.metrics[0])
    if not entry.counts:
        return "does not count"
    if found.n < 2:
        return "one pair"
    return "holds" if found.low > 0 else "reversed" if found.high < 0 else "no effect"


def claims_table(groups: Mapping[str, Sequence[MeasuredEffect]]) -> str:
    """A line for each measured claim: its main number."""
    lines = [
        "| study | row | number | baseline | method | difference | n | verdict |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for group, entries in groups.items():
        for entry in entries:
            if not entry.baseline:
                continue
            metric = entry.effect.metrics[0]
            first, second = (statistics.fmean(side) for side in entry.numbers(metric))
            found = entry.difference(metric)
            span = f" [{found.low:+.1f}, {found.high:+.1f}]" if found.n > 1 else ""
            row = entry.effect.name + (" (control)" if entry.effect.control else "")
            lines.append(
                f"| {GROUP_NAMES.get(group, group)} | {row} | {METRIC_NAMES.get(metric, metric)} "
                f"| {first:.1f} | {second:.1f} | {found.mean:+.1f}{span} | {found.n} "
                f"| {verdict(entry)} |"
            )
    return "\n".join(lines)


def write_csv(entries: Sequence[MeasuredEffect], path: Path) -> None:
    """Every number of a group: claim, notes, both sides, difference, interval."""
    with atomic_write(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(
            ["row", "control", "claim", "notes", "metric", "baseline", "method", "difference",
             "low", "high", "sd", "n", "baseline epochs", "method epochs", "stamp"]
        )  # fmt: skip
        for entry in entries:
            epochs = [" ".join(str(r["epoch"]) for r in side) for side in entry.sides]
            stamp = distinct(stamp_line(result["stamp"]) for result in entry.method)
            for metric in entry.effect.metrics if entry.baseline else ():
                first, second = (statistics.fmean(side) for side in entry.numbers(metric))
                found = entry.difference(metric)
                numbers = (first, second, found.mean, found.low, found.high, found.sd)
                cells = [f"{number:.2f}" for number in numbers]
                about = [entry.effect.name, entry.effect.control, entry.effect.claim]
                about += [entry.effect.notes, metric]
                writer.writerow([*about, *cells, found.n, *epochs, stamp])


def write_page(groups: Mapping[str, Sequence[MeasuredEffect]], page: Path) -> None:
    """Write the table's block, the picture, and the csv of every group and of what is missing.

    Args:
        groups: Measured rows by group.
        page: The document; pictures and csv go to the folder of its name.
    """
    folder = page.with_suffix("")
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for group, entries in groups.items():
        measured = [entry for entry in entries if entry.baseline]
        table = folder / f"{group}.csv"
        if measured:
            write_csv(measured, table)
        else:  # numbers of results that are dropped must not stay
            table.unlink(missing_ok=True)
        rows += [
            (f"{GROUP_NAMES.get(group, group)}: {entry.effect.name}", [span])
            for entry in measured
            if (span := entry.difference(entry.effect.metrics[0])).n > 1
        ]
    if rows:
        draw_forest(rows, ["points above the baseline, main number of the row"], folder / "all.svg")
    results = [r for entries in groups.values() for e in entries for side in e.sides for r in side]
    machines = distinct(
        "; ".join(f"{name} {value}" for name, value in result["machine"].items())
        for result in results
    )
    missing = [
        (GROUP_NAMES.get(group, group), entry.effect.name, entry.effect.claim)
        for group, entries in groups.items()
        for entry in entries
        if not entry.baseline
    ]
    text = [claims_table(groups)]
    table = folder / "not_measured.csv"
    table.unlink(missing_ok=True)
    if missing:
        with atomic_write(table) as temporary, temporary.open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([("study", "row", "claim"), *missing])
        studies = len({study for study, *_ in missing})
        text.append(
            f"Not measured, or not since a part of theirs changed: {len(missing)} rows of "
            f"{studies} studies ([which]({folder.name}/{table.name}))."
        )
    text.append(f"Machine: {machines or 'none yet'}.")
    write_block(page, "claims", "\n\n".join(text))
