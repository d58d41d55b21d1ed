"""The bench of photographs: every method on pretrained features, with intervals.

    python -m studies.photographs run --source shared/data --out work_dirs/photographs --jobs 2
    python -m studies.photographs run --bench birds --rows CAM BridgeGap --seeds 0 1 2 --keep
    python -m studies.photographs search --trials 8    # each method its own ranges, on val
    python -m studies.photographs refiners             # settings of ARM and SGRM, on val
    python -m studies.photographs report               # docs/photographs.md and the pages
                                                       # below it, papers' tables
    python -m studies.photographs gallery --rows CAM ADL BridgeGap    # maps of what is trained
    python -m studies.photographs curves --rows "classification expert" --key foreground_share

A row is trained once for each seed; its last epoch and the one that val chose are tested. What is
finished, here or in studies/results/photographs, is not run again; a killed run goes on. With
``--again`` the kept results do not count.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from studies.harness.run import run_trials
from studies.harness.store import keep
from studies.harness.trial import ROOT, Trial
from studies.photographs.data import prepare
from studies.photographs.rows import BENCHES, Bench
from studies.photographs.search import search_all
from wsol_mm.apis.command import one_line_errors

KEPT = ROOT / "studies/results/photographs"
DOCS = ROOT / "docs"


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    names = ("run", "search", "refiners", "report", "gallery", "curves")
    parsers = [commands.add_parser(name) for name in names]
    run, search, refiners, report, gallery, curves = parsers
    for each in (run, search):
        each.add_argument("--source", type=Path, default=Path("data"), help="above cub_mini")
        each.add_argument("--out", type=Path, default=Path("work_dirs/photographs"))
        each.add_argument("--jobs", type=int, default=1, help="trials at once, one thread each")
        each.add_argument("--keep", action="store_true", help="add results to the repository")
        each.add_argument("--stop-after", type=float, metavar="S", help="begin no trial after S s")
    run.add_argument("--bench", nargs="+", choices=list(BENCHES), default=list(BENCHES))
    run.add_argument("--rows", nargs="+", help="only the rows of these names")
    run.add_argument("--seeds", type=int, nargs="+", help="instead of each row's own number")
    run.add_argument("--again", action="store_true", help="also what the repository has kept")
    run.add_argument("--dry-run", action="store_true", help="list the trials and run nothing")
    search.add_argument("--trials", type=int, default=8, help="of each method")
    search.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of what is chosen")
    refiners.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of trained CAMs")
    refiners.add_argument("--keep", action="store_true", help="rows take what is chosen")
    for each in (report, gallery, curves):
        each.add_argument("--docs", type=Path, default=DOCS, help="folder of the page")
    for each in (refiners, gallery, curves):
        each.add_argument("--out", type=Path, default=Path("work_dirs/photographs"), help="of run")
    for each in (gallery, curves):
        each.add_argument("--rows", nargs="+", required=True, help="of the bench birds")
    gallery.add_argument("--seed", type=int, default=0)
    curves.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    curves.add_argument("--key", required=True, help="of the training's log, by epoch")
    return parser.parse_args(argv)


def wanted(
    bench: Bench, names: Sequence[str] | None, seeds: Sequence[int] | None, data: Path
) -> list[Trial]:
    """Trials of a bench: of each seed every row, with both checkpoints."""
    rows = [bench.row(name) for name in names] if names else bench.rows
    last = max((row.seeds for row in rows), default=0)
    return [
        bench.trial(row, seed, data, checkpoint)
        for seed in (seeds or range(last))
        for row in rows
        if seed < row.seeds or (seeds and not bench.test_only)
        for checkpoint in (("last",) if bench.test_only else row.checkpoints)
    ]


def run(args: argparse.Namespace) -> int:
    """Run what is missing; 1 if a trial failed."""
    data, begun = args.out / "data", time.time()
    plans = {}
    for name in args.bench:
        bench = BENCHES[name]
        names = args.rows and [row.name for row in bench.rows if row.name in args.rows]
        plans[name] = [] if args.rows and not names else wanted(bench, names, args.seeds, data)
    if args.dry_run:
        for name, trials in plans.items():
            print(f"{name}: {len(trials)} tests of {len({(t.name, t.seed) for t in trials})} runs")
        return 0
    prepare(args.source, args.out / "data", sorted({t.seed for p in plans.values() for t in p}))
    # seed by seed over all benches, so that a run cut off leaves whole rows of few seeds
    order = sorted((trial for plan in plans.values() for trial in plan), key=lambda t: t.seed)
    kept = None if args.again else KEPT
    results = run_trials(order, args.out, args.jobs, kept=kept, stop_after=args.stop_after)
    if args.keep:
        for name, plan in plans.items():
            found = zip(order, results, strict=True)
            keep(KEPT / f"{name}.jsonl", [pair for pair in found if pair[0] in plan])
    failed, seconds = results.count(None), round(time.time() - begun)
    print(json.dumps({"trials": len(results), "failed": failed, "seconds": seconds}))
    return 1 if failed else 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; its exit code."""
    args = parse_args(argv)
    with one_line_errors():
        if args.command == "run":
            return run(args)
        if args.command == "search":
            return search_all(args, KEPT)
        if args.command == "curves":
            from studies.photographs.curves import write_curves

            bench = BENCHES["birds"]
            rows = [bench.row(name) for name in args.rows]
            found = write_curves(bench, rows, args.key, args.docs, root=args.out, seeds=args.seeds)
            print(f"{args.key}: {found} of {len(rows)} rows")
            return 0 if found == len(rows) else 1
        if args.command == "refiners":
            from studies.photographs.refiners import choose_refiners

            return choose_refiners(args, KEPT)
        if args.command == "gallery":
            from studies.photographs.gallery import draw_gallery

            rows = [BENCHES["birds"].row(name) for name in args.rows]
            path = args.docs / "photographs/gallery.jpg"
            drawn = draw_gallery(
                BENCHES["birds"], rows, path, root=args.out, kept=KEPT, seed=args.seed
            )
            print(f"{path}: {drawn} of {len(rows)} methods")
            return 0 if drawn == len(rows) else 1
        from studies.papers.numbers import PAPERS
        from studies.papers.readme import write_readme
        from studies.photographs.report import write_pages

        write_pages(args.docs, KEPT, ROOT / "README.md" if args.docs == DOCS else None)
        if args.docs == DOCS:
            for name in PAPERS:
                write_readme(name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
