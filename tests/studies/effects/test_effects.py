"""Effect rows: what is compared is comparable; the command runs what is missing and keeps it."""

import json
from dataclasses import replace

import pytest

from studies.effects import __main__ as effects
from studies.effects.effect import Effect
from studies.effects.page import GROUP_NAMES
from studies.effects.rows import GROUPS
from studies.harness import store
from studies.harness.store import read_lines, result_file
from studies.harness.trial import Trial, resolved_config, trial_key
from studies.toy.methods import METRIC_NAMES

ROWS = [
    pytest.param(row, id=f"{group}-{row.name}") for group, rows in GROUPS.items() for row in rows
]
BASE = Trial("configs/cam/resnet18_toy.py")
ROW = Effect(
    "row", "a claim", BASE, replace(BASE, options={"optim_wrapper.optimizer.lr": 1}),
    metrics=("gt_known", "top1_cls"), notes="a note",
)  # fmt: skip


def test_every_group_can_be_asked_for_before_its_configs_are_read():
    assert list(GROUP_NAMES) == list(GROUPS)


def result(gt_known, top1_cls=99.0, **more):
    stamp = {"protocol": {"name": "p"}, "normalization": "minmax", "threshold": {"source": "val"}}
    metrics = {"gt_known": gt_known, "top1_cls": top1_cls, "trivial_centre_iou50": 33.0}
    facts = {"machine": {"processor": "x", "torch": "2"}, "wsol_mm": "1.0", "dials": [], "epoch": 4}
    return {"metrics": metrics, "stamp": stamp, **facts, **more}


def keep(trial, folder, content):
    folder.mkdir(exist_ok=True, parents=True)
    result_file(trial, folder).write_text(json.dumps(content))


@pytest.mark.parametrize("row", ROWS)
def test_both_sides_differ_in_the_method_alone(row):
    """Same data, batch, epochs and schedule; another rate or length is said in the notes."""
    first, second = (resolved_config(trial) for trial in (row.baseline, row.method))
    assert trial_key(row.baseline) != trial_key(row.method)
    assert first.val_evaluator == second.val_evaluator
    if first.train_cfg == second.train_cfg:
        assert first.param_scheduler == second.param_scheduler
    for cfg in (first, second) if first.train_cfg != second.train_cfg else ():
        assert f"{cfg.train_cfg.max_epochs} epochs" in row.notes
    if first.optim_wrapper != second.optim_wrapper:
        assert f"learning rate {second.optim_wrapper.optimizer.lr:g}" in row.notes
    assert row.baseline.dials == row.method.dials
    for cfg in (first, second):
        epochs, cosine = cfg.train_cfg.max_epochs, cfg.param_scheduler[-1]
        assert epochs == 8 or cfg.default_scope == "mmdet"
        assert cosine.get("end", epochs) == epochs
        assert cosine.T_max == epochs - cosine.get("begin", 0)
        assert cfg.train_dataloader.batch_size == first.train_dataloader.batch_size
        warm = [h.epochs for h in cfg.get("custom_hooks", []) if h.type == "wsol_mm.WarmStageHook"]
        assert all(0 < hook <= epochs / 2 for hook in warm)


@pytest.mark.parametrize("row", ROWS)
def test_metrics_are_ones_that_have_a_heading(row):
    """A key that no evaluator writes would fail after the last run."""
    assert set(row.metrics) <= METRIC_NAMES.keys()


def test_names_are_unique_and_seeds_enough():
    for rows in GROUPS.values():
        assert len({row.name for row in rows}) == len(rows)
        assert all(len(row.seeds) >= 3 for row in rows)


@pytest.fixture
def study(monkeypatch, tmp_path):
    """One row, no real runs: what is missing gets 60, or fails for the method's seed 1."""
    ran = []

    def run_trials(wanted, root, jobs, *, kept):
        ran.append((len(wanted), jobs))
        results = []
        for trial in wanted:
            failed = trial.options and trial.seed == 1
            if not failed:
                keep(trial, root / "results", result(60.0 + trial.seed))
            results.append(None if failed else result(60.0))
        return results

    monkeypatch.setattr("studies.effects.rows.GROUPS", {"first": (ROW,), "second": (ROW,)})
    monkeypatch.setattr(effects, "GROUP_NAMES", {"first": "the first", "second": "the second"})
    monkeypatch.setattr(effects, "KEPT", tmp_path / "kept")
    monkeypatch.setattr(effects, "run_trials", run_trials)
    common = ["--out", str(tmp_path / "out"), "--docs", str(tmp_path / "effects.md")]
    return lambda *words: (effects.main([*common, *words]), ran)


def test_a_study_runs_each_trial_once_writes_its_block_and_keeps(study, tmp_path, capsys):
    code, ran = study("--jobs", "2", "--keep")
    assert ran == [(6, 2)]  # two groups share them
    assert code == 1
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {
        "trials": 6,
        "finished": 5,
        "failed": 1,
    }
    text = (tmp_path / "effects.md").read_text()
    for group in ("first", "second"):
        assert f"| {group} | row | GT-known | 61.0 | 61.0 | +0.0 [+0.0, +0.0] | 2 |" in text
    assert len(read_lines(tmp_path / "kept/first.jsonl")) == 5
    assert not (tmp_path / "kept/second.jsonl").exists()  # shared runs are kept once


def test_dry_run_lists_and_runs_nothing(study, tmp_path, capsys):
    keep(ROW.trials()[0][0], tmp_path / "kept", result(60.0))
    code, ran = study("--dry-run", "--group", "first")
    lines = capsys.readouterr().out.splitlines()
    assert (code, ran) == (0, [])
    assert [line.split()[0] for line in lines[:6]] == ["finished"] + ["missing"] * 5
    assert json.loads(lines[-1]) == {"trials": 6, "finished": 1}
    assert not (tmp_path / "effects.md").exists()


def test_some_rows_write_no_document(study, tmp_path):
    study("--rows", "row")
    assert not (tmp_path / "effects.md").exists()


def test_pruning_drops_what_no_row_needs(study, tmp_path, capsys):
    stray = replace(ROW.trials()[0][0], seed=7)
    store.keep(tmp_path / "kept/first.jsonl", [(stray, result(1.0))])
    study("--prune", "--rows", "row")
    assert f"dropped {store.run_name(stray)}" in capsys.readouterr().out
    assert not (tmp_path / "kept/first.jsonl").exists()
