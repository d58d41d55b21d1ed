"""Forest plots: a point with its interval for each row, green above zero and red below.

Or several points for each row, in colours of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from wsol_mm.io import atomic_write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#808080"  # legible on light and dark
BETTER, WORSE = "#2a9d5c", "#d1495b"
KINDS = ((INK, "o"), (BETTER, "s"), ("#d08a1e", "^"), (WORSE, "x"))  # of a row's points


class Span(Protocol):
    """A mean with the ends of its interval."""

    @property
    def mean(self) -> float:
        """The point."""

    @property
    def low(self) -> float:
        """Lower end."""

    @property
    def high(self) -> float:
        """Upper end."""


def draw_forest(
    rows: Sequence[tuple[str, Sequence[Span | None]]], headings: Sequence[str], path: Path
) -> None:
    """Write the picture as svg on a transparent ground.

    Args:
        rows: Label and one span for each panel, from top to bottom; None leaves a gap.
        headings: Below each panel.
        path: The file.
    """
    from matplotlib.figure import Figure

    labels = 0.08 * max(len(label) for label, _ in rows)  # inches
    size = (3.2 * max(len(headings), 2) + labels, 0.3 * len(rows) + 1)
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(1, len(headings), sharey=True, squeeze=False)[0]
    for axes, heading, number in zip(panels, headings, range(len(headings)), strict=True):
        axes.axvline(0, color=INK, linewidth=0.8)
        for place, (_, spans) in enumerate(rows):
            span = spans[number]
            if span is None:
                continue
            colour = BETTER if span.low > 0 else WORSE if span.high < 0 else INK
            axes.plot([span.low, span.high], [place, place], color=colour, linewidth=2)
            axes.plot(span.mean, place, "o", color=colour)
        _frame(axes, [label for label, _ in rows], heading)
    _write(figure, path)


def draw_groups(
    labels: Sequence[str],
    kinds: Sequence[str],
    panels: Sequence[tuple[str, float | None, Sequence[Sequence[Span | None]]]],
    path: Path,
) -> None:
    """Write a picture of several points for each row as svg on a transparent ground.

    Args:
        labels: Of the rows, from top to bottom.
        kinds: What the points of a row are, four at most, for the legend.
        panels: Of each the heading below it, the place of a dashed line and, for each row, a span
            of each kind; None leaves a gap.
        path: The file.
    """
    from matplotlib.figure import Figure

    figure = Figure(
        figsize=(3.2 * len(panels) + 1.4, 0.8 * len(labels) + 1.2), layout="constrained"
    )
    places = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, (heading, line, rows) in zip(places, panels, strict=True):
        if line is not None:
            axes.axvline(line, color=INK, linewidth=0.8, linestyle="--")
        for place, spans in enumerate(rows):
            for number, (span, (colour, mark)) in enumerate(zip(spans, KINDS, strict=False)):
                if span is not None:
                    height = place + 0.18 * (number - (len(kinds) - 1) / 2)
                    axes.plot([span.low, span.high], [height, height], color=colour, linewidth=1.5)
                    axes.plot(span.mean, height, mark, color=colour, markersize=5)
        axes.set_xlim(-3, 103)
        _frame(axes, labels, heading)
    marks = [axes.plot([], [], mark, color=colour)[0] for colour, mark in KINDS[: len(kinds)]]
    legend = figure.legend(
        marks, kinds, loc="outside lower center", ncols=len(kinds), frameon=False
    )
    for text in legend.get_texts():
        text.set_color(INK)
    _write(figure, path)


def _frame(axes: Axes, labels: Sequence[str], heading: str) -> None:
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.set_xlabel(heading)
    for text in (axes.xaxis.label, *axes.get_xticklabels(), *axes.get_yticklabels()):
        text.set_color(INK)
    axes.tick_params(color=INK)
    axes.patch.set_alpha(0)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(INK)


def _write(figure: Figure, path: Path) -> None:
    from matplotlib import rc_context

    path.parent.mkdir(parents=True, exist_ok=True)
    # no date and no random ids: the same numbers give the same file
    with atomic_write(path) as temporary, rc_context({"svg.hashsalt": "wsol_mm"}):
        figure.savefig(temporary, format="svg", transparent=True, metadata={"Date": None})
