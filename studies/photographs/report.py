"""The pages of the bench: a picture, a short table, and everything as csv beside it."""

from __future__ import annotations

import csv
import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studies.harness.forest import draw_forest
from studies.harness.images import PARTS, Columns, Interval, difference, level
from studies.harness.report import markdown_table, write_block
from studies.harness.store import Result, other_files
from studies.photographs.detector_tables import (
    detectors_table,
    draw_detectors,
    entropies_table,
    makers_table,
    one_thing_table,
    pairs_table,
)
from studies.photographs.repeated import write_repeated
from studies.photographs.rows import BENCHES, MIXED, Bench, Row
from studies.photographs.search import tuned_bench
from studies.photographs.val_epoch import val_epoch_table
from wsol_mm.io import atomic_write

NUMBERS = {
    "top1_cls": "Top-1 Cls",
    "gt_known": "GT-known",
    "max_box_acc_v2": "MaxBoxAccV2",
    "gt_known_mean": "mean GT-known",
    "gt_known_iou70": "GT-known at IoU .7",
    "top1_loc": "Top-1 Loc",
    "mask_iou": "mask IoU",
    "max_mask_iou": "best mask IoU",
}
MAIN = ("gt_known", "max_box_acc_v2")
FIRST_PAGE, OTHER_DATA = "photographs.md", "photographs/other_data.md"
APART_PAGE, DETECTORS_PAGE = "photographs/taken_apart.md", "photographs/detectors.md"
REFINERS_PAGE, BENCHMARKS_PAGE = "photographs/refiners.md", "benchmarks.md"
# Rows of the page's tables and pictures; all others stand in the csv.
HEADLINE = {
    "birds": (
        *("CAM", "HaS", "ACoL", "SPG", "ADL", "CutMix", "EIL", "BridgeGap", "NL-CCAM", "CI-CAM"),
        *("NL-CCAM, by Adam", "CI-CAM, by Adam", "CI-CAM, second loss alone", "KG-CI-CAM"),
        *("DDT", "TokenCut", "SD-CAM", "C2AM"),
        *("CAM + ARM", "BridgeGap + ARM", "TokenCut + ARM", "SD-CAM + ARM", "C2AM + ARM"),
        *("CAM + SGRM", "BridgeGap + SGRM"),
        "CAM + ARM + SGRM, chosen on val",
        "SD-CAM + ARM + SeedSign + SGRM, full resolution",
        "SD-CAM + ARM + SeedSign + SGRM, chosen on val",
    ),
}
# Rows of README's table.
FEW = (
    *("CAM", "HaS", "ADL", "BridgeGap", "CI-CAM", "CI-CAM, second loss alone", "KG-CI-CAM"),
    *("TokenCut", "SD-CAM", "C2AM", "CAM + ARM", "SD-CAM + ARM"),
    "SD-CAM + ARM + SeedSign + SGRM, full resolution",
)
# Birds' rows that take one thing of a method away, or put the truth in its place, by method.
APART = {
    "bridgegap": (
        "CAM, eight epochs",
        *("BridgeGap, dropout", "BridgeGap, similarity", "BridgeGap, norm"),
        *("BridgeGap, dropout + similarity", "BridgeGap, dropout + norm"),
        *("BridgeGap, similarity + norm", "BridgeGap"),
        *("CAM, norm map F", "CAM, similarity map S"),
        *("BridgeGap, norm map F", "BridgeGap, similarity map S"),
    ),
    "frozen": (
        *("CAM", "CAM, frozen network"),
        *("C2AM, network trained", "C2AM, last layer alone", "C2AM"),
    ),
    "ci_cam": (
        *("NL-CCAM", "CI-CAM, one branch", "CI-CAM, gaussian pool", "CI-CAM, zero pool"),
        *("CI-CAM, shuffled pool", "CI-CAM, averaged pool", "CI-CAM"),
        *("CI-CAM, pool of true boxes", "CI-CAM, projection at ten times the rate"),
        "CI-CAM, pool of true boxes, projection at ten times the rate",
        *("CAM, by Adam", "NL-CCAM, by Adam", "NL-CCAM, by Adam, CI-CAM's combination"),
        *("CI-CAM, zero pool, by Adam", "CI-CAM, shuffled pool, by Adam", "CI-CAM, by Adam"),
    ),
    "kg_ci_cam": (
        *("CI-CAM, second loss alone", "KG-CI-CAM"),
        *(f"KG-CI-CAM, {kind} expert alone" for kind in ("classification", "localization")),
        "KG-CI-CAM, temperature 1",
    ),
    "experts": (
        *("classification expert", "classification expert, masks of true boxes"),
        *("classification expert, no foreground loss", "classification expert, area loss"),
        *("localization expert", "localization expert, masks of true boxes"),
        "localization expert, no difference loss",
    ),
}
Seeds = Mapping[int, Result]


@dataclass(frozen=True)
class Line:
    """What is measured of a row with one kind of checkpoint.

    Attributes:
        row: The row.
        checkpoint: ``last`` or ``val``.
        seeds: Results by seed.
        levels: Each number with its interval.
        differences: Against the row's baseline, over the seeds of both.
    """

    row: Row
    checkpoint: str
    seeds: Seeds
    levels: Mapping[str, Interval]
    differences: Mapping[str, Interval]

    @property
    def columns(self) -> Mapping[int, Columns]:
        """What each test image adds to the numbers, by seed."""
        return {seed: result["images"] for seed, result in self.seeds.items()}

    def beside(self, chosen: Line | None, number: str) -> str:
        """A number of the row's line at val's epoch, for tables.

        With the count of its seeds where this line has more, empty where it is not measured.
        """
        if chosen is None or number not in chosen.levels:
            return ""
        fewer = f" ({len(chosen.seeds)})" if len(chosen.seeds) < len(self.seeds) else ""
        return f"{chosen.levels[number].mean:.1f}{fewer}"

    def seconds(self) -> str:
        """Median wall time of a training, for tables; empty where none was timed.

        Of the seeds that a CPU trained, where there are any: a GPU trained up to 16 rows at once.
        """
        timed = [r for r in self.seeds.values() if r.get("train_seconds") is not None]
        on_cpu = [r for r in timed if "accelerator" not in r["machine"]]
        times = [r["train_seconds"] for r in on_cpu or timed]
        return f"{statistics.median(times):.0f}" if times else ""


def measure(bench: Bench, row: Row, checkpoint: str, kept: Path) -> Line | None:
    """A row's line, or None where nothing is finished; says where a pair had unlike files."""
    found = bench.finished(row, checkpoint, kept)
    if not found:
        return None
    columns = [result["images"] for result in found.values()]
    numbers = [name for name in NUMBERS if set(PARTS.get(name, (name,))) <= set(columns[0])]
    levels = {name: level(columns, name) for name in numbers}
    base = bench.finished(bench.row(row.baseline), checkpoint, kept) if row.baseline else {}
    both = sorted(set(base) & set(found))
    for seed in both:
        if other := other_files(base[seed], found[seed]):
            print(f"{row.name}, {checkpoint}, seed {seed}: not {row.baseline}'s {', '.join(other)}")
    differences = {
        name: difference(
            [base[seed]["images"] for seed in both], [found[seed]["images"] for seed in both], name
        )
        for name in (numbers if both else ())
    }
    return Line(row, checkpoint, found, levels, differences)


def collect(bench: Bench, kept: Path) -> list[Line]:
    """Every line of a bench that is measured."""
    checkpoints = ("last",) if bench.test_only else ("last", "val")
    lines = [measure(bench, row, each, kept) for row in bench.rows for each in checkpoints]
    return [line for line in lines if line is not None]


def main_numbers(lines: Sequence[Line]) -> tuple[str, ...]:
    """Numbers of the short table; masks add theirs. The last two are drawn."""
    masked = any("max_mask_iou" in line.levels for line in lines)
    return (*MAIN, "max_mask_iou") if masked else MAIN


def pxap(line: Line) -> str:
    """Mean of PxAP over seeds, which has no value per image and so no interval here."""
    found = [result["metrics"].get("pxap") for result in line.seeds.values()]
    known = [value for value in found if value is not None]
    return f"{statistics.mean(known):.1f}" if known else ""


def write_csv(lines: Sequence[Line], path: Path) -> None:
    """Everything that is measured, a line for each row and kind of checkpoint."""
    path.parent.mkdir(parents=True, exist_ok=True)
    measured = set().union(*(line.levels for line in lines))
    numbers = {name: heading for name, heading in NUMBERS.items() if name in measured}
    masked = "max_mask_iou" in measured
    with atomic_write(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        head = ["method", "checkpoint", "seeds", "which", "epochs"]
        for heading in numbers.values():
            for each in (heading, f"{heading} difference"):
                head += [each, f"{each} low", f"{each} high"]
        head += ["PxAP"] if masked else []
        writer.writerow([*head, "training s", "device", "notes"])
        for line in lines:
            results = line.seeds.values()
            epochs = " ".join(str(result.get("epoch", "")) for result in results)
            which = " ".join(map(str, line.seeds))
            cells: list[str] = [line.row.name, line.checkpoint, str(len(results)), which, epochs]
            for name in numbers:
                for found in (line.levels.get(name), line.differences.get(name)):
                    ends = (found.mean, found.low, found.high) if found else ()
                    cells += [f"{value:.2f}" for value in ends] or ["", "", ""]
            cells += [pxap(line)] if masked else []
            devices = {result["machine"].get("accelerator", "CPU") for result in results}
            writer.writerow(
                [
                    *cells,
                    line.seconds(),
                    " / ".join(sorted(devices)),
                    line.row.notes,
                ]
            )


def short_table(lines: Sequence[Line], names: Sequence[str], *, baselines: bool = False) -> str:
    """The page's table: last epoch, then the epoch that val chose where something was trained.

    With ``baselines`` a last column names what each row is compared with.
    """
    found = {(line.row.name, line.checkpoint): line for line in lines}
    trained = any("epoch" in result for line in lines for result in line.seeds.values())
    twice = any(line.checkpoint == "val" for line in lines)
    main = main_numbers(lines)
    masked = main != MAIN
    head = ["method", *(["seeds"] if trained else []), "Top-1 Cls"]
    for name in main:
        head += [NUMBERS[name], "against baseline", *(["at val's epoch"] if twice else [])]
    head += ["mask IoU", "PxAP"] if masked else []
    head += ["baseline"] if baselines else []
    rows = [head]
    for name in names:
        last, chosen = found.get((name, "last")), found.get((name, "val"))
        if last is None:
            continue
        seeds = [str(len(last.seeds))] if trained else []
        cells = [_label(last.row), *seeds, _mean(last, "top1_cls")]
        for number in main:
            against = last.differences.get(number)
            shown = against.marked if against else ""
            at_val = [last.beside(chosen, number)] if twice else []
            cells += [_mean(last, number), shown, *at_val]
        cells += [_mean(last, "mask_iou"), pxap(last)] if masked else []
        cells += [last.row.baseline or ""] if baselines else []
        rows.append(cells)
    return markdown_table(rows)


def _label(row: Row) -> str:
    """A row's name; what is no method says so."""
    return f"{row.name} (upper bound)" if row.notes.startswith("upper bound") else row.name


def _mean(line: Line, number: str) -> str:
    return f"{line.levels[number].mean:.1f}" if number in line.levels else ""


def readme_table(lines: Sequence[Line]) -> str:
    """The README's table: a few of the birds' rows at the last epoch."""
    found = {line.row.name: line for line in lines if line.checkpoint == "last"}
    numbers = ("top1_cls", *MAIN)
    rows = [["six classes of birds", *(NUMBERS[each] for each in numbers), "against", "difference"]]
    for line in (found[name] for name in FEW if name in found):
        against = line.differences.get(MAIN[-1])
        shown = [line.row.baseline or "", against.marked] if against else ["", ""]
        rows.append([line.row.name, *(_mean(line, each) for each in numbers), *shown])
    return markdown_table(rows)


def draw(lines: Sequence[Line], names: Sequence[str], path: Path) -> None:
    """A forest plot: each method's difference to its baseline at the last epoch.

    The numbers are the last two of the short table. Without a difference there is no picture.
    """
    found = {line.row.name: line for line in lines if line.checkpoint == "last"}
    shown = [found[name] for name in names if name in found and found[name].differences]
    if not shown:
        return
    main = main_numbers(lines)[-2:]
    rows = [(_label(line.row), [line.differences.get(number) for number in main]) for line in shown]
    draw_forest(rows, [f"{NUMBERS[number]},\npoints above the baseline" for number in main], path)


def footnote(lines: Sequence[Line]) -> str:
    """What all numbers of a bench belong to."""
    results = [result for line in lines for result in line.seeds.values()]
    machines = dict.fromkeys(
        "; ".join(f"{name} {value}" for name, value in result["machine"].items())
        for result in results
    )
    trivial = [result["metrics"].get("trivial_centre_iou50") for result in results]
    known = [value for value in trivial if value is not None]
    centre = f" The best centred square has GT-known {known[0]:.1f}." if known else ""
    masked = main_numbers(lines) != MAIN
    masks = " Mask IoU is a mean over images, best at one threshold for all of them, else at the "
    masks = f"{masks}boxes' threshold." if masked else ""
    over = (
        "means over seeds at the last epoch, differences paired by image and by the seeds that "
        "both rows have, with 95 % bootstrap intervals over both"
        if any("epoch" in result for result in results)
        else "differences paired by image with 95 % bootstrap intervals"
    )
    return (
        f"Percent on the test images; {over}, bold where zero lies outside. "
        f"GT-known at {_threshold(results)}; MaxBoxAccV2 takes its own best by definition."
        f"{masks}{centre}\n\nMachine: {' / '.join(machines)}."
    )


def settings_table(found: Mapping[str, Any]) -> str:
    """What val said of the refiners' settings, all of them in the order of their grids."""
    numbers = ("max_box_acc_v2", "gt_known_iou70")
    rows = [["maps", "settings", "MaxBoxAccV2", "GT(.7)"]]
    rows.append(["CAM", "", *(f"{found['CAM'][number]:.1f}" for number in numbers)])
    for name, behind in (("ARM", "CAM + ARM"), ("SGRM", "CAM + ARM + SGRM")):
        for entry in found[name]["grid"]:
            words = ", ".join(f"{key} {value}" for key, value in entry["settings"].items())
            chosen = entry["settings"] == found[name]["chosen"]
            cells = [words or "its defaults", *(f"{entry[number]:.1f}" for number in numbers)]
            rows.append([behind, *(f"**{cell}**" if chosen else cell for cell in cells)])
    count = len(found["seeds"])
    note = f"Percent, means over the val images of {count} seeds, 36 each; bold: chosen."
    return f"{markdown_table(rows)}\n\n{note}"


def benches(kept: Path) -> dict[str, Bench]:
    """Every bench, and what the search chose on birds where there has been one."""
    search = kept / "search.json"
    found = json.loads(search.read_text()) if search.is_file() else {}
    return {**({"birds_tuned": tuned_bench(found)} if found else {}), **BENCHES}


def _threshold(results: Sequence[Result]) -> str:
    """In words, where the thresholds of GT-known come from."""
    stamps = [result.get("stamp", {}) for result in results]
    sources = {(stamp.get("threshold") or {}).get("source") for stamp in stamps}
    return "the best threshold of the test split" if "oracle" in sources else "val's threshold"


def write_pages(docs: Path, kept: Path, readme: Path | None = None) -> None:
    """Write the blocks, pictures and csv of every bench that has results, and README's table."""
    (docs / "photographs").mkdir(parents=True, exist_ok=True)
    trained = {}
    measured = benches(kept)
    for name, bench in measured.items():
        lines = collect(bench, kept)
        if not lines:
            continue
        names = HEADLINE.get(name, [row.name for row in bench.rows])
        write_csv(lines, docs / "photographs" / f"{name}.csv")
        draw(lines, names, docs / "photographs" / f"{name}.svg")
        page = docs / (FIRST_PAGE if name.startswith("birds") else OTHER_DATA)
        text = f"{short_table(lines, names)}\n\n{bench.title}. {footnote(lines)}"
        write_block(page, f"photographs_{name}", text)
        if name == "birds":
            _write_apart(lines, docs)
            _write_detectors(lines, docs)
            _write_mixed(lines, docs)
            if readme:
                write_block(readme, "photographs", readme_table(lines))
        if not bench.test_only:
            trained[name.replace("_tuned", ", searched")] = lines
        print(f"{name}: {len(lines)} lines")
    if text := val_epoch_table(trained):
        write_block(docs / APART_PAGE, "photographs_val_epoch", text)
    again = write_repeated(measured, kept, docs / "photographs/repeated.csv")
    print(f"{again} trainings repeated on another processor")
    if (kept / "refiners.json").is_file():
        found = json.loads((kept / "refiners.json").read_text())
        write_block(docs / REFINERS_PAGE, "photographs_refiners", settings_table(found))


def _write_apart(lines: Sequence[Line], docs: Path) -> None:
    names = [name for part in APART.values() for name in part]
    draw(lines, names, docs / "photographs/taken_apart.svg")
    for part, rows in APART.items():
        text = short_table(lines, rows, baselines=True)
        write_block(docs / APART_PAGE, f"photographs_{part}", text)


def _write_detectors(lines: Sequence[Line], docs: Path) -> None:
    draw_detectors(lines, docs / "photographs/detectors.svg")
    tables = {
        "detectors": detectors_table,
        "pairs": pairs_table,
        "entropies": entropies_table,
        "one_thing": one_thing_table,
        "makers": makers_table,
    }
    for block, table in tables.items():
        if text := table(lines):
            write_block(docs / DETECTORS_PAGE, f"photographs_{block}", text)


def _write_mixed(lines: Sequence[Line], docs: Path) -> None:
    """Rows in mixed precision against the same rows in full."""
    last = [line for line in lines if line.checkpoint == "last"]
    text = short_table(last, [row.name for row in MIXED], baselines=True)
    write_block(docs / BENCHMARKS_PAGE, "photographs_mixed", text)
