"""WEND's effect rows: each pair isolates what its row claims, and equal runs are shared."""

from typing import get_args

import numpy as np
import pytest

from studies.effects.effect import unique
from studies.effects.rows.wend import DETECTOR_METRICS, FORMS, GROUPS, LOSS
from studies.harness import trial as trials
from studies.toy.methods import METHODS, METRIC_NAMES
from wsol_mm.functional.image_record import BoxRecord
from wsol_mm.functional.localization import compute_localization
from wsol_mm.functional.weighted_entropy import Form

ROWS = {row.name: row for row in GROUPS["wend_noise0.3"]}
NOISES = ("wend_noise0", "wend_noise0.3", "wend_noise0.6")


def config(trial):
    return trials.resolved_config(trial)


def entropy(trial):
    return config(trial).model.loss_we


def steps(trial):
    """Length of the supervised losses' steps."""
    cfg = config(trial)
    return cfg.model.get("eta", 1.0) * cfg.optim_wrapper.optimizer.lr


def differing(first, second, prefix=""):
    """Keys in which two configs differ."""
    if not (isinstance(first, dict) and isinstance(second, dict)):
        return set() if first == second else {prefix}
    keys = first.keys() | second.keys()
    return set().union(
        *(differing(first.get(k), second.get(k), f"{prefix}.{k}".lstrip(".")) for k in keys)
    )


@pytest.mark.parametrize("group", NOISES)
def test_entropy_rows_change_entropy_or_eta(group):
    rows = {row.name: row for row in GROUPS[group]}
    for row in rows.values():
        if row.name != "eta at a fixed rate":
            assert steps(row.baseline) == pytest.approx(steps(row.method))
    fixed = rows["eta at a fixed rate"].trials()[0]
    assert differing(*(config(side).to_dict() for side in fixed)) == {"model.eta"}
    assert entropy(fixed[1]) is None
    found = entropy(rows["WE with ILSVRC's values"].method)
    assert (found.gamma, found.alpha, found.tau1, found.tau2) == (4, 0.25, 0.1, 0.1)
    assert config(rows["WE with ILSVRC's values"].method).model.eta == 0.03125
    assert entropy(rows["WE"].baseline) is None
    assert config(rows["WE"].baseline).model.eta == 1
    only_entropy = rows["WE, eta on both sides"]
    changed = differing(*(config(side).to_dict() for side in only_entropy.trials()[0]))
    assert changed == {LOSS}
    changed = differing(*(config(side).to_dict() for side in rows["eta"].trials()[0]))
    assert changed == {"model.eta", "optim_wrapper.optimizer.lr"}
    plain = rows["WE, not plain entropy"].trials()[0]
    assert differing(*(config(side).to_dict() for side in plain)) == {f"{LOSS}.form"}
    assert entropy(plain[0]).form == "entropy"


def test_three_levels_of_noise_are_three_sets_of_scenes():
    dials = [{row.method.dials for row in GROUPS[group]} for group in NOISES]
    assert dials == [{("--box-noise", "0")}, {()}, {("--box-noise", "0.6")}]


def test_every_other_form_is_compared_with_the_primary_one():
    assert {*FORMS, "primary", "entropy"} == set(get_args(Form))
    changed = [
        differing(config(row.baseline).to_dict(), config(row.method).to_dict())
        for row in GROUPS["wend_forms"]
    ]
    assert changed == [{f"{LOSS}.form"}] * 4 + [{f"{LOSS}.normalizer"}] * 3
    assert all(row.method == ROWS["WE"].method for row in GROUPS["wend_forms"])


def test_detectors_and_scr_have_the_same_layers_and_scenes():
    for row in GROUPS["wend_bcd"]:
        scr, detector = config(row.baseline), config(row.method)
        layers = differing(
            scr.model.detector.backbone.to_dict(), detector.model.detector.backbone.to_dict()
        )
        assert layers == {"strides"}
        assert scr.test_dataloader == detector.test_dataloader
        assert scr.train_dataloader.dataset.pseudo_boxes == "{data}/pseudo_boxes_train.json"
        assert detector.model.get("eta", 1) == 1
        assert detector.model.loss_we is None
    dials = [row.method.dials for row in GROUPS["wend_bcd"]]
    assert dials == [(), (), ("--objects", "3"), ("--objects", "3")]


def test_frozen_rows_start_from_the_cam():
    for row in GROUPS["wend_frozen"]:
        assert row.method.inputs == {"cam": METHODS["CAM"]}
        start = config(row.method).model.detector.backbone.init_cfg
        assert (start.checkpoint, start.prefix) == ("{cam}", "backbone.")
    for row in GROUPS["wend_frozen"][:2]:
        changed = differing(config(row.baseline).to_dict(), config(row.method).to_dict())
        assert changed == {"model.detector.backbone.frozen_stages"}
        # stem and all four stages, statistics of batch norm included
        assert config(row.method).model.detector.backbone.frozen_stages == 4


def test_groups_share_runs():
    together = [row for rows in GROUPS.values() for row in rows]
    apart = sum(len(unique(rows)) for rows in GROUPS.values())
    # of 3 seeds: WE without noise dials in two more groups, the detector alone in one
    assert apart - len(unique(together)) == 3 * (2 + 1)


def test_headings_exist_for_what_detectors_report():
    boxes = {"box_iou": np.array([0.6, 0.2]), "box_score": np.ones(2)}
    boxes |= {"trivial_whole": 0.4, "trivial_centre": np.zeros(112)}
    record = BoxRecord(img_id="a", gt_label=0, num_gt=1, **boxes)
    reported = compute_localization([record], bootstrap=0)["metrics"]
    assert set(DETECTOR_METRICS) <= set(METRIC_NAMES) & set(reported)
