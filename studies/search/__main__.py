"""Search hyper-parameters at random, as the reference benchmark did: val chooses, test is run once.

    python -m studies.search configs/adl/resnet18_toy.py --trials 30 --out work_dirs/search_adl
    python -m studies.search CONFIG --space RANGES.yml --trials 30 --out DIR --jobs 2

Ranges are data (`search.yml` beside the config; wsol_mm/apis/search_space.py says how to write
them). All trials are drawn beforehand from the seed, so they do not depend on the number of jobs,
and more trials begin with the same ones. A trial's value is the metric on val at the epoch that the
config's own `save_best` chose. The best trial alone is tested, with the threshold of val.

The same command continues a search that was killed: finished trials are kept, a trial that was cut
off goes on from its newest checkpoint. Started twice at a time, both work on one search; Optuna's
study is in `study.db`. `--out` gets `trials.csv`, `plot.png`, `best.py` (a config with the chosen
values) and `result.json`.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from studies.harness.run import run_trial, trial_folder
from studies.harness.trial import Trial, config_file, resolved_config
from studies.search.search import Search, finished_trials, open_study, run_search
from studies.search.space import config_text, load_space
from wsol_mm.apis.command import KeyValues, one_line_errors
from wsol_mm.io import atomic_write

LOADERS = ("train_dataloader", "val_dataloader", "test_dataloader")


def write_csv(search: Search, study: Any) -> None:
    """All trials; those that have not finished have no numbers."""
    names = [name for parameter in search.space for name in parameter.draws]
    known = {trial.number: facts for trial, facts in finished_trials(study)}
    with atomic_write(search.out / "trials.csv") as temporary, temporary.open("w") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["trial", search.metric, "epoch", "train_seconds", *names, "folder"])
        for trial in study.get_trials(deepcopy=False):
            facts = known.get(trial.number, {})
            numbers = [facts.get(key) for key in ("value", "epoch", "train_seconds")]
            drawn = search.numbers(trial.params).values()
            folder = trial_folder(search.trial_of(trial.params), search.out)
            place = folder.relative_to(search.out.resolve())
            rows.writerow([trial.number, *numbers, *drawn, place])


def plot(search: Search, trials: Sequence[Any], best: Any) -> None:
    """The metric over each number that was drawn, the best trial marked."""
    from matplotlib.figure import Figure

    names = [(name, parameter) for parameter in search.space for name in parameter.draws]
    columns = min(3, len(names))
    lines = math.ceil(len(names) / columns)
    figure = Figure(figsize=(4 * columns, 3 * lines), layout="constrained")
    axes = figure.subplots(lines, columns, squeeze=False, sharey=True).flatten()
    for axis, (name, parameter) in zip(axes, names, strict=False):
        convert = str if parameter.kind == "choice" else float
        drawn = [convert(search.numbers(trial.params)[name]) for trial in trials]
        axis.scatter(drawn, [trial.value for trial in trials], s=16)
        chosen = [convert(search.numbers(best.params)[name])]
        axis.scatter(chosen, [best.value], s=120, marker="*", color="red")
        axis.set_xlabel(name)
        if parameter.kind == "log_uniform":
            axis.set_xscale("log")
        if parameter.kind != "choice":
            axis.set_xlim(*parameter.bounds)
    for axis in axes[len(names) :]:
        axis.remove()
    for axis in axes[::columns]:
        axis.set_ylabel(f"{search.metric}, val")
    figure.suptitle(f"{Path(search.trial.config).parent.name}: {len(trials)} trials")
    with atomic_write(search.out / "plot.png") as temporary:
        figure.savefig(temporary, dpi=100)


def write_best(search: Search, best: Any) -> Path:
    """The config of the best trial."""
    from mmengine.config import Config

    config = config_file(search.trial)
    base = Path(os.path.relpath(config, search.out.resolve())).as_posix()
    plain = Config.fromfile(config)
    options = dict(search.trial.options)
    note = f"# Trial {best.number} of studies.search: {search.metric} {best.value:.2f} on val.\n"
    if options:
        note += f"# Searched with --cfg-options, which are not part of this file: {options}\n"
    path = search.out / "best.py"
    with atomic_write(path) as temporary:
        temporary.write_text(note + config_text(base, plain, search.values(best.params)))
    return path


def run_test(search: Search, best: Any, val: Mapping[str, float]) -> dict[str, Any]:
    """Test the best trial, with the threshold of maps carried over from val."""
    options: dict[str, Any] = {}
    if "best_threshold_iou50" in val:
        evaluator = resolved_config(search.trial).test_evaluator
        entries = evaluator if isinstance(evaluator, list | tuple) else [evaluator]
        for index, entry in enumerate(entries):
            if str(entry["type"]).split(".")[-1] == "WSOLMetric":
                place = "test_evaluator" if entry is evaluator else f"test_evaluator.{index}"
                options[f"{place}.threshold"] = "val"
    trial = replace(search.trial_of(best.params), test_options=options)
    return run_trial(trial, search.out)


def plain_trial(config: str, options: Mapping[str, Any]) -> Trial:
    """The config with what holds for all trials, on its own data.

    Raises:
        FileNotFoundError: There is no such config.
        KeyError: An override is for a part that the config does not have.
        ValueError: Its loaders read different folders, or val is test.
    """
    from mmengine.config import Config

    trial = Trial(config, options)
    own = Config.fromfile(config_file(trial)).get("randomness", {}).get("seed", 0)
    cfg = resolved_config(trial)
    roots = {str(cfg[loader].dataset.get("data_root")) for loader in LOADERS}
    if len(roots) > 1:
        raise ValueError(f"{config}: expected one data_root for all splits, found {sorted(roots)}")
    if cfg.val_dataloader.dataset == cfg.test_dataloader.dataset:
        raise ValueError(f"{config}: val and test read the same split; choose on one of their own")
    seed = options.get("randomness.seed", own)
    return replace(trial, seed=seed, data_root=roots.pop())


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", help="config to search")
    parser.add_argument("--out", type=Path, required=True, help="folder of this search")
    parser.add_argument("--trials", type=int, default=30, help="how many (default: 30)")
    parser.add_argument(
        "--space",
        nargs="+",
        metavar="YML",
        help="files with ranges, later entries replace earlier ones (search.yml of the config)",
    )
    parser.add_argument("--jobs", type=int, default=1, help="trainings at once (default: 1)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the draws (default: 0)")
    parser.add_argument(
        "--metric", default="wsol/max_box_acc_v2", help="of val (default: wsol/max_box_acc_v2)"
    )
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        action=KeyValues,
        default={},
        metavar="KEY=VALUE",
        help="override config keys in all trials",
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of every error")
    args = parser.parse_args(argv)
    for option in ("trials", "jobs"):
        if getattr(args, option) < 1:
            parser.error(f"--{option}: expected 1 or more")
    args.space = args.space or [Path(args.config).with_name("search.yml")]
    return args


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool; 1 if a trial failed."""
    args = parse_args(argv)
    with one_line_errors(args.debug):
        try:
            import optuna
        except ImportError:
            raise ValueError("Optuna is not installed: pip install optuna") from None
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        trial = plain_trial(args.config, args.cfg_options)
        space = load_space(args.space, resolved_config(trial))
        search = Search(trial, space, args.metric, args.seed, args.out)
        study = open_study(search, args.trials)
        failed = run_search(search, study, args.jobs)
        write_csv(search, study)
        for number, error in failed.items():
            print(f"trial {number} failed: {error}", file=sys.stderr, flush=True)
        finished = finished_trials(study)
        if not finished:
            raise ValueError(f"no trial has finished; see {args.out / 'trials.csv'} and the logs")
        best, facts = max(finished, key=lambda found: (found[0].value, -found[0].number))
        plot(search, [trial for trial, _ in finished], best)
        path = write_best(search, best)
        tested = run_test(search, best, facts["val"])
        result = {
            "config": args.config,
            "cfg_options": dict(args.cfg_options),
            "space": [str(file) for file in args.space],
            "seed": args.seed,
            "trials": len(study.get_trials(deepcopy=False)),
            "finished": len(finished),
            "metric": args.metric,
            "best": {"trial": best.number, "val": best.value, "drawn": search.numbers(best.params)},
            "values": search.values(best.params),
            "test": tested,
        }
        with atomic_write(args.out / "result.json") as temporary:
            temporary.write_text(json.dumps(result, indent=1, default=repr) + "\n")
        print(f"best: trial {best.number}, {args.metric} {best.value:.2f} on val; config {path}")
        name = args.metric.removeprefix("wsol/")
        print(f"test, threshold of val: {args.metric} {tested['metrics'][name]:.2f}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
