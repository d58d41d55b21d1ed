"""Toy detectors as trials: what they read, and what each variant changes."""

import pytest

from studies.harness.trial import Trial, resolved_config, trial_key
from studies.toy.detectors import BOXES, CAM, DETECTORS, SCR, at_eta, without_entropy

TRAINED = {"SCR": SCR, **DETECTORS}


def flat(node, key=""):
    """A config as ``{dotted key: value}``."""
    if isinstance(node, dict):
        return {k: v for name in node for k, v in flat(node[name], f"{key}.{name}").items()}
    return {key[1:]: node}


def changed_keys(first, second):
    first, second = (flat(resolved_config(trial).to_dict()) for trial in (first, second))
    return {key for key in first.keys() | second.keys() if first.get(key) != second.get(key)}


@pytest.mark.parametrize("name", TRAINED)
def test_every_training_reads_the_cams_boxes_and_only_files_of_other_trials(name):
    trial = TRAINED[name]
    cfg = resolved_config(trial)
    assert cfg.train_dataloader.dataset.pseudo_boxes == "{boxes}"
    assert cfg.train_dataloader.dataset.supervision == "pseudo_boxes"
    assert trial.inputs["boxes"] is BOXES
    pretrained = (cfg.model.detector.backbone.get("init_cfg") or {}).get("checkpoint")
    assert pretrained == ("{cam}" if "cam" in trial.inputs else None)
    assert trial.inputs.get("cam", CAM) is CAM


def test_the_boxes_are_made_once():
    keys = {trial_key(trial.sources()["boxes"], test=False) for trial in TRAINED.values()}
    assert keys == {trial_key(CAM, test=False)}


@pytest.mark.parametrize("name", DETECTORS)
def test_without_entropy_nothing_else_changes(name):
    found = changed_keys(DETECTORS[name], without_entropy(DETECTORS[name]))
    assert found
    assert {key.rpartition("loss_we")[1] for key in found} == {"loss_we"}


def test_eta_changes_the_share_of_the_entropy_but_not_the_step_of_supervision():
    trial = DETECTORS["Faster R-CNN"]
    own, quarter = resolved_config(trial), resolved_config(at_eta(trial, 0.25))
    step = own.model.get("eta", 1.0) * own.optim_wrapper.optimizer.lr
    assert quarter.model.eta == 0.25
    assert 0.25 * quarter.optim_wrapper.optimizer.lr == pytest.approx(step)
    changed = changed_keys(trial, at_eta(trial, 0.25))
    assert changed == {"model.eta", "optim_wrapper.optimizer.lr"}
    assert at_eta(trial, own.model.get("eta", 1.0)) is trial


def test_adams_rate_stays_as_its_steps_do_not_depend_on_eta():
    assert changed_keys(DETECTORS["FCOS"], at_eta(DETECTORS["FCOS"], 1.0)) == {"model.eta"}


@pytest.mark.parametrize("name", ["Faster R-CNN", "FCOS", "CLN"])
def test_toys_of_cub_have_its_eta(name):
    assert resolved_config(DETECTORS[name]).model.eta == 0.125


def test_eta_of_a_config_without_the_key_is_one(tmp_path):
    config = tmp_path / "plain.py"
    lines = [
        "model = dict()",
        "optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.1))",
        "randomness = dict()",
    ]
    config.write_text("\n".join(lines))
    trial = Trial(str(config))
    assert at_eta(trial, 1) is trial
    assert at_eta(trial, 0.5).options == {"model.eta": 0.5, "optim_wrapper.optimizer.lr": 0.2}
