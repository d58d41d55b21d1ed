"""Write a paper's tables in its own layout with our numbers beside its own.

    python -m studies.papers --paper wend --out work_dirs/wend_tables
    python -m studies.papers --paper wend --tables 3 4 --data-root data \\
        --scores CUB_200_2011=work_dirs/b7_cub.npz --jobs 2 --out work_dirs/wend_tables
    python -m studies.papers --paper wend --toy --jobs 2 --out work_dirs/wend_toy

Without --toy and --data-root nothing is trained: the tables show what is finished. --data-root
trains the configs that the paper's tables are about, on the data sets below that folder (those that
are not there are left out); --toy their small stand-ins on toy scenes, whose numbers say nothing
about the paper's. tables.md and tables.csv in OUT are written anew before the first and after every
table; finished trials are never repeated and a killed one continues. The numbers are of the test
split and must choose nothing; the csv has val's, too.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from mmengine.config import DictAction

from studies.harness.report import write_block
from studies.harness.run import run_trials
from studies.harness.store import keep
from studies.harness.trial import Trial, resolved_config
from studies.papers import ci_cam as paper_tables_ci_cam
from studies.papers import kg_ci_cam as paper_tables_kg_ci_cam
from studies.papers import wend as paper_tables_wend
from studies.papers.tables import PaperTable, unique_trials, write_tables
from wsol_mm.apis.command import one_line_errors

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs/paper_tables.md"
KEPT = ROOT / "studies/results/paper_tables"
CLASSES = "test_evaluator.classifier_scores"
# title, and the tables: those of the paper's networks, or with toy=True of the toy stand-ins
PAPERS: dict[str, tuple[str, Callable[[bool], tuple[PaperTable, ...]]]] = {
    "ci_cam": (paper_tables_ci_cam.TITLE, paper_tables_ci_cam.tables),
    "kg_ci_cam": (paper_tables_kg_ci_cam.TITLE, paper_tables_kg_ci_cam.tables),
    "wend": (paper_tables_wend.TITLE, paper_tables_wend.tables),
}


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--paper", choices=sorted(PAPERS), required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder of trials and tables")
    parser.add_argument("--tables", nargs="+", metavar="N", help="only these, such as 3 or 'VII'")
    parser.add_argument("--data-root", type=Path, help="folder that holds the data sets")
    parser.add_argument("--toy", action="store_true", help="the small networks on toy scenes")
    parser.add_argument("--dry-run", action="store_true", help="train nothing, only write")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--jobs", type=int, default=1, help="trials at once, one thread each")
    parser.add_argument(
        "--scores", nargs="+", default=[], metavar="DATA=FILE",
        help="a classifier's test scores for class-agnostic boxes, by folder name of the data set",
    )  # fmt: skip
    parser.add_argument("--cfg-options", nargs="+", action=DictAction, default={})
    parser.add_argument(
        "--test-options", nargs="+", action=DictAction, default={},
        help="keys of the test alone, such as test_evaluator.protocol=wend; trainings are shared",
    )  # fmt: skip
    parser.add_argument(
        "--write", action="store_true", help=f"keep results, write docs/{DOCS.name}"
    )
    parser.add_argument("--docs", type=Path, default=DOCS, help="document of --write")
    args = parser.parse_args(argv)
    if args.toy and (args.data_root or args.scores):
        parser.error("--toy draws its own scenes: it takes neither --data-root nor --scores")
    return args


def chosen(args: argparse.Namespace) -> list[PaperTable]:
    """The tables that were asked for, of trials with the options of the command line.

    Raises:
        ValueError: No such table, or --scores is something else.
    """
    tables = {table.number: table for table in PAPERS[args.paper][1](args.toy)}
    wanted = list(tables)
    if args.tables:
        wanted = [name for name in tables if {name, name.rpartition(" ")[2]} & {*args.tables}]
        names = {part for name in wanted for part in (name, name.rpartition(" ")[2])}
        if unknown := set(args.tables) - names:
            raise ValueError(f"--tables {sorted(unknown)}: {args.paper} has {list(tables)}")
    scores = dict(word.partition("=")[::2] for word in args.scores)
    if not all(scores.values()):
        raise ValueError(f"--scores {args.scores}: expected DATA=FILE")

    def change(trial: Trial) -> Trial:
        trial = replace(
            trial,
            options={**trial.options, **args.cfg_options},
            test_options={**trial.test_options, **args.test_options},
        )
        if args.toy:
            return trial
        data = Path(resolved_config(trial).test_dataloader.dataset.data_root)
        classes = {CLASSES: scores[data.name]} if data.name in scores else {}
        return replace(
            trial,
            data_root=str((args.data_root or data.parent) / data.name),
            test_options={**trial.test_options, **classes},
        )

    return [tables[name].changed(change) for name in wanted]


def runnable(table: PaperTable, args: argparse.Namespace) -> list[Trial]:
    """The trials that the data allow."""
    if args.dry_run or not (args.toy or args.data_root):
        return []
    trials = unique_trials([table], args.seeds)
    missing = {trial.data_root for trial in trials if not args.toy} - {None}
    missing = {root for root in missing if not Path(root).is_dir()}
    if missing:
        print(f"{table.number}: without {', '.join(sorted(missing))}, which is not there")
    return [trial for trial in trials if trial.data_root not in missing]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool; 1 if a trial failed."""
    args = parse_args(argv)
    with one_line_errors():
        return run(args)


def run(args: argparse.Namespace) -> int:
    """Train what is missing, table by table, and write the tables each time."""
    tables = chosen(args)
    title = PAPERS[args.paper][0]
    title += ": toy scenes beside the paper's numbers, not comparable" if args.toy else ""
    changed = [f"{k}={v}" for k, v in {**args.cfg_options, **args.test_options}.items()]
    title += f" (ours with {', '.join(changed)})" if changed else ""
    text = write_tables(tables, args.seeds, title, args.out, KEPT)
    failed = 0
    for table in tables:
        trials = runnable(table, args)
        results = run_trials(trials, args.out, args.jobs, kept=KEPT)
        failed += results.count(None)
        if args.write:
            keep(KEPT / f"{args.paper}.jsonl", zip(trials, results, strict=True))
        text = write_tables(tables, args.seeds, title, args.out, KEPT)
    if args.write:
        name = f"paper_tables_{args.paper}{'_toy' if args.toy else ''}"
        write_block(args.docs, name, f"## {title}\n\n{text}")
    print(f"\n{text}\n\nwritten: {args.out}/tables.md, tables.csv")
    print(json.dumps({"tables": len(tables), "failed": failed}))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
