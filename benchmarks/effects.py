"""Effect rows on toy scenes: does a method do what it claims, by how much, and how sure is that?

A row pairs a baseline with a method over seeds; a seed draws its own scenes for both. Add a row to
``GROUPS`` and only what is missing runs; a killed run continues.

    python benchmarks/effects.py --group bridgegap --jobs 2 --out work_dirs/effects
    python benchmarks/effects.py --dry-run     # every group: what is finished
    python benchmarks/effects.py --keep        # copy results to benchmarks/results/effects

Kept results count as finished on every machine. The table goes to docs/effects.md; the last line is
one JSON object.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from wsol_mm.apis.command import one_line_errors
from wsol_mm.apis.experiments import Difference, Trial, paired_difference, run_trials
from wsol_mm.apis.report import write_block
from wsol_mm.apis.toy_methods import METHODS, METRICS
from wsol_mm.apis.trials import finished_result, result_file

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs/effects.md"
KEPT = ROOT / "benchmarks/results/effects"
LEARNED = 90.0  # Top-1 Cls that a row's baseline must reach
NO_DROP = {"model.erasing.loss_weight": 0}
NO_SIM = {"model.head.loss_sim.loss_weight": 0}
NO_NORM = {"model.head.loss_norm.loss_weight": 0}
CAM, BRIDGEGAP = METHODS["CAM"], METHODS["BridgeGap"]


@dataclass(frozen=True)
class Effect:
    """One row.

    Attributes:
        name: Short name, unique in its group.
        claim: What should come out, and who says so.
        baseline: Trial without what the claim is about; its seed is replaced.
        method: Trial with it.
        metrics: Keys of the results; the first one is the row's main number.
        seeds: Seeds of the pairs.
        control: Whether the row is there to explain another row away.
        notes: What a reader must know.
    """

    name: str
    claim: str
    baseline: Trial
    method: Trial
    metrics: tuple[str, ...] = tuple(METRICS)
    seeds: tuple[int, ...] = (0, 1, 2)
    control: bool = False
    notes: str = ""

    def trials(self) -> list[tuple[Trial, Trial]]:
        """Baseline and method of every seed."""
        return [
            (replace(self.baseline, seed=seed), replace(self.method, seed=seed))
            for seed in self.seeds
        ]


def against_cam(name: str, claim: str, notes: str = "") -> Effect:
    """A row that compares a method with CAM."""
    return Effect(name, claim, CAM, METHODS[name], notes=notes)


def without(*terms: dict[str, Any]) -> Trial:
    """BridgeGap with some terms at weight 0, so that they are not computed."""
    options = dict(BRIDGEGAP.options)
    for term in terms:
        options |= term
    return replace(BRIDGEGAP, options=options)


def shown_by(trial: Trial, kind: str) -> Trial:
    """The same network localized from another map, divided by its maximum."""
    evaluators = {f"{split}_evaluator.normalization": "max" for split in ("val", "test")}
    return replace(trial, test_options={"model.head.map_kind": kind, **evaluators})


def causal(rho: str) -> tuple[Effect, ...]:
    """Rows of the causal family where context and class co-occur with a probability."""
    dials = () if rho == "0.5" else ("--context-rho", rho)  # 0.5 is the scenes' own

    def trial(config: str) -> Trial:
        return Trial(f"configs/{config}.py", CAM.options, dials=dials)

    cam, nl_ccam = trial("cam/resnet18_toy"), trial("nl_ccam/resnet18_toy")
    ci_cam = trial("ci_cam/resnet18_toy")
    controls = {
        "gaussian": "the pool does more than a fixed centred bump",
        "zero": "the pool does more than the projection's bias",
        "shuffled": "the context must be that of the predicted class",
        "averaged": "one class's context does more than the mean of all",
        "one_branch": "the second branch does more than twice the loss",
    }
    return (
        Effect("NL-CCAM", "combined maps show more than the top one's (Yang et al.)", cam, nl_ccam),
        Effect("CI-CAM", "the pool disentangles context (Shao et al., ACM MM 2021)", cam, ci_cam),
        *(
            Effect(name, claim, trial(f"ci_cam/resnet18_toy_{name}"), ci_cam, control=True)
            for name, claim in controls.items()
        ),
    )


PAPER = "Kim et al., CVPR 2022"
ALIGNED = "aligned features make the {} map alone localize about as well as the CAM"
GROUPS: dict[str, tuple[Effect, ...]] = {
    "benchmark_methods": (
        against_cam("HaS", "hiding patches shows more of the object (Singh and Lee, ICCV 2017)"),
        against_cam(
            "ACoL",
            "a second classifier finds other parts (Zhang et al., CVPR 2018)",
            notes="learning rate 0.02 instead of 0.05, see its config",
        ),
        against_cam("SPG", "self-produced masks guide the map (Zhang et al., ECCV 2018)"),
        against_cam("ADL", "dropping attended features spreads it (Choe and Shim, CVPR 2019)"),
        against_cam("CutMix", "mixed images show more of it (Yun et al., ICCV 2019)"),
        against_cam(
            "BridgeGap",
            f"aligned feature directions show the whole object ({PAPER})",
            notes="settings from a search of 12 trials on val; the other methods' are not searched",
        ),
    ),
    "bridgegap": (
        Effect(
            "drop",
            f"attentive dropout with consistency alone helps (+14.3 GT Loc; {PAPER}, Table 7)",
            CAM,
            without(NO_SIM, NO_NORM),
        ),
        Effect("sim", "the similarity loss alone helps (+15.4)", CAM, without(NO_DROP, NO_NORM)),
        Effect("sim+norm", "and more with the norm loss (+21.2)", CAM, without(NO_DROP)),
        Effect("drop+sim", "dropout and similarity loss add up (+24.6)", CAM, without(NO_NORM)),
        Effect("all", "all three are best (+32.4)", CAM, BRIDGEGAP),
        Effect(
            "norm map",
            ALIGNED.format("norm") + " (-1.2)",
            BRIDGEGAP,
            shown_by(BRIDGEGAP, "norm"),
            notes="one network, two maps",
        ),
        Effect(
            "similarity map",
            ALIGNED.format("similarity") + " (-0.0)",
            BRIDGEGAP,
            shown_by(BRIDGEGAP, "similarity"),
            notes="one network, two maps; negative similarity counts as background",
        ),
        Effect(
            "CAM's norm map",
            "without alignment the norm map differs more from the CAM",
            CAM,
            shown_by(CAM, "norm"),
            control=True,
        ),
        Effect(
            "CAM's similarity map",
            "without alignment the similarity map differs more from the CAM",
            CAM,
            shown_by(CAM, "similarity"),
            control=True,
        ),
    ),
    "causal_rho0": causal("0"),
    "causal_rho0.5": causal("0.5"),
    "causal_rho0.95": causal("0.95"),
}


@dataclass(frozen=True)
class Measured:
    """An effect with the results of the seeds for which both sides are there."""

    effect: Effect
    baseline: list[dict[str, Any]]
    method: list[dict[str, Any]]

    @property
    def sides(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Baseline and method."""
        return self.baseline, self.method

    def numbers(self, metric: str) -> tuple[list[float], list[float]]:
        """A metric of both sides, by seed."""
        first, second = ([result["metrics"][metric] for result in side] for side in self.sides)
        return first, second

    def difference(self, metric: str) -> Difference:
        """Method minus baseline."""
        return paired_difference(*self.numbers(metric))

    @property
    def counts(self) -> bool:
        """Whether the baseline learned the task; one without a classifier has none to learn."""
        learned = [result["metrics"].get("top1_cls", 100.0) for result in self.baseline]
        return statistics.fmean(learned) >= LEARNED


def collect(effects: Sequence[Effect], *folders: Path) -> list[Measured]:
    """The finished pairs of every effect."""
    measured = []
    for effect in effects:
        pairs = [[finished_result(trial, *folders) for trial in pair] for pair in effect.trials()]
        whole = [pair for pair in pairs if None not in pair]
        measured.append(Measured(effect, [a for a, _ in whole], [b for _, b in whole]))
    return measured


def table(measured: Sequence[Measured]) -> str:
    """The block for the document: claims, numbers, and what the numbers belong to."""
    claims, rows, results = [], [], []
    for entry in measured:
        effect = entry.effect
        shown = effect.name + (" (control)" if effect.control else "")
        notes = [effect.notes] if effect.notes else []
        if entry.baseline:
            sides = [", ".join(str(r["epoch"]) for r in side) for side in entry.sides]
            notes.append("checkpoints of epochs {} against {}".format(*sides))
        claims.append("; ".join([f"- **{shown}**: {effect.claim}", *notes]))
        results += entry.baseline + entry.method
        if not entry.baseline:
            rows.append(f"| {shown} | not measured | | | | | | |")
            continue
        if not entry.counts:
            shown += ", does not count"
        for metric in effect.metrics:
            first, second = (statistics.fmean(side) for side in entry.numbers(metric))
            found = entry.difference(metric)
            span = f"[{found.low:+.1f}, {found.high:+.1f}]" if found.n > 1 else "one pair"
            span = f"**{span}**" if found.clear else span
            sd = f"{found.sd:.1f}" if found.n > 1 else ""
            rows.append(
                f"| {shown} | {METRICS.get(metric, metric)} | {first:.1f} | {second:.1f} "
                f"| {found.mean:+.1f} | {span} | {sd} | {found.n} |"
            )
    head = [
        "| row | metric | baseline | method | difference | 95 % interval | sd | n |",
        "|---|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*claims, "", *head, *rows, "", *footnotes(results)])


def footnotes(results: Sequence[dict[str, Any]]) -> list[str]:
    """Stamp, trivial predictors, scenes, machines and versions of some results."""
    if not results:
        return ["Nothing is measured yet."]
    centred = [result["metrics"].get("trivial_centre_iou50") for result in results]
    known = [value for value in centred if value is not None]
    lines = [
        "Percent on the test split, means over seeds; the interval is Student's, paired by seed, "
        "and bold where zero lies outside. The checkpoint is the one val chose. A row does not "
        f"count where the baseline's Top-1 Cls is below {LEARNED:g}.",
        f"Stamp: {distinct(stamp_line(result['stamp']) for result in results)}.",
        f"Scenes: dials {distinct(' '.join(result['dials']) or 'default' for result in results)}.",
        "Machine: "
        + distinct(
            "; ".join(f"{name} {value}" for name, value in result["machine"].items())
            + f"; wsol_mm {result['wsol_mm']}"
            for result in results
        )
        + ".",
    ]
    if known:
        best = statistics.fmean(known)
        lines.insert(1, f"The best centred box has GT-known {best:.1f} in the mean of all runs.")
    return "\n\n".join(lines).splitlines()


def stamp_line(stamp: dict[str, Any]) -> str:
    """What of a stamp tells two rows apart."""
    protocol, threshold = stamp.get("protocol", {}), stamp.get("threshold", {})
    return (
        f"protocol {protocol.get('name')}, normalization {stamp.get('normalization')}, threshold "
        f"of GT-known and Top-1 Loc from {threshold.get('source')}"
    )


def distinct(texts: Any) -> str:
    """The different ones of some texts, in order."""
    return " / ".join(dict.fromkeys(texts))


def extended(effects: Sequence[Effect], *folders: Path) -> list[Effect]:
    """Two more seeds where the main number's interval still contains zero."""
    longer = []
    for entry in collect(effects, *folders):
        effect = entry.effect
        whole = len(entry.baseline) == len(effect.seeds)
        if whole and not entry.difference(effect.metrics[0]).clear:
            top = max(effect.seeds)
            effect = replace(effect, seeds=(*effect.seeds, top + 1, top + 2))
        longer.append(effect)
    return longer


def unique(effects: Sequence[Effect]) -> list[Trial]:
    """Every trial once, seed by seed, so that a cut-off run leaves whole rows of few seeds."""
    trials = [trial for effect in effects for pair in effect.trials() for trial in pair]
    found: list[Trial] = []
    for trial in sorted(trials, key=lambda trial: trial.seed):
        if trial not in found:
            found.append(trial)
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Run, print, write the document; 1 if a trial failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--group", nargs="+", choices=[*GROUPS, "all"], default=["all"])
    parser.add_argument("--out", type=Path, default=Path("work_dirs/effects"))
    parser.add_argument("--jobs", type=int, default=1, help="trials at once, one thread each")
    parser.add_argument("--rows", nargs="+", help="only the rows of these names; no document")
    parser.add_argument("--dry-run", action="store_true", help="list the trials and run nothing")
    parser.add_argument("--keep", action="store_true", help=f"copy results to {KEPT.name}/")
    parser.add_argument(
        "--extend", action="store_true", help="two more seeds where zero is in the interval"
    )
    parser.add_argument("--docs", type=Path, default=DOCS, help="document to write")
    args = parser.parse_args(argv)
    names = list(GROUPS) if "all" in args.group else args.group
    folders = (args.out / "results", KEPT)
    groups = {
        name: [row for row in GROUPS[name] if not args.rows or row.name in args.rows]
        for name in names
    }
    if args.extend:
        groups = {name: extended(rows, *folders) for name, rows in groups.items()}
    trials = unique([row for rows in groups.values() for row in rows])
    if args.dry_run:
        done = [finished_result(trial, *folders) is not None for trial in trials]
        for trial, finished in zip(trials, done, strict=True):
            print("finished" if finished else "missing ", result_file(trial, "").name)
        print(json.dumps({"trials": len(trials), "finished": sum(done)}))
        return 0
    results = run_trials(trials, args.out, args.jobs, kept=KEPT)
    for trial, result in zip(trials, results, strict=True):
        fresh = result_file(trial, folders[0]) if args.keep and result else None
        if fresh and fresh.is_file():
            KEPT.mkdir(parents=True, exist_ok=True)
            shutil.copy(fresh, KEPT)
    for name, rows in groups.items():
        text = table(collect(rows, *folders))
        print(f"\n{name}\n{text}")
        if not args.rows:
            write_block(args.docs, f"effects_{name}", text)
    failed = sum(result is None for result in results)
    print(json.dumps({"trials": len(trials), "finished": len(trials) - failed, "failed": failed}))
    return 1 if failed else 0


if __name__ == "__main__":
    with one_line_errors():
        sys.exit(main())
