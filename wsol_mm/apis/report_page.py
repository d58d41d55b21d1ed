"""The html page of a report: the facts of one or more runs, in one file without a network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from wsol_mm.apis.report_charts import bar_chart, line_chart, rate_bar
from wsol_mm.apis.report_data import Run, read_run
from wsol_mm.apis.report_facts import (
    KINDS,
    Group,
    differences,
    examples,
    groups,
    histogram,
    hits,
    kinds,
    paired,
)
from wsol_mm.apis.report_pictures import Pictures
from wsol_mm.apis.report_words import metric_name, stamp_sentences
from wsol_mm.functional.rates import V2_IOUS, iou_key
from wsol_mm.io import atomic_write

_TEMPLATE = Path(__file__).with_name("report_page.html")
_LAYERS = """<nav><span>Show:</span>
<label><input type="checkbox" value="map" checked> map</label>
<label><input type="checkbox" value="found" checked> boxes</label>
<label><input type="checkbox" value="truth" checked> truth</label>
<span class="key truth">truth</span><span class="key found">box</span>
<span class="key other">box of the other run</span></nav>"""
_PER_KIND = 6


def report_file(
    results: Sequence[Path], out: Path, images: Path | None = None, maps: Sequence[Path] = ()
) -> str:
    """Write the page of some results.

    Args:
        results: See :func:`wsol_mm.apis.report_data.find_files`; the first is what the others are
            compared with.
        out: The html file.
        images: Folder that image names are relative to; else the files that the records name.
        maps: Folders of saved maps, one for each result, or none.

    Returns:
        What was written, in one line.

    Raises:
        FileNotFoundError, ValueError: A result is missing or malformed, or runs have no image in
            common.
    """
    stems = Counter(path.stem for path in results)
    names = [path.stem if stems[path.stem] == 1 else str(path) for path in results]
    runs = [read_run(path, name) for path, name in zip(results, names, strict=True)]
    folders: Sequence[Path | None] = maps or [None] * len(runs)
    pictures = [Pictures(run, images, folder) for run, folder in zip(runs, folders, strict=True)]
    page = build_page(pictures)
    with atomic_write(out) as temporary:
        temporary.write_text(page, "utf-8")
    return f"{out}: {len(runs)} run{'s' * (len(runs) > 1)}, {len(page) / 1e6:.1f} MB"


def build_page(pictures: Sequence[Pictures]) -> str:
    """The whole page."""
    parts = [_LAYERS]
    parts += [comparison(pictures[0], other) for other in pictures[1:]]
    parts += [run_section(each) for each in pictures]
    return _TEMPLATE.read_text("utf-8").replace("__BODY__", "\n".join(parts))


def run_section(pictures: Pictures) -> str:
    """Everything about one run."""
    run = pictures.run
    parts = [f"<h2>{escape(run.name)}</h2>", headline(run), stamp(run)]
    if run.iou is None:
        parts.append("<p>No boxes were compared, so there is nothing by image.</p>")
        return "\n".join([*parts, classes(run)])
    parts += [curves(run), "<h3>IoU of the boxes</h3>"]
    parts += [bar_chart(histogram(run.iou).tolist(), x_label="IoU")]
    parts += [breakdown(run), errors(pictures), classes(run), gallery(pictures)]
    return "\n".join(parts)


def headline(run: Run) -> str:
    """Numbers with intervals, then those of the trivial predictors."""
    details = run.details
    known = {key for key, value in details.items() if isinstance(value, (int, float))}
    known -= {key for key in known if key.startswith(("threshold", "best_threshold"))}
    tables = []
    for title, trivial in (("Numbers", False), ("Trivial predictors, same protocol", True)):
        rows = []
        for key in details:
            if key not in known or key.startswith("trivial") is not trivial:
                continue
            low, high = details["intervals"].get(key, (None, None))
            span = "" if low is None else f"{low:.1f} to {high:.1f}"
            at, source = details["thresholds"].get(key), "oracle"
            if key.startswith("gt_known") or key in ("top1_loc", "top5_loc"):
                at, source = (details["stamp"]["threshold"][part] for part in ("value", "source"))
            note = "" if at is None else f"{'side' if trivial else 'threshold'} {at:.3f} ({source})"
            rows.append([metric_name(key), _number(details[key], 2), span, note])
        if rows:
            heads = ("", "value", "95 % interval", "chosen")
            tables.append(f"<div><h3>{title}</h3>{_table(heads, rows)}</div>")
    return f'<div class="side">{"".join(tables)}</div>'


def stamp(run: Run) -> str:
    """What moved the numbers."""
    lines = "".join(f"<li>{escape(line)}</li>" for line in stamp_sentences(run.details["stamp"]))
    return f"<h3>How to read them</h3><ul>{lines}</ul>"


def curves(run: Run) -> str:
    """Right boxes over thresholds, one line for each IoU; detectors have none."""
    found = {
        key.removeprefix("best_threshold_iou"): np.array(values)
        for key, values in run.details["curves"].items()
        if key.startswith("best_threshold_iou")
    }
    if not found:
        return ""
    lines = {f"IoU {float(iou) / 100:g}": values for iou, values in found.items()}
    chart = line_chart(
        lines,
        x_label="threshold, share of the map's maximum",
        y_label="right boxes, %",
        mark=run.details["stamp"]["threshold"]["value"],
    )
    return f"<h3>Over thresholds</h3>{chart}"


def breakdown(run: Run) -> str:
    """Rates by what the true box is like."""
    found = groups(run)
    if not found:
        return "<p>By size, aspect and place: the records are of an earlier version.</p>"
    tables = []
    for title, entries in found.items():
        rows = [_group_row(group) for group in entries if group.images]
        heads = (title, "images", "right, %", "95 % interval", "mean IoU", "")
        tables.append(f"<div>{_table(heads, rows)}</div>")
    head = "<h3>By the true box: size, aspect, place (IoU 0.5, the largest of an image)</h3>"
    return f'{head}<div class="side">{"".join(tables)}</div>'


def _group_row(group: Group) -> list[Any]:
    low, high = group.interval
    cells = [group.name, group.images, _number(group.rate, 1), f"{low:.0f} to {high:.0f}"]
    return [*cells, _number(group.mean_iou, 2), Html(rate_bar(group.rate, group.interval))]


def errors(pictures: Pictures) -> str:
    """How many images of each kind, and some of each."""
    run = pictures.run
    each = kinds(run)
    counts = Counter(each)
    rows = [
        [kind, counts[kind], _number(100 * counts[kind] / len(each), 1), KINDS[kind],
         Html(rate_bar(100 * counts[kind] / len(each)))]
        for kind in KINDS
        if counts[kind]
    ]  # fmt: skip
    parts = ["<h3>Kinds of error</h3>", _table(("kind", "images", "%", "meaning", ""), rows)]
    for kind in KINDS:
        chosen = [index for index, found in enumerate(each) if found == kind]
        if chosen and kind != "right":
            shown = chosen[:: -(-len(chosen) // _PER_KIND)]
            parts.append(
                f"<details><summary>{kind}: {len(shown)} of {len(chosen)} images</summary>"
                f"{_figures(pictures, shown)}</details>"
            )
    return "\n".join(parts)


def classes(run: Run) -> str:
    """The per-class table; its heads sort it."""
    rows = run.details["per_class"]
    wanted = ["top1_cls", "gt_known", "top1_loc", "max_box_acc_v2", "multi_gt_known"]
    wanted += [iou_key("gt_known", thr) for thr in V2_IOUS]
    keys = [key for key in wanted if key in rows[0]]
    iou, labels = run.iou, run.labels
    heads = ["class", "images", *map(metric_name, keys)]
    each = kinds(run) if iou is not None else []
    if iou is not None:
        heads += ["mean IoU", "most frequent error"]
    table = []
    for row in rows:
        label = row["label"]
        cells = [run.class_name(label), row["images"], *(_number(row[key], 1) for key in keys)]
        if iou is not None:
            own = np.flatnonzero(labels == label)
            wrong = Counter(each[index] for index in own if each[index] != "right")
            most = wrong.most_common(1)[0][0] if wrong else ""
            cells += [_number(float(iou[own].mean()), 3), most]
        table.append(cells)
    return f'<h3>By class</h3><div class="scroll">{_table(heads, table, sorts=True)}</div>'


def gallery(pictures: Pictures) -> str:
    """The best, the median and the worst images."""
    run = pictures.run
    if run.iou is None:
        return ""
    parts = []
    for title, chosen in examples(run.iou).items():
        parts.append(f"<h3>The {title} boxes</h3>{_figures(pictures, chosen)}")
    return "\n".join(parts)


def _figures(pictures: Pictures, chosen: Iterable[int]) -> str:
    run = pictures.run
    right = hits(run)
    figures = []
    for index in chosen:
        iou = 0.0 if run.iou is None else run.iou[index]
        caption = f"IoU {iou:.2f}"
        top5 = run.records[index].top5
        if top5 is not None and len(top5) and top5[0] != run.records[index].gt_label:
            caption += f", taken for {run.class_name(int(top5[0]))}"
        figures.append(pictures.draw(index, caption + ("" if right[index] else ", missed")))
    return f'<div class="gallery">{"".join(figures)}</div>'


def comparison(first: Pictures, second: Pictures) -> str:
    """Two runs on the images that both have."""
    one, other = first.run, second.run
    left, right = paired(one, other)
    rows = []
    for each in differences(one, other):
        low, high = each.interval
        verdict = "clear" if each.clear else "within chance"
        said = Html(f'<span class="{"clear" if each.clear else ""}">{verdict}</span>')
        cells = [metric_name(each.key), *(_number(value, 2) for value in each.values)]
        rows.append([*cells, f"{each.change:+.2f}", f"{low:+.2f} to {high:+.2f}", said])
    heads = ("", one.name, other.name, "difference", "95 % interval", "")
    unpaired = len(one.records) + len(other.records) - 2 * len(left)
    parts = [
        f"<h2>{escape(other.name)} against {escape(one.name)}</h2>",
        f"<p>Percent on the {len(left)} images of both ({unpaired} are in one run only); "
        "1000 bootstrap resamples, paired by image, each run at its own threshold.</p>",
        _table(heads, rows),
    ]
    if one.iou is not None and other.iou is not None:
        change = other.iou[right] - one.iou[left]
        order = np.argsort(change, kind="stable")
        better = [k for k in order[::-1][:_PER_KIND] if change[k] > 0]
        worse = [k for k in order[:_PER_KIND] if change[k] < 0]
        for title, chosen in (("Gained most", better), ("Lost most", worse)):
            figures = []
            for k in chosen:
                i, j = left[k], right[k]
                more = {} if one.boxes is None else {"other": one.boxes[i]}
                caption = f"IoU {one.iou[i]:.2f} before, {other.iou[j]:.2f} now"
                figures.append(second.draw(j, caption, more))
            if figures:
                parts.append(f'<h3>{title}</h3><div class="gallery">{"".join(figures)}</div>')
    return "\n".join(parts)


class Html(str):
    """Text that is markup already; all other text of a table is escaped."""


def _number(value: float, digits: int) -> str:
    return f"{value:.{digits}f}"


def _table(heads: Sequence[str], rows: Iterable[Sequence[Any]], *, sorts: bool = False) -> str:
    """A table; numbers are set right, and heads become buttons where it sorts."""
    head = "".join(
        f'<th scope="col">{f"<button>{escape(name)}</button>" if sorts else escape(name)}</th>'
        for name in heads
    )
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(value: Any) -> str:
    if isinstance(value, Html):
        return f"<td>{value}</td>"
    text = str(value)
    number = text.lstrip("+-").replace(".", "", 1).isdigit()
    return f'<td class="n">{text}</td>' if number else f"<td>{escape(text)}</td>"
