"""KG-CI-CAM's studies (Shao et al.): the trials of its tables and of Figures 1b and 6."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from studies.guidance.stages import EXPERTS, expert, student, unguided
from studies.harness.trial import Trial
from studies.papers.ci_cam import RATE, TOY_RATE, default_protocol, test_of
from studies.papers.figures import draw_gains, draw_points
from studies.papers.numbers import load_paper, value
from studies.papers.tables import PaperTable, Row
from studies.toy.methods import SHORT

NETWORKS = {"VGG16": "vgg16", "InceptionV3": "inception_v3", "ResNet50": "resnet50"}
TOY_NAME, TOY = "ResNet-18", "resnet18_toy"
WHOLE = "full frame"  # trials of a column that the paper's protocol cannot fill


class Study:
    """The trials of one network, of the paper's or of the toy stand-in.

    Args:
        network: Stem of the student's config.
        toy: Whether it is the stand-in, with the short schedule.
    """

    def __init__(self, network: str, toy: bool) -> None:
        self.network, self.toy = network, toy
        self.options = SHORT if toy else {}
        self.experts = {kind: expert(network, kind, self.options) for kind in EXPERTS}

    def plain(self, method: str, options: Mapping[str, Any] | None = None) -> Trial:
        """NL-CCAM or CI-CAM."""
        return Trial(f"configs/{method}/{self.network}.py", {**self.options, **(options or {})})

    def guided(self, kinds: str, loc_expert: Trial | None = None) -> Trial:
        """The student of some experts, of another localization expert where one is given."""
        if not kinds:
            return unguided(self.network, self.options)
        experts = {**self.experts, **({"loc": loc_expert} if loc_expert else {})}
        chosen = {kind: experts[kind] for kind in kinds.split()}
        return student(self.network, chosen, self.options)

    def loc_expert(self, metric: str) -> Trial:
        """The localization expert whose checkpoint is the best of a metric on val."""
        if metric == "gt_known":  # the config's own
            return self.experts["loc"]
        choice = {"default_hooks.checkpoint.save_best": f"wsol/{metric}"}
        return expert(self.network, "loc", {**self.options, **choice})

    def papers_test(self, trial: Trial) -> Trial:
        """A trial under the paper's protocol; a toy one as it is, the crop is not made for it."""
        if self.toy:
            return trial
        config = f"configs/kg_ci_cam/{self.network}_centre_crop.py"
        return replace(trial, test_options=test_of(config))


def tables(toy: bool) -> tuple[PaperTable, ...]:
    """The tables, of the paper's networks or of their toy stand-in."""
    paper = load_paper("kg_ci_cam")
    studies = {
        (name, data): Study(TOY if toy else f"{network}_{data}", toy)
        for name, network in NETWORKS.items()
        for data in ("cub", "ilsvrc")
    }

    def compared(row: Row, data: str) -> dict[str, Trial]:
        method, backbone = row.labels
        study = studies[backbone, data]
        trial = study.plain("nl_ccam") if method == "NL-CCAM" else study.guided("cls loc")
        return {"ours": study.papers_test(trial)}

    def whole(study: Study, trial: Trial) -> dict[str, Trial]:
        return {"ours": study.papers_test(trial), WHOLE: trial}

    def steps(row: Row) -> dict[str, Trial]:
        backbone, _, causal, knowledge = row.labels
        study = studies[backbone, "cub"]
        trial = study.guided("cls loc" if knowledge else "") if causal else study.plain("nl_ccam")
        return whole(study, trial)

    def guides(row: Row) -> dict[str, Trial]:
        backbone, _, *marks = row.labels
        study = studies[backbone, "cub"]
        kinds = " ".join(kind for kind, mark in zip(EXPERTS, marks, strict=True) if mark)
        return whole(study, study.guided(kinds))

    def chosen(row: Row) -> dict[str, Trial]:
        backbone, alias = row.labels
        study = studies[backbone, "cub"]
        teacher = study.loc_expert("top1_loc" if "Top-1 Loc" in alias else "gt_known")
        found = {"expert": teacher, "ours": study.guided("cls loc", teacher)}
        return {name: study.papers_test(trial) for name, trial in found.items()}

    def dilemma(row: Row) -> dict[str, Trial]:
        study = studies["VGG16", "cub"]
        return {"ours": study.papers_test(study.plain("ci_cam", setting(row.labels[0], toy)))}

    def bars(row: Row) -> dict[str, Trial]:
        backbone, method = row.labels
        study = studies[backbone, "cub"]
        trials = {"CI-CAM": study.guided("")}
        trials |= {EXPERTS[kind]: trial for kind, trial in study.experts.items()}
        return {"ours": study.papers_test(trials[method])}

    pairs = {"Table V": steps, "Table VI": guides, "Table VII": chosen}
    found = [paper[number].with_trials(find) for number, find in pairs.items()]
    figures = [
        replace(paper["Figure 1b"].with_trials(dilemma), draw=draw_points),
        replace(paper["Figure 6"].with_trials(bars), draw=draw_gains),
    ]
    if toy:
        return tuple(stand_in(table) for table in (*found, *figures))
    compared_on = {"Table II": "cub", "Table IV": "ilsvrc"}
    first = [
        paper[number].with_trials(lambda row, data=data: compared(row, data))
        for number, data in compared_on.items()
    ]
    both = [each for table in found for each in (table, default_protocol(table))]
    return (first[0], paper["Table III"], first[1], *both, *figures)


def setting(label: str, toy: bool) -> dict[str, Any]:
    """Options of a setting of Figure 1b.

    Raises:
        KeyError: There is no such setting.
    """
    if label.startswith("rate "):
        rate = float(value(label.removeprefix("rate ")))
        own = TOY_RATE if toy else RATE
        return {} if rate == own else {"model.head.context_pool.rate": rate}
    return {
        "no loss of branch 1": {"model.head.rho": 0.0},
        "every arg-max updates": {"model.head.context_pool.update_on": "argmax"},
    }[label]


def stand_in(table: PaperTable) -> PaperTable:
    """The rows of one backbone, by the toy network's name and without the paper's numbers.

    The toy networks see the full frame, which is the default protocol.
    """
    rows = tuple(
        replace(row, labels=tuple(TOY_NAME if part == "VGG16" else part for part in row.labels))
        for row in table.rows
        if not {"InceptionV3", "ResNet50"} & set(row.labels)
    )
    caption = table.caption.replace("VGG16", TOY_NAME)
    return replace(table, rows=rows, caption=caption).without_paper(ours="ours, toy")
