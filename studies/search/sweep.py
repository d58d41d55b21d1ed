"""Train a config over the values of one or two of its keys; a csv, a table and a plot.

    python -m studies.search.sweep --preset bridgegap_figure8 --out work_dirs/figure8 --jobs 2
    python -m studies.search.sweep --config configs/bridgegap/resnet50_cub.py \\
        --data-root data/CUB_200_2011 --out work_dirs/sweep \\
        --key model.head.loss_sim.loss_weight=0.1,0.5,1

Toy scenes are drawn where there is no --data-root. A preset's curves each vary one key and leave
the others as the config has them; two --key give every combination. Finished runs are kept. The
numbers are those of the test split: they show how sensitive a method is and must choose nothing
(the csv has the val split's, too).
"""

import argparse
import ast
import csv
import itertools
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from studies.harness.run import run_trials
from studies.harness.trial import Trial, resolved_config
from studies.toy.methods import METHODS, METRIC_NAMES
from wsol_mm.apis.command import KeyValues, one_line_errors
from wsol_mm.io import atomic_write

SHOWN = ("max_box_acc_v2", "gt_known", "top1_loc", "top1_cls")


@dataclass(frozen=True)
class Curve:
    """Values of one key, or of two in every combination."""

    label: str
    values: dict[str, tuple[Any, ...]]

    def options(self) -> list[dict[str, Any]]:
        """The overrides of each point.

        >>> Curve("", {"a": (1, 2), "b": (3,)}).options()
        [{'a': 1, 'b': 3}, {'a': 2, 'b': 3}]
        """
        return [
            dict(zip(self.values, row, strict=True))
            for row in itertools.product(*self.values.values())
        ]


@dataclass(frozen=True)
class Preset:
    """Curves around a trial."""

    trial: Trial
    curves: tuple[Curve, ...]
    notes: str = ""


@dataclass(frozen=True)
class Point:
    """One point of a curve with the results of its seeds."""

    curve: Curve
    options: dict[str, Any]
    own: bool
    results: list[dict[str, Any]] = field(default_factory=list)

    def mean(self, metric: str) -> float | None:
        """Mean over the seeds."""
        numbers = [result["metrics"][metric] for result in self.results]
        return statistics.fmean(numbers) if numbers else None

    def sd(self, metric: str) -> float:
        """Standard deviation over the seeds, 0 for a single one."""
        numbers = [result["metrics"][metric] for result in self.results]
        return statistics.stdev(numbers) if len(numbers) > 1 else 0.0


def one(label: str, key: str, *values: Any) -> Curve:
    """A curve over one key."""
    return Curve(label, {key: values})


PRESETS = {
    "bridgegap_figure8": Preset(
        METHODS["BridgeGap"],
        (
            one("lambda_sim", "model.head.loss_sim.loss_weight", 0.1, 0.25, 0.5, 1.0, 2.0),
            one("lambda_norm", "model.head.loss_norm.loss_weight", 0.05, 0.1, 0.15, 0.3, 0.5),
            one("lambda_drop", "model.erasing.loss_weight", 1.0, 2.0, 3.0, 4.0),
            one("tau_fg", "model.head.loss_sim.tau_fg", 0.4, 0.5, 0.6, 0.7),
            one("tau_bg", "model.head.loss_sim.tau_bg", 0.05, 0.1, 0.15, 0.2),
            one("gamma", "model.erasing.layer.threshold", 0.6, 0.7, 0.8, 0.9),
            one("p", "model.erasing.layer.drop_prob", 0.25, 0.5, 0.75, 1.0),
        ),
        "Kim et al., CVPR 2022, Figure 8. Their text names lambda_sim 0.5, lambda_norm 0.15, "
        "lambda_drop 3 and 4, tau_fg 0.6, tau_bg 0.1, gamma 0.6 to 0.9, p 0.5 and 1; the other "
        "values are ours.",
    ),
}


def read_curve(words: Sequence[str]) -> Curve:
    """The curve of one or two ``KEY=V1,V2,...``.

    Raises:
        ValueError: A word is something else, a key stands twice, or there are more than two.

    >>> read_curve(["a.b=0.1,1", "c=minmax,max"]).values
    {'a.b': (0.1, 1), 'c': ('minmax', 'max')}
    """
    values: dict[str, tuple[Any, ...]] = {}
    for word in words:
        key, sign, text = word.partition("=")
        if not (key and sign and text) or key in values:
            raise ValueError(f"--key {word}: expected KEY=VALUE,VALUE,... and every key once")
        try:
            values[key] = tuple(ast.literal_eval(f"[{text}]"))
        except (ValueError, SyntaxError):
            values[key] = tuple(text.split(","))
    if len(values) not in (1, 2):
        raise ValueError(f"--key: expected one or two keys, got {len(values)}")
    return Curve(" x ".join(key.rpartition(".")[2] for key in values), values)


def own(trial: Trial, options: dict[str, Any]) -> bool:
    """Whether a point is the config as it is."""
    changed = replace(trial, options={**trial.options, **options})
    return resolved_config(changed).to_dict() == resolved_config(trial).to_dict()


def write_csv(found: Sequence[Point], path: Path) -> None:
    """One line per run, with every number of test and val."""
    rows = []
    for point in found:
        named = [f"{key}={value}" for key, value in point.options.items()]
        for result in point.results:
            row = {"curve": point.curve.label, "options": " ".join(named), "seed": result["seed"]}
            row |= result["metrics"]
            rows.append(row | {f"val_{key}": value for key, value in result["val"].items()})
    columns = list(dict.fromkeys(column for row in rows for column in row))
    with atomic_write(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


def table(found: Sequence[Point], notes: str) -> str:
    """Markdown table: mean and standard deviation over the seeds of every point."""
    lines = [
        "| key | value | " + " | ".join(METRIC_NAMES[key] for key in SHOWN) + " | n |",
        "|---" * (len(SHOWN) + 3) + "|",
    ]
    for point in found:
        cells = []
        for metric in SHOWN:
            mean = point.mean(metric)
            spread = f" ± {point.sd(metric):.1f}" if len(point.results) > 1 else ""
            cells.append("failed" if mean is None else f"{mean:.1f}{spread}")
        value = " x ".join(str(value) for value in point.options.values())
        value += " (the config's)" if point.own else ""
        line = [point.curve.label, value, *cells, str(len(point.results))]
        lines.append("| " + " | ".join(line) + " |")
    return "\n".join(
        [*lines, "", f"Percent on the test split, mean ± sd over seeds. {notes}".strip()]
    )


def plot(
    found: Sequence[Point], curves: Sequence[Curve], metrics: Sequence[str], path: Path
) -> None:
    """One panel per curve; with two keys a line for each value of the second."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.2 * len(curves), 3), layout="constrained")
    panels = figure.subplots(1, len(curves), squeeze=False, sharey=True)[0]
    for panel, curve in zip(panels, curves, strict=True):
        first, *others = curve.values
        for metric in metrics:
            for rest in curve.values[others[0]] if others else (None,):
                line = [
                    (point.options[first], point.mean(metric), point.sd(metric))
                    for point in found
                    if point.curve is curve
                    and point.results
                    and (not others or point.options[others[0]] == rest)
                ]
                if line:
                    x, y, spread = zip(*line, strict=True)
                    label = METRIC_NAMES[metric] + (f", {others[0]}={rest}" if others else "")
                    panel.errorbar([str(v) for v in x], y, spread, marker="o", label=label)
        panel.set_xlabel(first.rpartition(".")[2] if others else curve.label)
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("percent")
    panels[0].legend(fontsize="small")
    with atomic_write(path) as temporary:
        figure.savefig(temporary, dpi=120)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool; 1 if a trial failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", choices=sorted(PRESETS), help="curves of a paper's figure")
    parser.add_argument("--config", help="config to vary (the preset's)")
    parser.add_argument("--key", action="append", default=[], metavar="KEY=V1,V2,...")
    parser.add_argument("--out", type=Path, required=True, help="folder of the sweep")
    parser.add_argument("--data-root", help="data of the config; toy scenes are drawn without")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--jobs", type=int, default=1, help="trials at once, one thread each")
    parser.add_argument(
        "--metrics", nargs="+", choices=METRIC_NAMES, default=["gt_known", "top1_loc"]
    )
    parser.add_argument("--cfg-options", nargs="+", action=KeyValues, default={})
    args = parser.parse_args(argv)
    with one_line_errors():
        return run(args)


def run(args: argparse.Namespace) -> int:
    """Run the sweep and write its files.

    Raises:
        ValueError: Neither a preset nor a config with keys.
    """
    preset = PRESETS.get(args.preset) if args.preset else None
    if (preset is None) == (not args.key) or not (preset or args.config):
        raise ValueError("expected --preset NAME, or --config FILE with one or two --key")
    trial = Trial(args.config) if args.config else preset.trial
    trial = replace(trial, options={**trial.options, **args.cfg_options}, data_root=args.data_root)
    curves = preset.curves if preset else (read_curve(args.key),)
    found = [
        Point(curve, changed, own(trial, changed))
        for curve in curves
        for changed in curve.options()
    ]
    wanted = [
        (point, replace(trial, options={**trial.options, **point.options}, seed=seed))
        for point in found
        for seed in args.seeds
    ]
    results = run_trials([changed for _, changed in wanted], args.out, args.jobs)
    for (point, _), result in zip(wanted, results, strict=True):
        if result is not None:
            point.results.append(result)
    write_csv(found, args.out / "sweep.csv")
    text = table(found, preset.notes if preset else "")
    with atomic_write(args.out / "sweep.md") as temporary:
        temporary.write_text(text + "\n")
    plot(found, curves, args.metrics, args.out / "sweep.png")
    print(f"\n{text}\n\nwritten: {args.out}/sweep.csv, sweep.md, sweep.png")
    return 1 if None in results else 0


if __name__ == "__main__":
    sys.exit(main())
