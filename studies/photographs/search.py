"""The same search budget for every method: random draws of its own ranges, chosen on val alone.

A draw is trained on the first seed and judged by val's MaxBoxAccV2 at its last epoch; no test is
run before the choice is made (a test of this module sees to that).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from studies.harness.run import TrialError, run_trials, train_trial
from studies.harness.store import keep
from studies.harness.trial import Trial
from studies.photographs.data import prepare
from studies.photographs.rows import BENCHES, Bench, Row
from wsol_mm.io import atomic_write

METRIC = "max_box_acc_v2"
LR = "optim_wrapper.optimizer.lr"


@dataclass(frozen=True)
class Range:
    """Where a key's value is drawn from: uniform, or uniform in the logarithm."""

    low: float
    high: float
    log: bool = False

    def draw(self, rng: np.random.Generator) -> float:
        """One value, rounded to three digits."""
        ends = np.log([self.low, self.high]) if self.log else np.array([self.low, self.high])
        value = rng.uniform(*ends)
        return float(f"{np.exp(value) if self.log else value:.3g}")


# A third to three times the published values.
RATE = {LR: Range(0.0007, 0.006, log=True)}
ADAM_RATE = {LR: Range(3.5e-5, 3e-4, log=True)}
DETECTOR_RATE = {LR: Range(1.7e-4, 1.5e-3, log=True)}
DECAY = {"optim_wrapper.optimizer.weight_decay": Range(1e-5, 1e-3, log=True)}
# A key with * stands for the same value in three entries.
SPACES: dict[str, dict[str, Range]] = {
    "CAM": {**RATE, **DECAY},
    "HaS": {**RATE, "train_dataloader.dataset.pipeline.4.drop_rate": Range(0.2, 0.8)},
    "ACoL": {**RATE, "model.head.threshold": Range(0.5, 0.9)},
    "SPG": {**RATE, **DECAY},
    "ADL": {**RATE, "model.layers.*.layer.drop_rate": Range(0.2, 1.0)},
    "CutMix": {**RATE, "data_preprocessor.batch_augments.augments.alpha": Range(0.3, 2.0)},
    "EIL": {**RATE, "model.erasing.loss_weight": Range(0.2, 2.0, log=True)},
    "BridgeGap": {
        **RATE,
        "model.erasing.loss_weight": Range(0.5, 8.0, log=True),
        "model.head.loss_sim.loss_weight": Range(0.1, 2.0, log=True),
        "model.head.loss_norm.loss_weight": Range(0.03, 0.6, log=True),
    },
    "NL-CCAM": {**RATE, **DECAY},
    "CI-CAM": {**RATE, "model.head.context_pool.rate": Range(0.01, 0.5, log=True)},
    "CI-CAM, second loss alone": {
        **ADAM_RATE,
        "model.head.context_pool.rate": Range(0.01, 0.5, log=True),
    },
    "KG-CI-CAM": {
        **ADAM_RATE,
        "model.cls_guidance.temperature": Range(1.0, 20.0, log=True),
        "model.loc_guidance.temperature": Range(1.0, 20.0, log=True),
    },
    "TokenCut": {**RATE, "model.head.tau": Range(0.1, 0.6)},
    "SD-CAM": {**RATE, "model.head.tau": Range(0.1, 0.6)},
    "C2AM": {**RATE, "model.head.alpha": Range(0.01, 1.0, log=True)},
    # On boxes of C2AM as published.
    "Faster R-CNN on C2AM's boxes": {**DETECTOR_RATE, **DECAY},
    "Faster R-CNN with WE on C2AM's boxes": {
        **DETECTOR_RATE,
        "model.eta": Range(0.03, 1.0, log=True),
        "model.loss_we.gamma": Range(1.0, 8.0),
        "model.loss_we.alpha": Range(0.05, 0.75, log=True),
    },
}


def draws(name: str, count: int) -> list[dict[str, float]]:
    """The options of a method's draws; the same for everybody."""
    rng = np.random.default_rng([ord(letter) for letter in name])
    found = []
    for _ in range(count):
        drawn = {key: span.draw(rng) for key, span in SPACES[name].items()}
        found.append(
            {
                key.replace("*", str(entry)): value
                for key, value in drawn.items()
                for entry in (range(3) if "*" in key else (0,))
            }
        )
    return found


def judge(trial: Trial, root: Path, threads: int | None) -> float:
    """Val's number at the last epoch of a training; no test is run."""
    facts = train_trial(trial, root, threads=threads)
    return float(facts["val"][METRIC])


def tuned(row: Row, options: Mapping[str, Any]) -> Row:
    """The row with what was chosen, beside CAM with what was chosen for it."""
    return replace(
        row,
        name=f"{row.name}, tuned",
        options={**row.options, **options},
        baseline=row.baseline and f"{row.baseline}, tuned",
        notes="",
    )


def tuned_bench(found: Mapping[str, Any]) -> Bench:
    """The bench of what a search has chosen; inputs of its rows are those of the bench birds."""
    bench = BENCHES["birds"]
    rows = tuple(tuned(bench.row(name), entry["chosen"]) for name, entry in found.items())
    return replace(bench, rows=rows, givers=bench.rows)


def judged(file: Path) -> dict[tuple[str, str], float]:
    """Val's numbers that an earlier search has kept, by method and draw."""
    found = json.loads(file.read_text()) if file.is_file() else {}
    numbers = {}
    for name, entry in found.items():
        for draw in entry["draws"]:
            options = {key: value for key, value in draw.items() if key != "val"}
            numbers[name, json.dumps(options, sort_keys=True)] = draw["val"]
    return numbers


def search_all(args: argparse.Namespace, kept: Path) -> int:
    """Search every method, then train and test what was chosen; 1 if something failed.

    A draw that an earlier search has kept is not trained again.
    """
    bench, data = BENCHES["birds"], args.out / "data"
    prepare(args.source, data, args.seeds)
    jobs = [(name, options) for name in SPACES for options in draws(name, args.trials)]
    known = judged(kept / "search.json")

    def value(job: tuple[str, Mapping[str, float]]) -> float | None:
        name, options = job
        key = (name, json.dumps(options, sort_keys=True))
        if key in known:
            return known[key]
        row = tuned(bench.row(name), options)
        try:
            return judge(
                bench.trial(row, args.seeds[0], data), args.out, 1 if args.jobs > 1 else None
            )
        except (TrialError, KeyError) as error:
            print(f"failed: {name} {options}: {error}", flush=True)
            return None

    with ThreadPoolExecutor(max_workers=args.jobs) as pool:
        values = list(pool.map(value, jobs))
    found: dict[str, Any] = {}
    for name in SPACES:
        mine = [
            (number, options)
            for (method, options), number in zip(jobs, values, strict=True)
            if method == name and number is not None
        ]
        if mine:
            best = max(mine, key=lambda pair: pair[0])
            found[name] = {
                "chosen": best[1],
                "val": best[0],
                "draws": [{"val": number, **options} for number, options in mine],
            }
    if args.keep:
        kept.mkdir(parents=True, exist_ok=True)
        with atomic_write(kept / "search.json") as temporary:
            temporary.write_text(json.dumps(found, indent=1) + "\n")
    trials = tuned_trials(found, args.seeds, data)
    results = run_trials(trials, args.out, args.jobs, kept=kept, stop_after=args.stop_after)
    if args.keep:
        keep(kept / "birds_tuned.jsonl", zip(trials, results, strict=True))
    failed = values.count(None) + results.count(None)
    print(json.dumps({"draws": len(values), "tests": len(results), "failed": failed}))
    return 1 if failed else 0


def tuned_trials(found: Mapping[str, Any], seeds: Sequence[int], data: Path) -> list[Trial]:
    """Both checkpoints of every method's choice, seed by seed."""
    bench = tuned_bench(found)
    return [
        bench.trial(row, seed, data, checkpoint)
        for seed in seeds
        for row in bench.rows
        for checkpoint in row.checkpoints
    ]
