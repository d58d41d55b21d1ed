"""CI-CAM's studies (Shao et al., ACM MM 2021): the trials of its tables and of Figure 4."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from studies.harness.trial import Trial, resolved_config
from studies.papers.figures import draw_curves
from studies.papers.numbers import load_paper, value
from studies.papers.tables import PaperTable, Row
from studies.toy.methods import SHORT

RATE, TOY_RATE = 0.01, 0.1  # the configs' own on CUB and on toy scenes
ONE_BRANCH = "_one_branch"
DATA = {"CUB": "cub", "ILSVRC": "ilsvrc"}


def ci_cam(
    data: str, toy: bool, options: Mapping[str, Any] | None = None, variant: str = ""
) -> Trial:
    """CI-CAM, or a variant such as ``_one_branch``, with VGG-16 on a data set, or the toy one.

    Args:
        data: ``cub`` or ``ilsvrc``.
        toy: Whether the toy one stands in.
        options: Config keys to override.
        variant: End of the config's name.
    """
    if toy:
        config = f"configs/ci_cam/resnet18_toy{variant}.py"
        return Trial(config, {**SHORT, **(options or {})})
    return Trial(f"configs/ci_cam/vgg16_{data}{variant}.py", options or {})


def nl_ccam(data: str, toy: bool) -> Trial:
    """The baseline, NL-CCAM."""
    network = "resnet18_toy" if toy else f"vgg16_{data}"
    return Trial(f"configs/nl_ccam/{network}.py", SHORT if toy else {})


def at_rate(rate: float, toy: bool) -> Trial:
    """CI-CAM on CUB with a pool rate."""
    own = TOY_RATE if toy else RATE
    return ci_cam("cub", toy, {} if rate == own else {"model.head.context_pool.rate": rate})


def papers_test(trial: Trial, theta: float = 0.0) -> Trial:
    """The same network under the paper's protocol with a threshold; a toy one in one pass."""
    network = Path(trial.config).stem.removesuffix(ONE_BRANCH)
    if network == "resnet18_toy":
        options = {"test_evaluator.threshold": "oracle"}
        protocol = {"name": "ci_cam", "threshold": theta}
    else:
        options = test_of(f"configs/ci_cam/{network}_two_pass.py")
        options["model.type"] = "wsol_mm.TwoPassClassifier"
        protocol = {"name": "ci_cam_two_pass", "threshold": theta}
    return replace(trial, test_options={**options, "test_evaluator.protocol": protocol})


def test_of(config: str) -> dict[str, Any]:
    """The test of a config as options for other trainings of its network."""
    cfg = resolved_config(Trial(config))
    return {
        "test_dataloader.dataset.pipeline": cfg.test_dataloader.dataset.pipeline,
        "test_evaluator.protocol": cfg.test_evaluator.protocol,
        "test_evaluator.threshold": cfg.test_evaluator.threshold,
    }


def default_protocol(table: PaperTable) -> PaperTable:
    """The same networks under this toolbox's protocol, which the paper's numbers do not fit."""
    return table.changed(lambda trial: replace(trial, test_options={})).without_paper(
        number=f"Default protocol, {table.number}",
        notes="The same networks under the default protocol.",
    )


def tables(toy: bool) -> tuple[PaperTable, ...]:
    """The tables, of the paper's networks or of their toy stand-ins."""
    paper = load_paper("ci_cam")

    def compared(row: Row, data: str) -> Trial:
        return ci_cam(data, toy) if "CI-CAM" in row.labels[0] else nl_ccam(data, toy)

    def pooled(row: Row) -> Trial:
        data, _, pool = row.labels
        variant = "" if pool else ONE_BRANCH
        return ci_cam(DATA[data.split()[0]], toy, variant=variant)

    table_1 = filled(paper["Table 1"], lambda row: papers_test(compared(row, "cub")))
    table_2 = filled(paper["Table 2"], lambda row: papers_test(compared(row, "ilsvrc")))
    table_3 = filled(paper["Table 3"], lambda row: papers_test(pooled(row)))
    table_4 = filled(
        paper["Table 4"], lambda row: papers_test(at_rate(float(value(row.labels[0])), toy))
    )
    figure_4 = filled(
        paper["Figure 4"],
        lambda row: papers_test(compared(row, "cub"), float(value(row.labels[1]))),
    )
    if toy:
        here = [row for row in table_3.rows if row.labels[0].startswith("CUB")]
        rows = tuple(replace(row, labels=("toy", *row.labels[1:])) for row in here)
        table_3 = replace(table_3, rows=rows)
    found = [
        *(() if toy else (table_1, table_2)),
        table_3,
        default_protocol(table_3),
        table_4,
        default_protocol(table_4),
        replace(figure_4, draw=draw_curves),
    ]
    if toy:
        found = [table.without_paper(ours="ours, toy") for table in found]
    return tuple(found)


def filled(table: PaperTable, trial: Callable[[Row], Trial]) -> PaperTable:
    """A table whose columns are all of one trial for each row."""
    return table.with_trials(lambda row: {"ours": trial(row)})
