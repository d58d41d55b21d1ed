"""Effect rows: what is compared is comparable, and the table says what was measured."""

import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from wsol_mm.apis import trials
from wsol_mm.apis.experiments import Trial

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks/effects.py"


def load():
    spec = importlib.util.spec_from_file_location("effects", BENCHMARK)
    module = importlib.util.module_from_spec(spec)
    sys.modules["effects"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


effects = load()
ROWS = [
    pytest.param(row, id=f"{group}-{row.name}")
    for group, rows in effects.GROUPS.items()
    for row in rows
]
BASE = Trial("configs/cam/resnet18_toy.py")
ROW = effects.Effect(
    "row", "a claim", BASE, replace(BASE, options={"optim_wrapper.optimizer.lr": 1}),
    metrics=("gt_known", "top1_cls"), notes="a note",
)  # fmt: skip


def result(gt_known, top1_cls=99.0, **more):
    stamp = {"protocol": {"name": "p"}, "normalization": "minmax", "threshold": {"source": "val"}}
    metrics = {"gt_known": gt_known, "top1_cls": top1_cls, "trivial_centre_iou50": 33.0}
    facts = {"machine": {"processor": "x", "torch": "2"}, "wsol_mm": "1.0", "dials": [], "epoch": 4}
    return {"metrics": metrics, "stamp": stamp, **facts, **more}


def keep(trial, folder, content):
    folder.mkdir(exist_ok=True, parents=True)
    trials.result_file(trial, folder).write_text(json.dumps(content))


def measure(row, folder, baseline, method):
    """Keep results of the seeds from 0 on."""
    pairs = row.trials()
    for numbers, side in ((baseline, 0), (method, 1)):
        for pair, number in zip(pairs, numbers, strict=False):
            keep(pair[side], folder, result(number))


@pytest.mark.parametrize("row", ROWS)
def test_both_sides_differ_in_the_method_alone(row):
    """Same data, batch, epochs and schedule; another learning rate is said in the notes."""
    first, second = (trials.resolved_config(trial) for trial in (row.baseline, row.method))
    assert trials.trial_key(row.baseline) != trials.trial_key(row.method)
    for key in ("train_cfg", "param_scheduler", "val_evaluator"):
        assert first[key] == second[key], key
    if first.optim_wrapper != second.optim_wrapper:
        assert f"learning rate {second.optim_wrapper.optimizer.lr:g}" in row.notes
    assert row.baseline.dials == row.method.dials
    for cfg in (first, second):
        epochs = cfg.train_cfg.max_epochs
        assert cfg.param_scheduler[-1].end == epochs == 8
        assert cfg.param_scheduler[-1].T_max == epochs - cfg.param_scheduler[-1].begin
        assert cfg.train_dataloader.batch_size == first.train_dataloader.batch_size
        warm = [h.epochs for h in cfg.get("custom_hooks", []) if h.type == "wsol_mm.WarmStageHook"]
        assert all(0 < hook <= epochs / 2 for hook in warm)


def test_names_are_unique_and_seeds_enough():
    for rows in effects.GROUPS.values():
        assert len({row.name for row in rows}) == len(rows)
        assert all(len(row.seeds) >= 3 for row in rows)


def test_rows_pair_seeds(tmp_path):
    measure(ROW, tmp_path, [50, 60, 70], [60, 72, 82])
    (entry,) = effects.collect([ROW], tmp_path)
    assert entry.numbers("gt_known") == ([50, 60, 70], [60, 72, 82])
    found = entry.difference("gt_known")
    assert found.mean == pytest.approx(34 / 3)
    assert found.clear
    text = effects.table([entry])
    # sd of 10, 12, 12: 1.1547; half width 4.3027 * 1.1547 / sqrt(3) = 2.868
    assert "| row | GT-known | 60.0 | 71.3 | +11.3 | **[+8.5, +14.2]** | 1.2 | 3 |" in text
    assert "| row | Top-1 Cls | 99.0 | 99.0 | +0.0 | [+0.0, +0.0] | 0.0 | 3 |" in text
    assert "- **row**: a claim; a note; checkpoints of epochs 4, 4, 4 against 4, 4, 4" in text
    assert "best centred box has GT-known 33.0" in text
    assert "Stamp: protocol p, normalization minmax, threshold of GT-known and Top-1" in text
    assert "Machine: processor x; torch 2; wsol_mm 1.0." in text


def test_only_whole_pairs_enter(tmp_path):
    measure(ROW, tmp_path, [50, 60], [60])
    (entry,) = effects.collect([ROW], tmp_path)
    assert entry.numbers("gt_known") == ([50], [60])
    assert "| row | GT-known | 50.0 | 60.0 | +10.0 | one pair |  | 1 |" in effects.table([entry])


def test_a_row_without_results_says_so(tmp_path):
    text = effects.table(effects.collect([replace(ROW, control=True)], tmp_path))
    assert "| row (control) | not measured |" in text


def test_an_untrained_baseline_does_not_count(tmp_path):
    for baseline, method in ROW.trials():
        keep(baseline, tmp_path, result(50, top1_cls=89.0))
        keep(method, tmp_path, result(50))
    text = effects.table(effects.collect([ROW], tmp_path))
    assert "| row, does not count | GT-known |" in text


def test_machines_and_stamps_that_differ_are_all_named(tmp_path):
    for baseline, method in ROW.trials():
        keep(baseline, tmp_path, result(50))
        keep(method, tmp_path, result(50, wsol_mm="2.0"))
    text = effects.table(effects.collect([ROW], tmp_path))
    assert "torch 2; wsol_mm 1.0 / processor x; torch 2; wsol_mm 2.0." in text


def test_unclear_rows_get_two_more_seeds(tmp_path):
    clear, unclear, unfinished = (replace(ROW, name=name) for name in "abc")
    unclear = replace(unclear, metrics=("top1_cls",))
    measure(ROW, tmp_path, [50, 60, 70], [60, 71, 82])
    longer = effects.extended([clear, unclear], tmp_path)
    assert [row.seeds for row in longer] == [(0, 1, 2), (0, 1, 2, 3, 4)]
    assert effects.extended([unfinished], tmp_path / "none") == [unfinished]


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

    monkeypatch.setattr(effects, "GROUPS", {"first": (ROW,), "second": (ROW,)})
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
    assert "<!-- effects_first:begin -->" in text
    assert text.count("| row | GT-known | 61.0 | 61.0 | +0.0 | [+0.0, +0.0] | 0.0 | 2 |") == 2
    assert len(list((tmp_path / "kept").glob("*.json"))) == 5


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


def test_kept_results_belong_to_rows():
    """A kept result that no row wants any more is noise: delete it."""
    wanted = {
        trials.result_file(trial, "").name.rpartition("-")[0]
        for rows in load().GROUPS.values()
        for row in rows
        for trial in effects.unique(
            [replace(row, seeds=(*row.seeds, *range(max(row.seeds) + 1, 10)))]
        )
    }
    kept = {path.stem.rpartition("-")[0] for path in load().KEPT.glob("*.json")}
    assert kept <= wanted
