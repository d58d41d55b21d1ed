"""Effects: does a method do what it claims, by how much, and how sure is that?

An :class:`Effect` pairs two trials over seeds; :func:`collect` reads the finished ones.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from studies.harness.paired import Difference, paired_difference
from studies.harness.store import finished_result
from studies.harness.trial import Trial

LEARNED = 90.0  # Top-1 Cls that a row's baseline must reach
MAP_METRICS = (
    "max_box_acc_v2",
    "max_box_acc_v2_iou30",
    "max_box_acc_v2_iou50",
    "max_box_acc_v2_iou70",
    "gt_known",
    "top1_loc",
    "top1_cls",
)


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
    metrics: tuple[str, ...] = MAP_METRICS
    seeds: tuple[int, ...] = (0, 1, 2)
    control: bool = False
    notes: str = ""

    def trials(self) -> list[tuple[Trial, Trial]]:
        """Baseline and method of every seed."""
        return [
            (replace(self.baseline, seed=seed), replace(self.method, seed=seed))
            for seed in self.seeds
        ]


@dataclass(frozen=True)
class MeasuredEffect:
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


def collect(effects: Sequence[Effect], *folders: Path) -> list[MeasuredEffect]:
    """The finished pairs of every effect."""
    measured = []
    for effect in effects:
        pairs = [[finished_result(trial, *folders) for trial in pair] for pair in effect.trials()]
        whole = [pair for pair in pairs if None not in pair]
        measured.append(MeasuredEffect(effect, [a for a, _ in whole], [b for _, b in whole]))
    return measured


def stamp_line(stamp: dict[str, Any]) -> str:
    """What of a stamp tells two rows apart."""
    protocol, threshold = stamp.get("protocol", {}), stamp.get("threshold", {})
    if stamp.get("prediction") == "boxes":
        return f"protocol {protocol.get('name')}, boxes, the main one by {stamp.get('box_rule')}"
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
