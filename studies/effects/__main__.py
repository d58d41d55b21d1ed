"""Effect rows on toy scenes: does a method do what it claims, by how much, and how sure is that?

A row pairs a baseline with a method over seeds; a seed draws its own scenes for both. Rows are data
in ``studies/effects/rows``: add one and only what is missing runs; a killed run continues.

    python -m studies.effects --group bridgegap --jobs 2 --out work_dirs/effects
    python -m studies.effects --dry-run     # every group: what is finished
    python -m studies.effects --keep        # add results to studies/results/effects

Kept results count as finished on every machine. docs/effects.md and the csv in docs/effects
are written anew; the last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from studies.effects.effect import collect, extended, unique
from studies.effects.page import GROUP_NAMES, write_page
from studies.harness.run import run_trials
from studies.harness.store import finished_result, keep, prune, run_name
from wsol_mm.apis.command import one_line_errors

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs/effects.md"
KEPT = ROOT / "studies/results/effects"


def main(argv: Sequence[str] | None = None) -> int:
    """Run, print, write the document; 1 if a trial failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--group", nargs="+", choices=[*GROUP_NAMES, "all"], default=["all"])
    parser.add_argument("--out", type=Path, default=Path("work_dirs/effects"))
    parser.add_argument("--jobs", type=int, default=1, help="trials at once, one thread each")
    parser.add_argument("--rows", nargs="+", help="only the rows of these names; no document")
    parser.add_argument("--dry-run", action="store_true", help="list the trials and run nothing")
    parser.add_argument("--keep", action="store_true", help=f"add results to {KEPT.name}/*.jsonl")
    parser.add_argument(
        "--prune", action="store_true", help="drop kept results that no row of a group needs"
    )
    parser.add_argument(
        "--extend", action="store_true", help="two more seeds where zero is in the interval"
    )
    parser.add_argument("--docs", type=Path, default=DOCS, help="document to write")
    args = parser.parse_args(argv)
    from studies.effects.rows import GROUPS  # reads configs

    names = list(GROUPS) if "all" in args.group else args.group
    folders = (args.out / "results", KEPT)
    groups = {
        name: [row for row in GROUPS[name] if not args.rows or row.name in args.rows]
        for name in names
    }
    if args.extend:
        groups = {name: extended(rows, *folders) for name, rows in groups.items()}
    trials = unique([row for rows in groups.values() for row in rows])
    if args.dry_run:
        done = [finished_result(trial, *folders) is not None for trial in trials]
        for trial, finished in zip(trials, done, strict=True):
            print("finished" if finished else "missing ", run_name(trial))
        print(json.dumps({"trials": len(trials), "finished": sum(done)}))
        return 0
    if args.prune:
        for name in names:
            for dropped in prune(KEPT / f"{name}.jsonl", unique(GROUPS[name])):
                print("dropped", dropped)
    results = run_trials(trials, args.out, args.jobs, kept=KEPT)
    if args.keep:
        for name, rows in groups.items():  # a run that groups share is kept once
            mine = [t for t in unique(rows) if finished_result(t, KEPT) is None]
            keep(KEPT / f"{name}.jsonl", [(t, finished_result(t, folders[0])) for t in mine])
    if not args.rows:
        whole = {**GROUPS, **groups}
        write_page({name: collect(rows, *folders) for name, rows in whole.items()}, args.docs)
    failed = sum(result is None for result in results)
    print(json.dumps({"trials": len(trials), "finished": len(trials) - failed, "failed": failed}))
    return 1 if failed else 0


if __name__ == "__main__":
    with one_line_errors():
        sys.exit(main())
