"""docs/benchmarks.md from the records: a picture, short tables, everything as csv beside it.

    python -m benchmarks.page

Prose stands in the page; what has a number is written between its markers.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from string import ascii_uppercase
from typing import Any

from benchmarks.record import RESULTS, ROOT, Cells, Record, read_records
from studies.harness.report import write_block
from wsol_mm.io import atomic_write

PAGE = ROOT / "docs/benchmarks.md"
INK = "#808080"  # legible on light and dark
COLOURS = ("#2a9d5c", "#3b7dd8", "#d1495b", "#c98a1b", "#8a5fbf")
TWIN = "CAM again"
PARTS = ("CAM", TWIN, "teacher, no gradient", "combination and pool")  # no methods to compare
Records = Mapping[str, Record]


def write_page(page: Path = PAGE, results: Path = RESULTS) -> None:
    """Write the blocks, the picture and the csv files from all records of a folder."""
    records = read_records(results)
    folder = page.with_suffix("")
    for record in records.values():
        for name, rows in csv_names(record).items():
            write_csv(rows, folder / name)
    costs = of_kind(records, "cost")
    if costs:
        draw_costs(costs, folder / "cost.svg")
    for name, text in blocks(records).items():
        write_block(page, name, text)


def blocks(records: Records) -> dict[str, str]:
    """The text between each pair of markers of the page."""
    letters = machines(records)
    found = {"headlines": headlines(records, letters)}
    for kind, write in KINDS.items():
        mine = of_kind(records, kind)
        if mine:
            found[kind] = f"{write(mine)}\n\n{origins(mine, letters)}"
    found["machines"] = "\n".join(f"* **{letter}**: {facts}." for facts, letter in letters.items())
    return found


def of_kind(records: Records, kind: str) -> dict[str, Record]:
    """Records called ``kind`` or ``kind_...``, those with most rows first."""
    found = [r for name, r in records.items() if name == kind or name.startswith(f"{kind}_")]
    return {record.name: record for record in sorted(found, key=lambda r: (-len(r.rows), r.name))}


def facts(record: Record) -> str:
    """The machine in one line."""
    return "; ".join(f"{name} {value}" for name, value in record.machine.items())


def machines(records: Records) -> dict[str, str]:
    """A letter for each machine."""
    return dict(zip(dict.fromkeys(map(facts, records.values())), ascii_uppercase, strict=False))


def origins(records: Records, letters: Mapping[str, str]) -> str:
    """Where numbers are from, and what must be measured again and why."""
    lines: list[str] = []
    changed: dict[str, dict[str, None]] = {}
    stale: dict[str, dict[str, None]] = {}
    for record in records.values():
        files = ", ".join(f"[{name}](benchmarks/{name})" for name in csv_names(record))
        lines.append(
            f"* `{record.command}`: {files}; machine {letters[facts(record)]}, wsol_mm "
            f"{record.wsol_mm} at commit {record.commit}."
        )
        for rows, what in record.changed.items():
            changed.setdefault(what, {}).update(dict.fromkeys(filter(None, rows.split("; "))))
            stale.setdefault(what, {})[f"{record.name}.csv"] = None
    for what, rows in changed.items():
        within = f" in {', '.join(stale[what])}" if len(stale[what]) < len(records) else ""
        of = f": {'; '.join(rows)}" if rows else ""
        lines.append(f"* **To be measured again**{within}{of}: {what}.")
    return "\n".join(lines)


def csv_names(record: Record) -> dict[str, Sequence[Cells]]:
    """The csv files of a record and their rows."""
    more = {f"{record.name}_{name}.csv": rows for name, rows in record.more.items()}
    return {f"{record.name}.csv": record.rows, **more}


def write_csv(rows: Sequence[Cells], path: Path) -> None:
    """Every number of a table."""
    path.parent.mkdir(parents=True, exist_ok=True)
    heads = list(dict.fromkeys(key for row in rows for key in row))
    with atomic_write(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, heads, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def table(heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A table of markdown; None is left empty."""
    lines = [heads, ["---"] * len(heads), *rows]
    texts = [["" if cell is None else str(cell) for cell in line] for line in lines]
    return "\n".join("| " + " | ".join(line) + " |" for line in texts)


def cells(rows: Sequence[Cells], line: str) -> list[list[str]]:
    """Cells of each row by a pattern with a bar between them.

    >>> cells([{"a": "x", "b": 1.26}], "{a}|{b:.1f}")
    [['x', '1.3']]
    """
    return [[part.format(**row) for part in line.split("|")] for row in rows]


def span(values: Sequence[float], digits: int = 2) -> str:
    """Smallest and largest of some numbers.

    >>> span([1.13, 1.36, 1.27]), span([2.0])
    ('1.13 to 1.36', '2.00')
    """
    low, high = (f"{value:.{digits}f}" for value in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


def headlines(records: Records, letters: Mapping[str, str]) -> str:
    """One line for each question: what came out, and what was asked for."""
    rows = [
        [what, out, asked, letters[facts(record)]]
        for record in records.values()
        for what, out, asked in _headlines(record)
    ]
    costs = list(of_kind(records, "cost").values())
    for method in ("BridgeGap", "CI-CAM", "KG-CI-CAM"):
        found = [row for record in costs for row in record.rows if row["method"] == method]
        if found:
            times = span([row["ratio_train"] for row in found])
            work = span([row["ratio_multiply_adds"] for row in found])
            where = dict.fromkeys(letters[facts(record)] for record in costs)
            rows.append([
                f"training step of {method}", f"{times} of CAM's time",
                f"multiply-adds: {work} of CAM's", "/".join(where),
            ])  # fmt: skip
    return table(["what", "measured", "asked for", "machine"], rows)


def _headlines(record: Record) -> Iterator[tuple[str, str, str]]:
    s = record.settings
    if record.name == "evaluator":
        for row in record.rows:
            yield (
                f"evaluator against contours of {s['thresholds']} thresholds, {row['map']} maps",
                f"{row['ratio']:.0f} times faster", f"at least {row['least']:g}",
            )  # fmt: skip
    elif record.name == "inference":
        ours, theirs = record.row("Localizer: boxes"), record.row("grad-cam's CAM: maps")
        yield (
            "`Localizer` against the bare network", f"{ours['over_bare']:.3f} of its time",
            f"at most {s['most_over_bare']:g}",
        )  # fmt: skip
        yield (
            "`Localizer` against the grad-cam package",
            f"{theirs['over_bare'] / ours['over_bare']:.1f} times faster",
            f"at least {s['least_over_grad_cam']:g}",
        )
    elif record.name == "exported":
        row = record.rows[-1]
        yield "an ONNX file against PyTorch", f"{row['times_the_first']:.1f} times faster", "-"
    elif record.name == "layout":
        last = record.rows[-1]["layout"]
        gains = [row["train_faster"] for row in record.rows if row["layout"] == last]
        yield (
            "training step of a depthwise network as the tools lay it out on a CPU",
            f"{span(gains, 1)} times faster", f"at least {s['least']:g}",
        )  # fmt: skip
    elif record.name == "refinement":
        for row in record.rows:
            yield (
                f"{row['what'].partition(',')[0]}, `{row['part']}`, against its plain form",
                f"{row['ratio']:.1f} times faster", f"at least {row['least']:g}",
            )  # fmt: skip
    elif record.name == "wend":
        for name in ("FCOS", "lean FCOS"):
            row = record.row(name)
            yield (
                f"{name} at test against single-class regression",
                f"{row['ratio_test']:.2f} of its time", f"at most {row['limit_test']:.2f}",
            )  # fmt: skip
        yield (
            "targets of a batch at once against MMDetection's loop",
            f"{span([row['ratio'] for row in record.more['targets']], 1)} times faster",
            f"at least {s['least']:g}",
        )
    elif record.name == "operators":
        yield (
            f"the stand-in against {s['against']}",
            f"{span([row['ratio'] for row in record.rows], 3)} of a step's time",
            f"at most {s['most']:g}",
        )


def evaluator(records: Records) -> str:
    """Both sweeps against the tree."""
    (record,) = records.values()
    heads = [
        "map",
        f"contours of {record.settings['thresholds']} thresholds, ms",
        "contours of distinct levels, ms",
        "wsol_mm, both rules, ms",
        "times reading and sorting once",
    ]
    line = "{map}: {what}|{thresholds_ms:.1f}|{levels_ms:.1f}|{ours_ms:.2f}|{over_floor:.1f}"
    return table(heads, cells(record.rows, line))


def inference(records: Records) -> str:
    """Images per second and memory."""
    (record,) = records.values()
    s = record.settings
    rows = cells(record.rows, "{side}|{images_per_second:.1f}|{over_bare:.3f}|{peak_mib:.0f}")
    heads = ["", "images per second", "times the bare pass", "peak memory, MiB"]
    return (
        f"{s['network']}, batches of {s['batch']}, medians of {s['rounds']} rounds. Maps of both "
        f"packages differ by at most {s['difference']:.0e}.\n\n{table(heads, rows)}"
    )


def exported(records: Records) -> str:
    """An exported file beside PyTorch."""
    (record,) = records.values()
    rows = cells(record.rows, "{side}|{images_per_second:.1f}|{times_the_first:.2f}")
    return (
        "{network} as one ONNX file ({megabytes:.0f} MB), batches of {batch}, {where}, medians of "
        "{rounds} rounds; boxes are equal.\n\n".format(**record.settings)
        + table(["", "images per second", "times the first"], rows)
    )


def layout(records: Records) -> str:
    """A depthwise network's layouts."""
    (record,) = records.values()
    line = (
        "{layout}|{stride}|{side}|{train_ms:.0f}|{train_faster:.2f}|{test_ms:.0f}|{test_faster:.2f}"
    )
    heads = [
        "",
        "stride",
        "px",
        "step, ms an image",
        "times faster",
        "test, ms an image",
        "times faster",
    ]
    return (
        "{network}, {batch} images, {where}, medians of {rounds} rounds; losses of "
        "one batch differ by at most {difference:.0e}.\n\n".format(**record.settings)
        + table(heads, cells(record.rows, line))
    )


def refinement(records: Records) -> str:
    """Each part against its plain form and its floor."""
    (record,) = records.values()
    heads = ["part", "plain form, ms", "wsol_mm, ms", "results", "times the floor", "memory, MB"]
    line = "`{part}`: {what}|{baseline_ms:.1f}|{ours_ms:.2f}|{agreement}|{over_floor:.1f}|"
    return table(heads, cells(record.rows, line + "{memory_mb:.1f}"))


def cost(records: Records) -> str:
    """Every network's ratios side by side."""
    methods = dict.fromkeys(row["method"] for record in records.values() for row in record.rows)
    heads = ["method", *(record.settings["network"] for record in records.values())]

    def rows(side: str, text: str) -> list[list[str | None]]:
        found = []
        for method in methods:
            cells = []
            for record in records.values():
                row = next((row for row in record.rows if row["method"] == method), {})
                shown = row.get(f"ratio_{side}") is not None
                cells.append(text.format(**row) if shown else None)
            if any(cells) and method not in ("CAM", TWIN):
                found.append([method, *cells])
        return found

    train = table(heads, rows("train", "{ratio_train:.2f} ({ratio_multiply_adds:.2f})"))
    test = table(heads, rows("test", "{ratio_test:.2f}"))
    exceeded = [
        f"{row['method']} on {record.settings['network']} ({side})"
        for record in records.values()
        for row in record.rows
        for side in ("train", "test")
        if row.get(f"limit_{side}") and row[f"of_{side}"] > row[f"limit_{side}"]
    ]
    noise = span([100 * r.settings["noise_train"] for r in records.values()], 1)
    return (
        f"A training step's time in CAM's, and in brackets its multiply-adds; two equal models "
        f"differed by {noise} %.\n\n{train}\n\nTime at test in CAM's:\n\n{test}\n\n"
        + (f"Limits exceeded: {', '.join(exceeded)}." if exceeded else "Every limit holds.")
    )


def wend(records: Records) -> str:
    """Detectors against SCR, and targets."""
    (record,) = records.values()
    s = record.settings

    def limit(row: Cells, side: str) -> str:
        most = row[f"limit_{side}"]
        return f"{row[f'ratio_{side}']:.2f}" + (f" (at most {most:.2f})" if most else "")

    detectors = table(
        [
            "detector",
            "parameters, M (paper)",
            "multiply-adds at test",
            "test",
            "paper's",
            "step",
        ],
        [
            [
                row["detector"],
                f"{row['parameters_m']:.2f}"
                + (f" ({row['paper_parameters_m']:.2f})" if row["paper_parameters_m"] else ""),
                f"{row['ratio_multiply_adds']:.2f}",
                limit(row, "test"),
                f"{row['paper_ratio']:.2f}" if row["paper_ratio"] else None,
                limit(row, "train"),
            ]
            for row in record.rows
        ],
    )
    targets = table(
        ["targets of", "MMDetection, ms", "all images at once, ms", "times faster"],
        cells(record.more["targets"], "{targets}|{mmdet_ms:.2f}|{batch_ms:.2f}|{ratio:.1f}"),
    )
    fcos = record.row("FCOS")
    spent = 100 * (1 - fcos["network_ms"] / fcos["test_ms"])
    return (
        f"In SCR's numbers; ResNet-50, {s['side']} px, batch {s['batch']}, {s['where']}:\n\n"
        f"{detectors}\n\nWhat dominates FCOS: its two 3x3 layers from 2048 to 2048 channels are "
        f"{s['towers_g']:.2f} G of {fcos['multiply_adds_g']:.2f} G multiply-adds at test, beside "
        f"{fcos['multiply_adds_g'] - fcos['behind_backbone_g']:.2f} G of the backbone, which is "
        f"nearly all of SCR; post-processing takes {max(0, spent):.0f} % of the time.\n\n"
        f"Target assignment of {s['target_images']} images with one box each:\n\n{targets}"
    )


def training(records: Records) -> str:
    """Images per second on every device side by side."""
    heads, columns = ["images per second of"], []
    for record in records.values():
        for key, text in (("images_per_second", ""), ("mixed", ", mixed precision")):
            if key in record.rows[0]:
                heads.append(f"{record.settings['where']}{text}")
                columns.append((record, key))
    methods = [row["method"] for row in next(iter(records.values())).rows]
    rows = [[m, *(f"{record.row(m)[key]:.3g}" for record, key in columns)] for m in methods]
    s = next(iter(records.values())).settings
    fewest = min(record.settings["rounds"] for record in records.values())
    about = f"{s['network']}, batch {s['batch']}, {s['side']} px, wall time, median of at least "
    return f"{about}{fewest} steps:\n\n{table(heads, rows)}"


def targets(records: Records) -> str:
    """Whole training steps by device."""
    heads = ["training step of", "image by image, ms", "batch at once, ms", "gain"]
    line = "{detector}|{loop_ms:.1f}|{batch_ms:.1f}|{gain_percent:.0f} %"
    return "\n\n".join(
        "{batch} images of {side} px, {where}:\n\n".format(**record.settings)
        + table(heads, cells(record.rows, line))
        for record in records.values()
    )


def operators(records: Records) -> str:
    """Compiled operators against the stand-in."""
    (record,) = records.values()
    s = record.settings
    line = "{detector}|{called_in_a_step}|{called_at_test}|{compiled_ms:.0f}|{stand_in_ms:.0f}|"
    rows = cells(record.rows, line + "{ratio:.3f}|{again:.3f}")
    heads = ["detector", "called in a step", "called at test", "compiled, ms", "stand-in, ms"]
    return (
        f"Toy detectors of `configs/wend`, {s['side']} px, batch {s['batch']}, medians of "
        f"{s['rounds']} rounds, against {s['against']}; *again* is the stand-in's step against the "
        f"same step:\n\n{table([*heads, 'ratio', 'again'], rows)}"
    )


KINDS = {
    "cost": cost,
    "evaluator": evaluator,
    "inference": inference,
    "exported": exported,
    "layout": layout,
    "refinement": refinement,
    "wend": wend,
    "training": training,
    "targets": targets,
    "operators": operators,
}


def draw_costs(records: Records, path: Path) -> None:
    """Each method's time in CAM's, a mark for each network; a panel for training, one for test."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    methods = dict.fromkeys(
        row["method"] for r in records.values() for row in r.rows if row["method"] not in PARTS
    )
    places = {method: place for place, method in enumerate(methods)}
    figure = Figure(figsize=(9, 0.32 * len(places) + 1.3), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for axes, side, heading in zip(panels, ("train", "test"), ("training", "test"), strict=True):
        axes.axvline(1, color=INK, linewidth=0.8)
        for record, colour, marker in zip(records.values(), COLOURS, "osD^v", strict=False):
            points = [
                (row[f"ratio_{side}"], places[row["method"]])
                for row in record.rows
                if row["method"] in places and row.get(f"ratio_{side}")
            ]
            x, y = zip(*points, strict=True)
            axes.plot(x, y, marker, color=colour, markersize=5, label=record.settings["network"])
        axes.set_xscale("log", base=2)
        ticks = [0.5, 1, 2, 4, 8]
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.set_xlim(0.45, 8)
        axes.set_yticks(list(places.values()), list(places))
        axes.set_ylim(len(places) - 0.5, -0.6)
        axes.set_xlabel(f"{heading}: time in CAM's")
        for text in (axes.xaxis.label, *axes.get_xticklabels(), *axes.get_yticklabels()):
            text.set_color(INK)
        axes.tick_params(color=INK)
        axes.grid(axis="y", color=INK, alpha=0.2)
        axes.patch.set_alpha(0)
        for where, spine in axes.spines.items():
            spine.set_visible(where == "bottom")
            spine.set_color(INK)
    legend = figure.legend(
        *panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=5, frameon=False
    )
    for text in legend.get_texts():
        text.set_color(INK)
    path.parent.mkdir(parents=True, exist_ok=True)
    # no date and no random ids: the same numbers give the same file
    with atomic_write(path) as temporary, rc_context({"svg.hashsalt": "wsol_mm"}):
        figure.savefig(temporary, format="svg", transparent=True, metadata={"Date": None})


def main(argv: Sequence[str] | None = None) -> None:
    """Write the page from what is there."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.parse_args(argv)
    write_page()


if __name__ == "__main__":
    main()
