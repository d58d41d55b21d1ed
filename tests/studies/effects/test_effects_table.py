"""Effects: pairs by seed, and a table that says what was measured."""

import json
from dataclasses import replace

import pytest

from studies.effects import effect as effects
from studies.effects import page
from studies.effects.__main__ import KEPT
from studies.harness.store import result_file
from studies.harness.trial import ROOT, Trial

BASE = Trial("configs/cam/resnet18_toy.py")
LATER = "configs/adl/resnet18_toy.py"
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
    # sd of 10, 12, 12: 1.1547; half width 4.3027 * 1.1547 / sqrt(3) = 2.868
    text = page.claims_table({"lcar": [entry]})
    line = "| refinement | row | GT-known | 60.0 | 71.3 | +11.3 [+8.5, +14.2] | 3 | holds |"
    assert line in text.splitlines()


def test_only_whole_pairs_enter(tmp_path):
    measure(ROW, tmp_path, [50, 60], [60])
    (entry,) = effects.collect([ROW], tmp_path)
    assert entry.numbers("gt_known") == ([50], [60])
    assert "| row | GT-known | 50.0 | 60.0 | +10.0 | 1 | one pair |" in page.claims_table(
        {"x": [entry]}
    )


@pytest.mark.parametrize(
    ("method", "expected"),
    [([60, 72, 82], "holds"), ([40, 48, 58], "reversed"), ([40, 72, 70], "no effect")],
)
def test_the_verdict_follows_the_interval(tmp_path, method, expected):
    measure(ROW, tmp_path, [50, 60, 70], method)
    (entry,) = effects.collect([ROW], tmp_path)
    assert page.verdict(entry) == expected


def test_an_untrained_baseline_does_not_count(tmp_path):
    for baseline, method in ROW.trials():
        keep(baseline, tmp_path, result(50, top1_cls=89.0))
        keep(method, tmp_path, result(60))
    (entry,) = effects.collect([ROW], tmp_path)
    assert page.verdict(entry) == "does not count"


def test_the_page_has_claims_machines_and_what_is_missing(tmp_path):
    kept, document = tmp_path / "kept", tmp_path / "effects.md"
    for baseline, method in ROW.trials():
        keep(baseline, kept, result(50))
        keep(method, kept, result(60, wsol_mm="2.0", machine={"processor": "y"}))
    other = replace(ROW, name="other", control=True, method=replace(BASE, config=LATER))
    document.write_text("# Effects\n\n<!-- claims:begin -->\nbefore\n<!-- claims:end -->\n")
    dropped = tmp_path / "effects/kg_masks.csv"
    dropped.parent.mkdir()
    dropped.write_text("numbers of results that are gone")
    groups = {"lcar": [ROW, other], "kg_masks": [other]}
    page.write_page({k: effects.collect(rows, kept) for k, rows in groups.items()}, document)
    text = document.read_text()
    assert "before" not in text
    assert "Machine: processor x; torch 2 / processor y." in text
    assert "changed: 2 rows of 2 studies ([which](effects/not_measured.csv))" in text
    missing = (tmp_path / "effects/not_measured.csv").read_text().splitlines()
    assert missing[1:] == [
        "refinement,other,a claim",
        "the localization expert's masks,other,a claim",
    ]
    assert not dropped.exists()
    rows = (tmp_path / "effects/lcar.csv").read_text().splitlines()
    assert len(rows) == 1 + len(ROW.metrics)
    assert rows[1].startswith("row,False,a claim,a note,gt_known,50.00,60.00,10.00,10.00,10.00,")
    assert "refinement: row" in (tmp_path / "effects/all.svg").read_text()


def test_unclear_rows_get_two_more_seeds(tmp_path):
    clear, unclear, unfinished = (replace(ROW, name=name) for name in "abc")
    unclear = replace(unclear, metrics=("top1_cls",))
    measure(ROW, tmp_path, [50, 60, 70], [60, 71, 82])
    longer = effects.extended([clear, unclear], tmp_path)
    assert [row.seeds for row in longer] == [(0, 1, 2), (0, 1, 2, 3, 4)]
    assert effects.extended([unfinished], tmp_path / "none") == [unfinished]


def test_the_repository_has_a_csv_of_each_study_with_results_and_no_other():
    """A csv whose results were dropped would show numbers that nothing stands behind."""
    docs = {path.stem for path in (ROOT / "docs/effects").glob("*.csv")}
    assert docs - {"not_measured"} == {path.stem for path in KEPT.glob("*.jsonl")}
