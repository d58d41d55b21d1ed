"""What the command does: train what is missing of some tables, write them, write READMEs."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

from studies.harness.run import run_trials
from studies.harness.store import keep
from studies.harness.trial import ROOT, Trial
from studies.papers.catalog import placed, tables_of
from studies.papers.numbers import load_paper
from studies.papers.readme import KEPT, readme_of, write_readme
from studies.papers.tables import PaperTable, unique_trials, write_tables

CLASSES = "test_evaluator.classifier_scores"


def chosen(args: argparse.Namespace, name: str) -> list[PaperTable]:
    """The tables that were asked for, of trials with the options of the command line.

    Raises:
        ValueError: No such table, or --scores is something else.
    """
    tables = {table.number: table for table in tables_of(name, args.toy)}
    wanted = list(tables)
    if args.tables:
        wanted = [name for name in tables if {name, name.rpartition(" ")[2]} & {*args.tables}]
        names = {part for name in wanted for part in (name, name.rpartition(" ")[2])}
        if unknown := set(args.tables) - names:
            raise ValueError(f"--tables {sorted(unknown)}: {name} has {list(tables)}")
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
        trial = placed(trial, args.data_root)
        name = Path(trial.data_root).name
        classes = {CLASSES: scores[name]} if name in scores else {}
        return replace(trial, test_options={**trial.test_options, **classes})

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


def fill(args: argparse.Namespace) -> int:
    """Train what is missing, table by table, and write the tables each time; 1 if one failed."""
    tables = failed = 0
    for name in args.paper:
        if args.write and not args.data_root:  # nothing can have been added
            write_readme(name, KEPT)
            print("written:", readme_of(name).relative_to(ROOT))
            continue
        done = fill_paper(args, name)
        tables, failed = tables + done[0], failed + done[1]
    print(json.dumps({"tables": tables, "failed": failed}))
    return 1 if failed else 0


def fill_paper(args: argparse.Namespace, name: str) -> tuple[int, int]:
    """How many tables of a paper were written and how many trials failed."""
    tables, paper, out = chosen(args, name), load_paper(name), args.out / name
    title, about = paper.title, paper.protocol
    if args.toy:
        title, about = f"{title}: toy scenes, not comparable with the paper", paper.toy
    changed = [f"{k}={v}" for k, v in {**args.cfg_options, **args.test_options}.items()]
    title += f" (ours with {', '.join(changed)})" if changed else ""
    text = write_tables(tables, args.seeds, title, about.strip(), out, KEPT)
    failed = 0
    for table in tables:
        trials = runnable(table, args)
        results = run_trials(trials, out, args.jobs, kept=KEPT)
        failed += results.count(None)
        if args.write:
            keep(KEPT / f"{name}.jsonl", zip(trials, results, strict=True))
            write_readme(name, KEPT)
        text = write_tables(tables, args.seeds, title, about.strip(), out, KEPT)
    print(f"\n{text}\n\nwritten: {out}/tables.md, tables.csv")
    return len(tables), failed
