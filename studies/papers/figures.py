"""Pictures of a paper's figures from the same data as its tables: curves, and bars with a gain."""

import statistics
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from studies.guidance.stages import draw_dilemma
from studies.papers.tables import Column, MeasuredTable
from wsol_mm.io import atomic_write


def draw_curves(measured: MeasuredTable, path: Path) -> None:
    """A panel for each column, a line for each first label over the second one, a number.

    Points are means over seeds, bars their standard deviation.

    Raises:
        ValueError: The second label of a row is no number.
    """
    table = measured.table
    figure, panels = _panels(len(table.columns))
    for axes, column in zip(panels, table.columns, strict=True):
        for name in dict.fromkeys(row.labels[0] for row in table.rows):
            points = sorted(
                (float(row.labels[1]), *_mean_sd(numbers))
                for number, row in enumerate(table.rows)
                if row.labels[0] == name and (numbers := _numbers(measured, number, column))
            )
            if points:
                x, y, spread = zip(*points, strict=True)
                axes.errorbar(x, y, spread, marker="o", capsize=2, label=name)
        axes.set(xlabel=table.labels[1], title=column.heading)
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("percent")
    panels[0].legend(fontsize="small")
    _save(figure, path)


def draw_gains(measured: MeasuredTable, path: Path) -> None:
    """A panel for each column: the first method's bar for each first label, the others' gains.

    Rows are labelled ``(group, method)``. A gain is drawn from the first method's number to the
    other's, a loss hatched.
    """
    table = measured.table
    groups = list(dict.fromkeys(row.labels[0] for row in table.rows))
    methods = list(dict.fromkeys(row.labels[1] for row in table.rows))
    first, others = methods[0], methods[1:]
    width = 0.8 / max(len(others), 1)
    figure, panels = _panels(len(table.columns))
    for axes, column in zip(panels, table.columns, strict=True):
        found = {
            row.labels: _mean_sd(numbers)[0]
            for number, row in enumerate(table.rows)
            if (numbers := _numbers(measured, number, column))
        }
        for place, group in enumerate(groups):
            base = found.get((group, first))
            if base is None:
                continue
            axes.bar(place, base, 0.8, color="C0")
            for number, method in enumerate(others):
                if (value := found.get((group, method))) is None:
                    continue
                x = place + (number - (len(others) - 1) / 2) * width
                hatch = "//" if value < base else None
                axes.bar(x, value - base, width * 0.8, base, color=f"C{number + 1}", hatch=hatch)
        axes.set_xticks(np.arange(len(groups)), groups)
        axes.set_title(column.heading)
        shown = list(found.values())
        if shown:
            axes.set_ylim(max(min(shown) - 10, 0), max(shown) + 3)
    panels[0].set_ylabel("percent")
    handles = [Patch(color=f"C{number}", label=method) for number, method in enumerate(methods)]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(methods))
    _save(figure, path)


def draw_points(measured: MeasuredTable, path: Path) -> None:
    """Top-1 Cls against GT-known, a point for each row (the C-L dilemma)."""
    rows = zip(measured.table.rows, measured.results, strict=True)
    draw_dilemma({"": {row.labels[0]: found.get("ours", []) for row, found in rows}}, path)


def _panels(number: int) -> tuple[Figure, list]:
    figure = Figure(figsize=(3.4 * number, 3.2), layout="constrained")
    return figure, list(figure.subplots(1, number, squeeze=False)[0])


def _numbers(measured: MeasuredTable, row: int, column: Column) -> list[float]:
    return measured.numbers(row, column, column.metrics[0])


def _mean_sd(numbers: list[float]) -> tuple[float, float]:
    return statistics.fmean(numbers), statistics.stdev(numbers) if len(numbers) > 1 else 0.0


def _save(figure: Figure, path: Path) -> None:
    with atomic_write(path) as temporary:
        FigureCanvasAgg(figure).print_png(temporary)
