"""WEND's tables: each row's trial has the values of its label, and shared rows are one trial."""

import pytest

from studies.harness.trial import PseudoBoxes, Trial, resolved_config, trial_key
from studies.papers.tables import unique_trials
from studies.papers.wend import tables
from studies.toy.detectors import DETECTORS

BOTH = pytest.mark.parametrize("toy", [False, True])
NUMBERS = ["3", "4", "8", "9", "10", "11", "12"]


def by_number(toy):
    found = {table.number.removeprefix("Table "): table for table in tables(toy)}
    return {number: found[number] for number in NUMBERS}


def parts(trial):
    """Config, entropy loss and sampler of a trial."""
    cfg = resolved_config(trial)
    sampler = cfg.model.detector.train_cfg.rcnn.sampler if two_stage(cfg) else None
    return cfg, cfg.model.loss_we, sampler


def two_stage(cfg):
    return "roi_head" in cfg.model.detector


def rows(toy, number):
    """Label without its footnote and trial of every row."""
    return [
        (tuple(label.partition(" ")[0] for label in row.labels), next(iter(row.trials.values())))
        for row in by_number(toy)[number].rows
    ]


@BOTH
def test_the_tables_of_the_paper(toy):
    found = by_number(toy)
    others = [] if toy else ["1", "2", "5", "6", "7"]
    assert {f"Table {number}" for number in (*NUMBERS, *others)} == {t.number for t in tables(toy)}
    assert [len(found[number].rows) for number in NUMBERS] == [6, 7, 7, 5, 4, 3, 5]
    assert [len(found[number].columns) for number in NUMBERS] == [3, 3, 3, 3, 6, 3, 3]
    assert {table.ours for table in found.values()} == {"ours, toy" if toy else "ours"}


@BOTH
def test_the_same_paper_in_both(toy):
    for table, other in zip(by_number(toy).values(), by_number(not toy).values(), strict=True):
        assert [(r.labels, r.paper) for r in table.rows] == [
            (r.labels, r.paper) for r in other.rows
        ]


def test_a_row_can_get_better_by_several_boxes_only():
    for table in by_number(False).values():
        for row in table.rows:
            for column, text in zip(table.columns, row.paper, strict=True):
                if not text:  # a row of ours
                    assert "²" in row.labels[0]
                    continue
                one = [float(number) for number in text.split(" / ")]
                assert len(one) == len(column.metrics)
                assert one == sorted(one), (table.number, row.labels)


@BOTH
def test_gamma_and_alpha(toy):
    for (gamma, alpha), trial in rows(toy, "3"):
        cfg, loss, _ = parts(trial)
        assert (loss.gamma, loss.alpha) == (float(gamma), float(alpha))
        assert (cfg.model.eta, loss.tau1, loss.tau2) == (1, 0.3, 0.3)


@BOTH
@pytest.mark.parametrize(
    ("number", "fixed"), [("4", (6, 0.1, 0.3, "cub")), ("8", (4, 0.25, 0.1, "ilsvrc"))]
)
def test_eta(toy, number, fixed):
    for (eta,), trial in rows(toy, number):
        cfg, loss, _ = parts(trial)
        assert cfg.model.eta == float(eta)
        assert (loss.gamma, loss.alpha, loss.tau1) == fixed[:3]
        assert bool(trial.dials) is (toy and fixed[3] == "ilsvrc")
        assert toy or trial.config.endswith(f"_{fixed[3]}.py")


@BOTH
@pytest.mark.parametrize(("number", "eta"), [("9", 0.125), ("11", 1)])
def test_tau(toy, number, eta):
    for (tau,), trial in rows(toy, number):
        cfg, loss, _ = parts(trial)
        assert loss.tau1 == loss.tau2 == float(tau)
        assert (loss.gamma, loss.alpha, cfg.model.get("eta", 1)) == (6, 0.1, eta)
        assert two_stage(cfg) is (number == "9")


@BOTH
def test_kinds_of_entropy(toy):
    plain, eta_alone, entropy, weighted = by_number(toy)["10"].rows
    for data, eta in (("cub", 0.125), ("ilsvrc", 0.03125)):
        cfg, loss, _ = parts(plain.trials[data])
        assert (loss, cfg.model.eta) == (None, 1)
        found = [parts(row.trials[data]) for row in (entropy, weighted)]
        assert [loss.get("form", "primary") for _, loss, _ in found] == ["entropy", "primary"]
        assert {cfg.model.eta for cfg, _, _ in found} == {eta}
        assert bool(plain.trials[data].dials) is (toy and data == "ilsvrc")
        control, loss, _ = parts(eta_alone.trials[data])
        assert (loss, control.model.eta) == (None, eta)
        assert control.optim_wrapper.optimizer.lr == cfg.optim_wrapper.optimizer.lr


@BOTH
def test_positives(toy):
    for (ratio,), trial in rows(toy, "12"):
        positive, negative = map(int, ratio.split(":"))
        _, _, sampler = parts(trial)
        assert sampler.pos_fraction == pytest.approx(positive / (positive + negative))
        assert sampler.neg_pos_ub == negative / positive


@BOTH
def test_rows_that_repeat_in_print_are_one_training(toy):
    found = by_number(toy)
    final = [found["4"].rows[5], found["9"].rows[2], found["10"].rows[3], found["12"].rows[0]]
    assert len({row.paper[:3] for row in final}) == 1
    assert len({trial_key(row.trials["cub"]) for row in final}) == 1
    if not toy:  # the config's own values
        own = Trial("configs/wend/faster_rcnn_densenet161_cub.py")
        assert trial_key(final[0].trials["cub"]) == trial_key(own)
    assert found["3"].rows[4].paper == found["4"].rows[2].paper
    trials = [found["3"].rows[4].trials["cub"], found["4"].rows[2].trials["cub"]]
    assert trial_key(trials[0]) == trial_key(trials[1])
    assert found["8"].rows[5].paper == found["10"].rows[3].paper[3:]
    # and no other two rows are
    assert len({trial_key(trial) for trial in unique_trials(found.values(), [0])}) == 36


def test_toys_share_their_boxes_and_the_step_of_supervision():
    own = resolved_config(DETECTORS["Faster R-CNN"])
    step = own.model.eta * own.optim_wrapper.optimizer.lr
    for trial in unique_trials(tables(True), [0]):
        assert isinstance(trial.inputs["boxes"], PseudoBoxes)
        cfg = resolved_config(trial)
        controls = [row.trials for row in by_number(True)["10"].rows[1:2]]
        if two_stage(cfg) and trial_key(trial) not in {
            trial_key(control) for row in controls for control in row.values()
        }:
            assert cfg.model.eta * cfg.optim_wrapper.optimizer.lr == pytest.approx(step)
    assert all(not trial.inputs for trial in unique_trials(tables(False), [0]))
