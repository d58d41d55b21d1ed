"""The block of a method's README: the paper's tables, ours, and ours on birds."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from studies.harness.report import block_of, write_block
from studies.harness.store import read_lines
from studies.harness.trial import ROOT, Trial
from studies.papers.catalog import placed, tables_of
from studies.papers.numbers import Paper, load_paper
from studies.papers.tables import NOT_MEASURED, MeasuredTable, collect, line_of

BLOCK = "paper_tables"
KEPT = ROOT / "studies/results/paper_tables"
BIRDS = (
    "The birds are those of the [bench of photographs](../../docs/photographs.md), means at the "
    "last epoch; a method that has a row for each backbone has them beside one of these."
)
MARKS = "abcdefgh"
SHORT = 40  # characters of options that still stand in a cell


def readme_of(name: str) -> Path:
    """The README of a paper's method."""
    return ROOT / "configs" / name / "README.md"


def write_readme(name: str, kept: Path = KEPT) -> None:
    """Write the block anew."""
    write_block(readme_of(name), BLOCK, block(name, kept))


def is_current(name: str, kept: Path = KEPT) -> bool:
    """Whether the block says what the numbers and results say."""
    return block_of(readme_of(name), BLOCK) == block(name, kept)


def block(name: str, kept: Path) -> str:
    """The block's text.

    Args:
        name: The paper.
        kept: Folder of results of the paper's networks.
    """
    paper, file = load_paper(name), kept / f"{name}.jsonl"
    results = read_lines(file).values() if file.is_file() else ()
    configs = {result["config"] for result in results}
    seeds = sorted({result["seed"] for result in results})
    tables = [
        table.with_trials(
            lambda row: {
                column: placed(trial)
                for column, trial in row.trials.items()
                if trial.config in configs
            }
        )
        for table in (tables_of(name, toy=False) if configs else paper.tables)
    ]
    measured = [collect(table, seeds, kept) for table in tables]
    shown = {each.table.number: each for each in measured if each.table.printed}
    about = [paper.protocol.strip()]
    about += [BIRDS] if any(each.table.has_birds for each in shown.values()) else []
    return "\n\n".join([*about, *(_section(paper, each) for each in shown.values())])


def _section(paper: Paper, measured: MeasuredTable) -> str:
    """A table with one column for ours, one for birds, and one for configs where rows name them."""
    table = measured.table
    own = [row.trials for row in paper[table.number].rows]
    notes: dict[str, str] = {}
    configs = [_configs(trials, paper.name, notes) for trials in own]
    head = [*table.labels, *(["configs"] if any(configs) else [])]
    head += [*(column.heading for column in table.columns), "ours"]
    head += [measured.birds_heading] if table.has_birds else []
    lines = [f"### {table.number}: {table.caption}", "", line_of(head), "|---" * len(head) + "|"]
    for number, (row, config) in enumerate(zip(table.rows, configs, strict=True)):
        ours = [measured.cell(number, column) for column in table.columns]
        nothing = set(ours) <= {NOT_MEASURED, row.ours}
        cells = [*row.labels, *([config] if any(configs) else [])]
        cells += [text or "-" for text in row.paper]
        cells += [ours[0] if nothing else "; ".join(ours)]
        cells += [measured.birds_cell(number)] if table.has_birds else []
        lines.append(line_of(cells))
    about = [table.notes.strip(), *(f"({mark}) `{text}`." for text, mark in notes.items())]
    text = " ".join(filter(None, about))
    return "\n".join([*lines, *(["", text] if text else [])])


def _configs(trials: Mapping[str, Trial], folder: str, notes: dict[str, str]) -> str:
    """Links to configs, and their options; long ones as a note."""
    links, options = {}, []
    for name, trial in trials.items():
        path = os.path.relpath(trial.config, f"configs/{folder}")
        links[path] = f"[{Path(path).stem if name == 'ours' else name}]({path})"
        changed = {**trial.options, **trial.test_options}
        text = " ".join(f"{key}={value}" for key, value in changed.items())
        if text and text not in options:
            options.append(text)
    for text in options:
        mark = "" if len(text) <= SHORT else notes.setdefault(text, MARKS[len(notes)])
        links[text] = f"({mark})" if mark else f"`{text}`"
    return ", ".join(links.values())
