"""Seven methods on the same toy scenes: one table, and one figure of their maps side by side.

    python -m studies.toy.head_to_head --out work_dirs/head_to_head --jobs 2

CAM, HaS, ACoL, SPG, ADL, CutMix and BridgeGap train with the same schedule; checkpoint and
threshold are chosen on val. Writes ``table.md`` (means over the seeds, trivial predictors below)
and, for the first seed, ``maps/`` with image, CAM, norm map and similarity map of every method.
What is finished is skipped when the command is started again; with the --out of
studies.effects their runs are shared.
"""

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from studies.effects.effect import MAP_METRICS
from studies.harness.report import machine, write_block
from studies.harness.run import best_checkpoint, run_trials, trial_folder
from studies.harness.trial import Trial, trial_key
from studies.toy.methods import METHODS, METRIC_NAMES
from wsol_mm.io import atomic_write

COLUMNS = {key: METRIC_NAMES[key] for key in MAP_METRICS}
TRIVIAL = {"trivial_centre": "best centred box", "trivial_whole": "whole image"}


def table(rows: dict[str, list[dict[str, Any]]]) -> str:
    """Markdown table: means over the seeds of each method, then the trivial predictors."""
    head = ["method", *COLUMNS.values(), "training, s", "seeds"]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]

    def add(name: str, cells: Sequence[float | None], count: int) -> None:
        shown = ["" if cell is None else f"{cell:.1f}" for cell in cells]
        lines.append("| " + " | ".join([name, *shown, str(count)]) + " |")

    for name, results in rows.items():
        metrics = [result["metrics"] for result in results]
        cells = [mean(numbers[key] for numbers in metrics) for key in COLUMNS]
        add(name, [*cells, mean(result["train_seconds"] for result in results)], len(results))
    every = [result["metrics"] for results in rows.values() for result in results]
    for key, name in TRIVIAL.items():
        by_iou = [mean(m.get(f"{key}_iou{iou}") for m in every) for iou in (30, 50, 70)]
        cells = [mean(m.get(key) for m in every), *by_iou, by_iou[1], None, None, None]
        add(name, cells, len({result["seed"] for results in rows.values() for result in results}))
    return "\n".join(lines)


def mean(numbers: Any) -> float | None:
    """Mean of those that are there: a run that was cut off has no training time."""
    known = [number for number in numbers if number is not None]
    return statistics.fmean(known) if known else None


def draw(trials: dict[str, Trial], root: Path, images: int) -> bool:
    """Draw the maps of trained trials, unless they are there; whether that worked."""
    out, marker = root / "maps", root / "maps.json"
    state = {"images": images, "trials": {name: trial_key(t) for name, t in trials.items()}}
    if marker.is_file() and json.loads(marker.read_text()) == state:
        print(f"skipped: {out} is there")
        return True
    words: list[str] = []
    for name, trial in trials.items():
        folder = trial_folder(trial, root)
        checkpoint = best_checkpoint(folder / "train")
        words += ["--model", name, str(folder / "config.py"), str(checkpoint)]
    command = ["-m", "studies.decomposition", *words]
    command += ["--out", str(out), "--images", str(images)]
    print("$ python", *command, flush=True)
    if subprocess.run([sys.executable, *command], check=False).returncode:
        return False
    with atomic_write(marker) as temporary:
        temporary.write_text(json.dumps(state) + "\n")
    return True


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool; 1 if a method failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("work_dirs/head_to_head"))
    parser.add_argument("--jobs", type=int, default=1, help="runs at once, one thread each")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--images", type=int, default=4, help="images in the figure")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--write-docs", type=Path, help="document that gets the table")
    args = parser.parse_args(argv)
    wanted = [(name, seed) for seed in args.seeds for name in args.methods]
    trials = {(name, seed): replace(METHODS[name], seed=seed) for name, seed in wanted}
    results = run_trials(list(trials.values()), args.out, args.jobs)
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in args.methods}
    for (name, _), result in zip(wanted, results, strict=True):
        if result is not None:
            rows[name].append(result)
    facts = "; ".join(f"{name} {value}" for name, value in machine().items())
    sources = {r["stamp"]["threshold"]["source"] for several in rows.values() for r in several}
    text = (
        f"{table(rows)}\n\nToy scenes, test split, percent, means over seeds {args.seeds}; "
        f"threshold of GT-known and Top-1 Loc from {' / '.join(sorted(sources))}, trivial "
        f"predictors at their best side. BridgeGap's settings come from a search of 12 trials on "
        f"val, the others' are not searched. {facts}."
    )
    with atomic_write(args.out / "table.md") as temporary:
        temporary.write_text(text + "\n")
    print(f"\n{text}\n")
    if args.write_docs:
        write_block(args.write_docs, "head_to_head", text)
    first = {name: trials[name, args.seeds[0]] for name in args.methods}
    drawn = None not in results and draw(first, args.out, args.images)
    print(f"table: {args.out / 'table.md'}   figure: {args.out / 'maps' if drawn else 'failed'}")
    return 0 if drawn else 1


if __name__ == "__main__":
    sys.exit(main())
