"""KG-CI-CAM's studies (Shao et al.): Tables V to VII and Figures 1b and 6 of the paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from studies.guidance.stages import EXPERTS, expert, student, unguided
from studies.harness.trial import Trial
from studies.papers.ci_cam import RATE, RATES, TOY_RATE, default_protocol, test_of
from studies.papers.figures import draw_gains, draw_points
from studies.papers.tables import Column, PaperTable, Row
from studies.toy.methods import SHORT

TITLE = "KG-CI-CAM (Shao et al.)"
NETWORKS = {"VGG16": "vgg16_cub", "InceptionV3": "inception_v3_cub", "ResNet50": "resnet50_cub"}
TOY = {"ResNet-18": "resnet18_toy"}
LOCALIZER_HEADINGS = {"Top-1 Cls": "top1_cls", "Top-1 Loc": "top1_loc", "GT-known": "gt_known"}
WHOLE = "full frame"  # trials of a column that the paper's protocol cannot fill
ACC_V2 = Column("AccV2", ("max_box_acc_v2",), WHOLE)
# Top-1 Cls, Top-1 Loc, GT-known, AccV2
NL_CCAM = {
    "VGG16": "74.7 65.6 87.5 65.7",
    "InceptionV3": "77.6 71.4 91.8 64.1",
    "ResNet50": "82.8 78.6 94.7 74.6",
}
GUIDED = {
    "VGG16": {
        "": "75.1 66.6 88.1 66.9",
        "cls": "77.4 66.5 85.0 65.2",
        "loc": "78.1 71.8 91.5 69.6",
        "cls loc": "79.2 73.0 91.6 69.6",
    },
    "InceptionV3": {
        "": "78.7 73.9 93.8 65.5",
        "cls": "79.8 74.3 92.7 64.8",
        "loc": "78.6 74.9 94.9 67.3",
        "cls loc": "79.8 76.3 95.3 67.8",
    },
    "ResNet50": {
        "": "82.9 79.1 95.2 76.9",
        "cls": "84.0 80.8 95.7 75.0",
        "loc": "83.1 80.5 96.6 76.8",
        "cls loc": "84.0 81.6 96.8 78.0",
    },
}
# by what val chooses the localization expert; expert's numbers, then the student's
CHOSEN = {
    "VGG16": {
        "top1_loc": "77.0 68.3 87.9 78.3 71.5 90.5",
        "gt_known": "73.3 65.9 88.8 79.2 73.0 91.6",
    },
    "InceptionV3": {
        "top1_loc": "73.5 68.6 92.9 79.1 75.0 94.5",
        "gt_known": "72.1 68.2 94.2 79.7 76.3 95.3",
    },
    "ResNet50": {
        "top1_loc": "80.2 76.7 95.2 83.9 81.2 96.5",
        "gt_known": "78.9 75.8 95.7 84.0 81.6 96.8",
    },
}
CROP_NOTE = (
    "The paper's test, a centre crop that clips the ground truth, at thresholds that were chosen "
    "on the test set: not comparable with full-frame numbers."
)
ACC_NOTE = "AccV2 is MaxBoxAccV2 on the full frame; how the paper computes it is not published."
CI_CAM_NOTE = (
    "CI-CAM has rho 0 and the student's schedule. The paper trains it with RandAugment, and the "
    "guided rows in part only; here all rows are augmented alike."
)
TOY_NOTE = "Toy: a narrow ResNet-18 with a short schedule; the paper's numbers are left out."


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

    def row(self, labels: tuple[str, ...], numbers: Sequence[str], **trials: Trial) -> Row:
        """A row of trials under the paper's protocol."""
        tested = {name: self.papers_test(trial) for name, trial in trials.items()}
        return Row(labels, tuple(numbers), tested)

    def whole_row(self, labels: tuple[str, ...], numbers: Sequence[str], trial: Trial) -> Row:
        """A row with the full-frame column of AccV2."""
        row = self.row(labels, numbers, ours=trial)
        return replace(row, trials={**row.trials, WHOLE: trial})


def tables(toy: bool) -> tuple[PaperTable, ...]:
    """The tables, of the paper's networks or of their toy stand-in."""
    studies = {name: Study(network, toy) for name, network in (TOY if toy else NETWORKS).items()}
    found = [table_5(studies), table_6(studies), table_7(studies)]
    found = [replace(table, notes=f"{table.notes} {_note(toy)}") for table in found]
    if not toy:  # the toy ones have the default protocol already
        found = [each for table in found for each in (table, default_protocol(table))]
    found += [
        replace(figure, notes=f"{figure.notes} {_note(toy)}")
        for figure in (figure_1b(studies), figure_6(studies))
    ]
    return tuple(replace(table, ours="ours, toy" if toy else "ours") for table in found)


def table_5(studies: Mapping[str, Study]) -> PaperTable:
    """NL-CCAM, causal intervention, knowledge guidance."""
    rows = []
    for name, study in studies.items():
        paper = GUIDED.get(name, {})
        steps = (
            (("yes", "", ""), NL_CCAM.get(name), study.plain("nl_ccam")),
            (("yes", "yes", ""), paper.get(""), study.guided("")),
            (("yes", "yes", "yes"), paper.get("cls loc"), study.guided("cls loc")),
        )
        rows += [
            study.whole_row((name, *marks), _numbers(text, 4), trial)
            for marks, text, trial in steps
        ]
    return PaperTable(
        "Table V",
        "causal intervention and knowledge guidance, CUB",
        ("backbone", "baseline (NL-CCAM)", "causal", "knowledge"),
        (*_columns(), ACC_V2),
        tuple(rows),
        f"{CI_CAM_NOTE} NL-CCAM has CI-CAM's schedule, where it differs from the student's. "
        f"{ACC_NOTE}",
    )


def table_6(studies: Mapping[str, Study]) -> PaperTable:
    """Which expert guides."""
    rows = [
        study.whole_row(
            (name, "yes", *("yes" if kind in kinds else "" for kind in EXPERTS)),
            _numbers(GUIDED.get(name, {}).get(kinds), 4),
            study.guided(kinds),
        )
        for name, study in studies.items()
        for kinds in ("", "cls", "loc", "cls loc")
    ]
    return PaperTable(
        "Table VI",
        "knowledge of the two experts, CUB",
        ("backbone", "CI-CAM", "ClsExp", "LocExp"),
        (*_columns(), ACC_V2),
        tuple(rows),
        f"{CI_CAM_NOTE} {ACC_NOTE}",
    )


def table_7(studies: Mapping[str, Study]) -> PaperTable:
    """Two localization experts, and the students they guide beside one classification expert."""
    rows = []
    names = {"top1_loc": "best Top-1 Loc expert", "gt_known": "best GT-known expert"}
    for name, study in studies.items():
        for metric, alias in names.items():
            teacher = study.loc_expert(metric)
            paper = _numbers(CHOSEN.get(name, {}).get(metric), 6)
            guided = study.guided("cls loc", teacher)
            rows.append(study.row((name, alias), paper, expert=teacher, ours=guided))
    columns = [
        replace(column, heading=f"expert: {column.heading}") for column in _columns("expert")
    ]
    columns += [replace(column, heading=f"KG-CI-CAM: {column.heading}") for column in _columns()]
    return PaperTable(
        "Table VII",
        "two localization experts, CUB",
        ("backbone", "localization expert"),
        tuple(columns),
        tuple(rows),
        "Val chooses both experts (in the paper the test set does): checkpoints of two equal "
        "trainings. The paper's VGG16 experts differ in augmentation, too.",
    )


def figure_1b(studies: Mapping[str, Study]) -> PaperTable:
    """CI-CAM under several settings of its training."""
    study = next(iter(studies.values()))
    own = TOY_RATE if study.toy else RATE
    settings: dict[str, dict[str, Any]] = {
        f"rate {rate:g}": {} if rate == own else {"model.head.context_pool.rate": rate}
        for rate in RATES
    }
    settings["no loss of branch 1"] = {"model.head.rho": 0.0}
    settings["every arg-max updates"] = {"model.head.context_pool.update_on": "argmax"}
    rows = [
        study.row((name,), _numbers(None, 3), ours=study.plain("ci_cam", options))
        for name, options in settings.items()
    ]
    return PaperTable(
        "Figure 1b",
        f"the C-L dilemma of CI-CAM, {next(iter(studies))}, CUB",
        ("setting",),
        _columns(),
        tuple(rows),
        "The paper names neither its settings nor its numbers; the settings are ours.",
        draw=draw_points,
    )


def figure_6(studies: Mapping[str, Study]) -> PaperTable:
    """CI-CAM and the experts."""
    rows = []
    for name, study in studies.items():
        trials = {"CI-CAM": study.guided("")}
        trials |= {EXPERTS[kind]: trial for kind, trial in study.experts.items()}
        rows += [
            study.row((name, method), _numbers(None, 3), ours=trial)
            for method, trial in trials.items()
        ]
    return PaperTable(
        "Figure 6",
        "CI-CAM and the experts, CUB",
        ("backbone", "method"),
        _columns(),
        tuple(rows),
        "The paper's bars are not printed as numbers; it shows the classification expert's Top-1 "
        f"Cls and the localization expert's localization. {CI_CAM_NOTE}",
        draw=draw_gains,
    )


def _columns(of: str = "ours") -> tuple[Column, ...]:
    return tuple(Column(heading, (metric,), of) for heading, metric in LOCALIZER_HEADINGS.items())


def _note(toy: bool) -> str:
    return TOY_NOTE if toy else CROP_NOTE


def _numbers(text: str | None, wide: int) -> Sequence[str]:
    """The paper's numbers of a row; nothing where it has none."""
    return text.split() if text else ("",) * wide
