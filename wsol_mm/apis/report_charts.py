"""Charts of a report as inline svg; colours come from the page's style sheet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from wsol_mm.apis.report_data import Floats

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 560, 260, 58, 40, 12


def line_chart(
    lines: Mapping[str, Floats], *, x_label: str, y_label: str, mark: float | None = None
) -> str:
    """Percentages over [0, 1): one line for each entry, named at its peak.

    Args:
        lines: ``{name: (T,) percent}``.
        x_label, y_label: Of the axes.
        mark: A dashed line there.
    """
    parts = [_axes(x_label, y_label)]
    for number, (name, values) in enumerate(lines.items()):
        keep = np.unique(np.append(np.arange(0, len(values), max(1, len(values) // 200)),
                                   values.argmax()))  # fmt: skip
        xs, ys = keep / len(values), values[keep]
        points = " ".join(f"{_x(x):.1f},{_y(y):.1f}" for x, y in zip(xs, ys, strict=True))
        best = int(values.argmax())
        top = f"{name}: best {values[best]:.1f} % at {best / len(values):.3f}"
        parts.append(
            f'<polyline class="line c{number % 4}" points="{points}"><title>{escape(top)}</title>'
            f'</polyline><circle class="dot c{number % 4}" cx="{_x(best / len(values)):.1f}" '
            f'cy="{_y(values[best]):.1f}" r="3.5"/>'
            f'<text class="name c{number % 4}" x="{_WIDTH - 8}" y="{_TOP + 14 + 16 * number}" '
            f'text-anchor="end">{escape(top)}</text>'
        )
    if mark is not None:
        parts.append(
            f'<line class="mark" x1="{_x(mark):.1f}" x2="{_x(mark):.1f}" y1="{_TOP}" '
            f'y2="{_HEIGHT - _BOTTOM}"/><text class="small" x="{_x(mark) + 4:.1f}" '
            f'y="{_HEIGHT - _BOTTOM - 6}">threshold {mark:.3f}</text>'
        )
    return _svg(parts, f"{y_label} over {x_label}")


def bar_chart(counts: Sequence[int], *, x_label: str) -> str:
    """Counts over equal steps of [0, 1], as percent of all."""
    total = max(1, sum(counts))
    shares = [100 * count / total for count in counts]
    top = max([*shares, 1e-9])
    step = 1 / len(counts)
    parts = [_axes(x_label, "images, %", top)]
    for number, (count, share) in enumerate(zip(counts, shares, strict=True)):
        low = number * step
        said = f"IoU {low:.2f} to {low + step:.2f}: {count} images, {share:.1f} %"
        x, width = _x(low), _x(low + step) - _x(low) - 1.5
        parts.append(
            f'<rect class="bar" x="{x:.1f}" y="{_y(100 * share / top):.1f}" width="{width:.1f}" '
            f'height="{_y(0) - _y(100 * share / top):.1f}"><title>{said}</title></rect>'
        )
    return _svg(parts, "histogram")


def rate_bar(rate: float, interval: tuple[float, float] | None = None) -> str:
    """A percentage as a bar, with its interval as a whisker."""
    whisker = ""
    if interval is not None:
        low, high = interval
        whisker = f'<line class="whisker" x1="{low:.1f}" x2="{high:.1f}" y1="5" y2="5"/>'
    return (
        f'<svg class="rate" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="bar" width="{rate:.1f}" height="10"/>{whisker}</svg>'
    )


def _x(share: float) -> float:
    return _LEFT + share * (_WIDTH - _LEFT - 10)


def _y(percent: float) -> float:
    return _HEIGHT - _BOTTOM - percent / 100 * (_HEIGHT - _BOTTOM - _TOP)


def _axes(x_label: str, y_label: str, top: float = 100.0) -> str:
    """Grid, ticks and labels; the vertical axis ends at ``top``."""
    parts = []
    for tick in range(0, 101, 25):
        y = _y(tick)
        parts.append(
            f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - 10}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text class="small" x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">'
            f"{tick * top / 100:.3g}</text>"
        )
    for tick in range(0, 11, 2):
        parts.append(
            f'<text class="small" x="{_x(tick / 10):.1f}" y="{_HEIGHT - _BOTTOM + 16}" '
            f'text-anchor="middle">{tick / 10:g}</text>'
        )
    parts.append(
        f'<text class="small" x="{_x(0.5):.1f}" y="{_HEIGHT - 6}" text-anchor="middle">'
        f"{escape(x_label)}</text>"
        f'<text class="small" transform="rotate(-90)" x="{-_y(50):.1f}" y="10" '
        f'text-anchor="middle">{escape(y_label)}</text>'
    )
    return "".join(parts)


def _svg(parts: list[str], label: str) -> str:
    return (
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{escape(label)}">{"".join(parts)}</svg>'
    )
