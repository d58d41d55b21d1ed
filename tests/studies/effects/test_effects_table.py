"""Effects: pairs by seed, and a table that says what was measured."""

import json
from dataclasses import replace

import pytest

from studies.effects import effect as effects
from studies.harness.store import result_file
from studies.harness.trial import Trial

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
    result_file(trial, folder).write_text(json.dumps(content))


def measure(row, folder, baseline, method):
    """Keep results of the seeds from 0 on."""
    pairs = row.trials()
    for numbers, side in ((baseline, 0), (method, 1)):
        for pair, number in zip(pairs, numbers, strict=False):
            keep(pair[side], folder, result(number))


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
