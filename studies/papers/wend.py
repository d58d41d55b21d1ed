"""WEND's studies (Xu et al., ACM MM 2023): the trials of its tables.

The network of Tables 3, 4, 8, 9, 10 and 12 is Faster R-CNN with DenseNet-161, that of Table 11
Deformable DETR with ResNet-50; they have toy stand-ins. The other tables name their configs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from studies.harness.trial import Trial
from studies.papers.numbers import load_paper, value
from studies.papers.tables import PaperTable, Row
from studies.toy.detectors import DETECTORS, at_eta, at_fixed_rate, without_entropy

SAMPLER = "model.detector.train_cfg.rcnn.sampler"
# what the paper settled on, for Faster R-CNN
FINAL = {
    "cub": {"gamma": 6, "alpha": 0.1, "tau": 0.3, "eta": 0.125},
    "ilsvrc": {"gamma": 4, "alpha": 0.25, "tau": 0.1, "eta": 0.03125},
}
# scenes of one object stand for CUB, of up to three for ILSVRC
TOY_DIALS = {"cub": (), "ilsvrc": ("--objects", "3")}


def faster_rcnn(data: str, toy: bool, *, form: str | None = "primary", **values: Any) -> Trial:
    """Faster R-CNN.

    Args:
        data: ``cub`` or ``ilsvrc``.
        toy: The toy stand-in.
        form: Form of the entropy, None for none of it.
        values: What differs from ``FINAL``: ``gamma``, ``alpha``, ``tau``, ``eta``, and
            ``negatives``, how many for each positive sample.
    """
    values = {**FINAL[data], **values}
    if toy:
        trial = at_eta(replace(DETECTORS["Faster R-CNN"], dials=TOY_DIALS[data]), values["eta"])
    else:
        config = f"configs/wend/faster_rcnn_densenet161_{data}.py"
        trial = Trial(config, {"model.eta": values["eta"]})
    trial = without_entropy(trial) if form is None else with_entropy(trial, form, values)
    if "negatives" in values:
        ratio = values["negatives"]
        quotas = {f"{SAMPLER}.pos_fraction": 1 / (1 + ratio), f"{SAMPLER}.neg_pos_ub": ratio}
        trial = replace(trial, options={**trial.options, **quotas})
    return trial


def eta_alone(data: str, toy: bool) -> Trial:
    """The paper's own control that it does not report: the final eta, and no entropy."""
    alone = faster_rcnn(data, toy, form=None, eta=1)
    return at_fixed_rate(alone, FINAL[data]["eta"])


def deformable_detr(toy: bool, tau: float) -> Trial:
    """Deformable DETR on CUB at a threshold; eta is 1."""
    trial = Trial("configs/wend/deformable_detr_r50_cub.py")
    trial = DETECTORS["Deformable DETR"] if toy else trial
    return with_entropy(trial, "primary", {"gamma": 6, "alpha": 0.1, "tau": tau})


def with_entropy(trial: Trial, form: str, values: Mapping[str, Any]) -> Trial:
    """A detector with other values of its entropy loss."""
    found = {"gamma": values["gamma"], "alpha": values["alpha"]}
    found |= {"tau1": values["tau"], "tau2": values["tau"]}
    # the default stays unsaid, so that a table's trial is the config's own where it equals it
    found |= {} if form == "primary" else {"form": form}
    options = {f"model.loss_we.{name}": value for name, value in found.items()}
    return replace(trial, options={**trial.options, **options})


def tables(toy: bool) -> tuple[PaperTable, ...]:
    """The tables, of the paper's networks or of their toy stand-ins."""
    paper = load_paper("wend")

    def cub(**values: Any) -> dict[str, Trial]:
        return {"cub": faster_rcnn("cub", toy, **values)}

    def weighted(row: Row) -> dict[str, Trial]:
        gamma, alpha = map(value, row.labels)
        return cub(gamma=gamma, alpha=alpha, eta=1)

    def entropy(row: Row) -> dict[str, Trial]:
        forms: dict[str, tuple[str | None, dict[str, Any]]] = {
            "BCD": (None, {"eta": 1}),
            "w/ Entropy": ("entropy", {}),
            "w/ WE": ("primary", {}),
        }
        if row.labels[0] not in forms:
            return {data: eta_alone(data, toy) for data in FINAL}
        form, values = forms[row.labels[0]]
        return {data: faster_rcnn(data, toy, form=form, **values) for data in FINAL}

    def sampled(row: Row) -> dict[str, Trial]:
        positive, negative = map(int, row.labels[0].split(":"))
        return cub(negatives=negative / positive if negative % positive else negative // positive)

    found = {
        "Table 3": weighted,
        "Table 4": lambda row: cub(eta=value(row.labels[0])),
        "Table 8": lambda row: {
            "ilsvrc": faster_rcnn("ilsvrc", toy, eta=value(row.labels[0])),
        },
        "Table 9": lambda row: cub(tau=value(row.labels[0])),
        "Table 10": entropy,
        "Table 11": lambda row: {"cub": deformable_detr(toy, value(row.labels[0]))},
        "Table 12": sampled,
    }
    if toy:
        own = [paper[number].with_trials(find) for number, find in found.items()]
        return tuple(replace(table, birds=(), ours="ours, toy") for table in own)
    return tuple(
        table.with_trials(found[table.number]) if table.number in found else table
        for table in paper.tables
    )
