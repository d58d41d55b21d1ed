"""A paper's tables as data: its numbers as printed, and beside them those of our trials.

:mod:`studies.papers.numbers` reads them, ``studies.papers`` trains what is missing and writes them.
Nothing here chooses anything: a table shows numbers of the test split, so values for later runs
must come from val.
"""

from __future__ import annotations

import csv
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from studies.effects.effect import distinct
from studies.harness.store import Result, finished_result
from studies.harness.trial import Trial
from studies.papers import birds
from wsol_mm.io import atomic_write

NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Column:
    """A column of numbers.

    Attributes:
        heading: As in the paper.
        metrics: Keys of our results that say the same; several are shown with a slash between. None
            where we have no such number.
        of: Which of a row's trials it belongs to.
    """

    heading: str
    metrics: tuple[str, ...]
    of: str = "ours"


@dataclass(frozen=True)
class Row:
    """A row.

    Attributes:
        labels: What stands left of the numbers.
        paper: The paper's numbers as printed, one text per column; empty where it has none.
        trials: By ``Column.of``; what is missing cannot be run. Seeds are replaced.
        birds: The row of the bench of photographs that is the same method, where there is one.
        ours: Stands in our columns where nothing is measured, such as ``not built``.
    """

    labels: tuple[str, ...]
    paper: tuple[str, ...]
    trials: Mapping[str, Trial]
    birds: str = ""
    ours: str = ""


@dataclass(frozen=True)
class PaperTable:
    """A table, or the points of a figure.

    Attributes:
        number: ``Table 3`` or ``Figure 4``, as the paper has it.
        caption: What it shows.
        labels: Headings of the labels.
        columns: The columns of numbers.
        rows: The rows.
        notes: What a reader must know, such as values of ours.
        ours: What our columns are called, for trials that are not those of the paper.
        draw: Draws the picture of a figure into a file, see :mod:`studies.papers.figures`.
        birds: Metrics of the column of photographs.

    Raises:
        ValueError: A row does not fit.
    """

    number: str
    caption: str
    labels: tuple[str, ...]
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: str = ""
    ours: str = "ours"
    draw: Callable[[MeasuredTable, Path], None] | None = None
    birds: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse rows that do not fit the headings."""
        known = {column.of for column in self.columns}
        for row in self.rows:
            wide = len(row.labels) == len(self.labels) and len(row.paper) == len(self.columns)
            if not wide or not row.trials.keys() <= known:
                raise ValueError(
                    f"{self.number}: row {row.labels} needs {len(self.labels)} labels, "
                    f"{len(self.columns)} numbers and only trials of {sorted(known)}"
                )

    @property
    def printed(self) -> bool:
        """Whether the paper prints numbers; a figure has none."""
        return any(any(row.paper) for row in self.rows)

    @property
    def has_birds(self) -> bool:
        """Whether the column of photographs has anything to say."""
        return bool(self.birds) and any(row.birds for row in self.rows)

    def with_trials(self, find: Callable[[Row], Mapping[str, Trial]]) -> PaperTable:
        """The same table with the trials that ``find`` has for each row."""
        return replace(self, rows=tuple(replace(row, trials=find(row)) for row in self.rows))

    def changed(self, change: Callable[[Trial], Trial]) -> PaperTable:
        """The same table of other trials."""
        return self.with_trials(
            lambda row: {name: change(trial) for name, trial in row.trials.items()}
        )

    def without_paper(self, **changes: Any) -> PaperTable:
        """The same rows without the paper's numbers and birds, which belong to another test."""
        rows = tuple(replace(row, paper=("",) * len(row.paper), birds="") for row in self.rows)
        return replace(self, rows=rows, birds=(), **changes)


@dataclass(frozen=True)
class MeasuredTable:
    """A table with the finished results of its trials.

    Attributes:
        table: The table.
        results: For each row, by ``Column.of``, one result per finished seed.
        birds: For each row, what the bench of photographs has of it.
    """

    table: PaperTable
    results: tuple[dict[str, list[Result]], ...]
    birds: tuple[tuple[Result, ...], ...] = ()

    @property
    def picture(self) -> str | None:
        """File name of the picture, where there is one to draw."""
        if self.table.draw is None or not any(any(row.values()) for row in self.results):
            return None
        return self.table.number.lower().replace(",", "").replace(" ", "_") + ".png"

    def numbers(self, row: int, column: Column, metric: str) -> list[float]:
        """A metric of a row over its seeds; without those that could not have it."""
        return _numbers(self.results[row].get(column.of, []), metric)

    def cell(self, row: int, column: Column) -> str:
        """What stands in our column: means, with the standard deviation of several seeds."""
        nothing = self.table.rows[row].ours or NOT_MEASURED
        return _means(self.results[row].get(column.of, []), column.metrics, 2) or nothing

    @property
    def birds_heading(self) -> str:
        """Head of the column of photographs."""
        return birds.heading(self.table.birds)

    def birds_cell(self, row: int) -> str:
        """What stands in the column of photographs: means and seeds, a dash for no such method."""
        if not self.table.rows[row].birds:
            return "-"
        found = self.birds[row]
        seeds = f"{len(found)} seed{'s' * (len(found) != 1)}"
        means = _means(found, self.table.birds, 1)
        return f"{means}, {seeds}" if means else NOT_MEASURED


def _numbers(results: Sequence[Result], metric: str) -> list[float]:
    found = [result["metrics"].get(metric) for result in results]
    return [number for number in found if number is not None]


def _means(results: Sequence[Result], metrics: Sequence[str], digits: int) -> str:
    """Means, with the standard deviation of several seeds; nothing where nothing is measured."""
    texts = []
    for metric in metrics:
        numbers = _numbers(results, metric)
        spread = f" ± {statistics.stdev(numbers):.{digits}f}" if len(numbers) > 1 else ""
        mean = f"{statistics.fmean(numbers):.{digits}f}" if numbers else NOT_MEASURED
        texts.append(mean + spread)
    return "" if set(texts) <= {NOT_MEASURED} else " / ".join(texts)


def unique_trials(tables: Sequence[PaperTable], seeds: Sequence[int]) -> list[Trial]:
    """Every trial once, seed by seed, so that a cut-off run leaves whole tables of few seeds."""
    found: list[Trial] = []
    for seed in seeds:
        for table in tables:
            for row in table.rows:
                seeded = [replace(trial, seed=seed) for trial in row.trials.values()]
                found += [trial for trial in seeded if trial not in found]
    return found


def collect(table: PaperTable, seeds: Sequence[int], *folders: Path) -> MeasuredTable:
    """The finished results of a table in some folders of results."""
    rows = []
    for row in table.rows:
        found = {}
        for name, trial in row.trials.items():
            results = [finished_result(replace(trial, seed=seed), *folders) for seed in seeds]
            found[name] = [result for result in results if result is not None]
        rows.append(found)
    seen = tuple(birds.bird_results(row.birds) if row.birds else () for row in table.rows)
    return MeasuredTable(table, tuple(rows), seen)


def markdown(measured: MeasuredTable) -> str:
    """The table: the paper's columns, ours, the seeds behind them, and what they belong to."""
    table = measured.table
    headings = [column.heading for column in table.columns]
    ours = [f"{table.ours}: {heading}" for heading in headings]
    third = [measured.birds_heading] if table.has_birds else []
    head = [*table.labels, *headings, *ours, "seeds", *third]
    lines = [f"### {table.number}: {table.caption}", "", line_of(head), "|---" * len(head) + "|"]
    for number, row in enumerate(table.rows):
        ours = [measured.cell(number, column) for column in table.columns]
        counts = [str(len(results)) for results in measured.results[number].values()]
        paper = [text or "-" for text in row.paper]
        third = [measured.birds_cell(number)] if table.has_birds else []
        lines.append(line_of([*row.labels, *paper, *ours, distinct(counts) or "-", *third]))
    notes = [table.notes] if table.notes else []
    notes += [f"Picture: {measured.picture}."] if measured.picture else []
    return "\n".join([*lines, "", *notes, *([""] if notes else []), *_stamp(measured)])


def line_of(cells: Sequence[str]) -> str:
    """A row of a markdown table."""
    return "| " + " | ".join(cells) + " |"


def _stamp(measured: MeasuredTable) -> list[str]:
    """What our numbers belong to; a result has everything, this is what tells tables apart."""
    results = [result for row in measured.results for found in row.values() for result in found]
    if not results:
        return [f"*{measured.table.ours.capitalize()}*: nothing is measured yet."]
    protocol = distinct(str(r["stamp"].get("protocol", {}).get("name")) for r in results)
    rule = distinct(str(r["stamp"].get("box_rule")) for r in results)
    threshold = distinct(str(r["stamp"].get("threshold", {}).get("source")) for r in results)
    classifier = distinct(str(r["stamp"].get("classifier")) for r in results)
    inputs = distinct(
        f"{name} from {source['config']}"
        for result in results
        for name, source in result.get("inputs", {}).items()
    )
    epochs = sorted({result["epoch"] for result in results})
    boxes = sorted(r["metrics"]["mean_boxes"] for r in results if "mean_boxes" in r["metrics"])
    machines = distinct(result["machine"].get("processor", "unknown") for result in results)
    return [
        f"*{measured.table.ours.capitalize()}*: percent on the test split, mean ± sd over seeds, "
        "checkpoint chosen on val; the numbers show how sensitive the method is and must choose "
        "nothing. "
        f"Configs: {distinct(result['config'] for result in results)}. "
        f"Data: {distinct(_data(result) for result in results)}. "
        + (f"Inputs: {inputs}. " if inputs else "")
        + (f"Boxes per image: {boxes[0]:.1f} to {boxes[-1]:.1f} in the mean. " if boxes else "")
        + f"Stamp: protocol {protocol}, box rule {rule}, threshold {threshold}, classifier "
        f"{classifier}; checkpoints of epochs {epochs[0]} to {epochs[-1]}. Machine: {machines}; "
        f"wsol_mm {distinct(result['wsol_mm'] for result in results)}."
    ]


def _data(result: Mapping[str, Any]) -> str:
    dials = " ".join(result["dials"])
    return f"{result['data']} ({dials})" if dials else result["data"]


def write_tables(
    tables: Sequence[PaperTable],
    seeds: Sequence[int],
    title: str,
    about: str,
    out: Path,
    *kept: Path,
) -> str:
    """Write ``tables.md``, ``tables.csv`` (one line per row and seed) and pictures into a folder.

    Args:
        tables: The tables.
        seeds: The seeds of every trial.
        title: First line of the document.
        about: What the numbers belong to.
        out: The folder; its ``results`` are read.
        kept: More folders of results.

    Returns:
        The text of the tables, without the title.
    """
    found = [collect(table, seeds, out / "results", *kept) for table in tables]
    text = "\n\n".join([about, *(markdown(measured) for measured in found)])
    out.mkdir(parents=True, exist_ok=True)
    with atomic_write(out / "tables.md") as temporary:
        temporary.write_text(f"# {title}\n\n{text}\n")
    for measured in found:
        if measured.table.draw and measured.picture:
            measured.table.draw(measured, out / measured.picture)
    rows = [line for measured in found for line in _csv_lines(measured)]
    columns = dict.fromkeys(column for row in rows for column in row)
    with atomic_write(out / "tables.csv") as temporary, temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(columns))
        writer.writeheader()
        writer.writerows(rows)
    return text


def _csv_lines(measured: MeasuredTable) -> list[dict[str, Any]]:
    """Paper's number and, for each finished seed, ours of test and val; long format."""
    lines = []
    for number, row in enumerate(measured.table.rows):
        labels = dict(zip(measured.table.labels, row.labels, strict=True))
        name = ", ".join(f"{key} {value}" for key, value in labels.items())
        for column, paper in zip(measured.table.columns, row.paper, strict=True):
            line = {"table": measured.table.number, "row": name, "column": column.heading}
            line |= {"paper": paper, "metric": "", "seed": "", "ours": "", "ours_val": ""}
            results = measured.results[number].get(column.of, [])
            measured_lines = [
                {"metric": metric, "seed": result["seed"], "ours": result["metrics"].get(metric)}
                | {"ours_val": result["val"].get(metric)}
                for result in results
                for metric in column.metrics
            ]
            lines += [line | extra for extra in measured_lines or ({},)]
        lines += [
            {"table": measured.table.number, "row": name, "column": birds.BIRDS, "paper": ""}
            | {"metric": metric, "seed": result["seed"], "ours": result["metrics"].get(metric)}
            for result in measured.birds[number]
            for metric in measured.table.birds
        ]
    return lines
