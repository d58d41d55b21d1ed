"""A paper's tables: what fits, what is collected, and what the two files say."""

import csv
import json
from dataclasses import replace

import pytest

from studies.harness.store import result_file
from studies.harness.trial import Trial
from studies.papers import birds
from studies.papers.tables import (
    Column,
    PaperTable,
    Row,
    collect,
    markdown,
    unique_trials,
    write_tables,
)

CAM = Trial("configs/cam/resnet18_toy.py")
SLOW = replace(CAM, options={"optim_wrapper.optimizer.lr": 0.01})
COLUMNS = (
    Column("GT-known", ("gt_known", "multi_gt_known")),
    Column("expert", ("top1_loc",), of="expert"),
    Column("speed", ()),
)
TABLE = PaperTable(
    "Table 7",
    "rates",
    ("rate",),
    COLUMNS,
    (
        Row(("0.05",), ("50.0 / 60.0", "40", ""), {"ours": CAM, "expert": SLOW}),
        Row(("0.01",), ("51.0 / 61.0", "41", "2 s"), {"ours": SLOW}),
        Row(("0.1",), ("", "", ""), {}),
    ),
    "A note.",
)


def keep(trial, folder, **metrics):
    """Write a finished result."""
    path = result_file(trial, folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    stamp = {"protocol": {"name": "original"}, "box_rule": "best score", "classifier": None}
    content = {"config": trial.config, "seed": trial.seed, "dials": list(trial.dials)}
    content |= {"data": "toy scenes", "epoch": 4 + trial.seed, "metrics": metrics, "stamp": stamp}
    content |= {"val": {key: value / 2 for key, value in metrics.items()}, "wsol_mm": "9.9"}
    content |= {"machine": {"processor": "abacus"}}
    content |= {"inputs": {"boxes": {"config": "configs/x.py"}}} if trial.seed else {}
    path.write_text(json.dumps(content))


@pytest.fixture
def results(tmp_path):
    folder = tmp_path / "results"
    keep(CAM, folder, gt_known=50.0, multi_gt_known=70.0)
    keep(replace(CAM, seed=1), folder, gt_known=53.0, multi_gt_known=70.0, mean_boxes=2.0)
    keep(SLOW, folder, gt_known=40.0, top1_loc=30.0, mean_boxes=3.5)
    return folder


@pytest.mark.parametrize(
    "row",
    [
        Row((), ("", "", ""), {}),
        Row(("0.1",), ("", ""), {}),
        Row(("0.1",), ("", "", ""), {"teacher": CAM}),
    ],
)
def test_refuses_a_row_that_does_not_fit(row):
    with pytest.raises(ValueError, match="Table 7: row"):
        replace(TABLE, rows=(row,))


def test_a_trial_of_two_rows_runs_once_and_seeds_come_one_after_the_other():
    trials = unique_trials([TABLE, TABLE], (0, 3))
    assert [trial.seed for trial in trials] == [0, 0, 3, 3]
    assert trials[:2] == [CAM, SLOW]


def test_other_trials_leave_the_paper(results):
    changed = TABLE.changed(lambda trial: replace(trial, seed=5))
    assert {t.seed for row in changed.rows for t in row.trials.values()} == {5}
    assert [row.paper for row in changed.rows] == [row.paper for row in TABLE.rows]


def test_cells(results):
    measured = collect(TABLE, (0, 1), results)
    first, expert, speed = COLUMNS
    # 50 and 53: mean 51.5, sd 3 / sqrt(2)
    assert measured.cell(0, first) == "51.50 ± 2.12 / 70.00 ± 0.00"
    assert measured.cell(0, expert) == "30.00"
    assert measured.cell(0, speed) == "not measured"  # we have no such number
    assert measured.cell(1, first) == "40.00 / not measured"  # the result lacks one of them
    assert measured.cell(1, expert) == "not measured"  # the row has no such trial
    assert measured.cell(2, first) == "not measured"
    assert collect(TABLE, (1,), results).cell(0, first) == "53.00 / 70.00"


def test_results_of_several_folders(results, tmp_path):
    other = tmp_path / "kept"
    keep(replace(SLOW, seed=1), other, gt_known=42.0, top1_loc=32.0)
    measured = collect(TABLE, (0, 1), results, other)
    assert [result["seed"] for result in measured.results[1]["ours"]] == [0, 1]


def test_document(results):
    text = markdown(collect(TABLE, (0, 1), results))
    lines = text.splitlines()
    assert lines[0] == "### Table 7: rates"
    assert lines[2] == (
        "| rate | GT-known | expert | speed | ours: GT-known | ours: expert | ours: speed | seeds |"
    )
    assert lines[4].startswith("| 0.05 | 50.0 / 60.0 | 40 | - | 51.50 ± 2.12 /")
    assert lines[4].endswith("| 2 / 1 |")  # of the two trials of this row
    assert lines[6] == "| 0.1 | - | - | - |" + " not measured |" * 3 + " - |"
    assert "A note." in lines
    assert "must choose nothing" in lines[-1]
    for fact in ("original", "epochs 4 to 5", "boxes from configs/x.py", "abacus", "wsol_mm 9.9"):
        assert fact in lines[-1]
    assert "Boxes per image: 2.0 to 3.5 in the mean." in lines[-1]
    assert {line.count("|") for line in lines[2:7]} == {9}


def test_nothing_is_measured_yet(tmp_path):
    toy = replace(TABLE, ours="ours, toy")
    text = markdown(collect(toy, (0,), tmp_path))
    assert "ours, toy: GT-known" in text
    assert text.endswith("*Ours, toy*: nothing is measured yet.")


def test_the_third_column_is_of_birds_and_says_that_it_is(results, monkeypatch):
    bird = [{"seed": seed, "metrics": {"gt_known": 60.0 + seed}} for seed in (0, 3)]
    monkeypatch.setattr(birds, "bird_results", {"CAM": tuple(bird), "HaS": ()}.__getitem__)
    rows = [replace(r, birds=name) for r, name in zip(TABLE.rows, ("CAM", "HaS", ""), strict=True)]
    table = replace(TABLE, rows=tuple(rows), birds=("gt_known", "top1_loc"))
    lines = markdown(collect(table, (0,), results)).splitlines()
    head = lines[2].split(" | ")[-1]
    assert "six classes of birds" in head
    assert "not to be read beside a CUB-200 number" in head
    assert "GT-known / Top-1 Loc" in head
    cells = [line.split(" | ")[-1] for line in lines[4:7]]
    # 60 and 63: mean 61.5, sd 3 / sqrt(2)
    assert cells == ["61.5 ± 2.1 / not measured, 2 seeds |", "not measured |", "- |"]
    assert "2 seeds" not in lines[-1]  # the stamp is that of our other column
    # no row, no column
    assert "birds" not in markdown(collect(replace(table, rows=TABLE.rows), (0,), results))


def test_a_row_that_is_not_built(tmp_path):
    row = replace(TABLE.rows[2], ours="not built")
    text = markdown(collect(replace(TABLE, rows=(row,)), (0,), tmp_path))
    assert "not built | not built | not built" in text


def test_files(results, tmp_path):
    text = write_tables(
        [TABLE, replace(TABLE, number="Table 8")], (0, 1), "Rates", "Of CUB.", tmp_path
    )
    assert (tmp_path / "tables.md").read_text() == f"# Rates\n\n{text}\n"
    assert text.startswith("Of CUB.\n\n### Table 7")
    with (tmp_path / "tables.csv").open() as file:
        rows = list(csv.DictReader(file))
    ours = [row for row in rows if row["table"] == "Table 8" and row["column"] == "GT-known"]
    assert [(row["row"], row["metric"], row["seed"], row["ours"]) for row in ours] == [
        ("rate 0.05", "gt_known", "0", "50.0"),
        ("rate 0.05", "multi_gt_known", "0", "70.0"),
        ("rate 0.05", "gt_known", "1", "53.0"),
        ("rate 0.05", "multi_gt_known", "1", "70.0"),
        ("rate 0.01", "gt_known", "0", "40.0"),
        ("rate 0.01", "multi_gt_known", "0", ""),
        ("rate 0.1", "", "", ""),
    ]
    assert (ours[0]["paper"], ours[0]["ours_val"]) == ("50.0 / 60.0", "25.0")
    assert {row["column"] for row in rows if row["ours"] == ""} == {"GT-known", "expert", "speed"}
