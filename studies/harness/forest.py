"""Forest plots: a point with its interval for each row, green above zero and red below."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from wsol_mm.io import atomic_write

INK = "#808080"  # legible on light and dark
BETTER, WORSE = "#2a9d5c", "#d1495b"


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
    from matplotlib import rc_context
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
        axes.set_yticks(range(len(rows)), [label for label, _ in rows])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xlabel(heading)
        for text in (axes.xaxis.label, *axes.get_xticklabels(), *axes.get_yticklabels()):
            text.set_color(INK)
        axes.tick_params(color=INK)
        axes.patch.set_alpha(0)
        for side, spine in axes.spines.items():
            spine.set_visible(side == "bottom")
            spine.set_color(INK)
    path.parent.mkdir(parents=True, exist_ok=True)
    # no date and no random ids: the same numbers give the same file
    with atomic_write(path) as temporary, rc_context({"svg.hashsalt": "wsol_mm"}):
        figure.savefig(temporary, format="svg", transparent=True, metadata={"Date": None})
