"""curves: the last value of each epoch over all parts of a training; what is missing is said."""

import json

from studies.harness.run import trial_folder
from studies.photographs.__main__ import main
from studies.photographs.curves import logged
from studies.photographs.rows import BENCHES

BIRDS = BENCHES["birds"]


def write_log(work_dir, part, *rows):
    log = work_dir / part / "vis_data/scalars.json"
    log.parent.mkdir(parents=True)
    log.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_a_resumed_training_goes_on_and_validations_are_no_epochs(tmp_path):
    write_log(
        tmp_path,
        "20260101_000000",
        {"epoch": 1, "share": 0.5, "step": 4},
        {"epoch": 1, "share": 0.4, "step": 9},
        {"wsol/gt_known": 60.0, "step": 1},
        {"epoch": 2, "share": 0.3, "step": 12},
    )
    write_log(tmp_path, "20260101_010000", {"epoch": 2, "share": 0.2, "step": 18})
    assert logged(tmp_path, "share") == {1: 0.4, 2: 0.2}
    assert logged(tmp_path, "other") == {}


def test_rows_become_a_table_and_what_is_not_trained_is_said(tmp_path, capsys):
    names = ("classification expert", "localization expert")
    for seed, share in ((1, 0.6), (2, 0.4)):
        trial = BIRDS.trial(BIRDS.row(names[0]), seed, tmp_path / "data")
        rows = [{"epoch": epoch, "foreground_share": share / epoch} for epoch in (1, 2)]
        write_log(trial_folder(trial, tmp_path) / "train", "20260101_000000", *rows)
    docs = tmp_path / "docs"
    docs.mkdir()
    words = ["curves", "--key", "foreground_share", "--rows", *names, "--seeds", "1", "2"]
    assert main([*words, "--out", str(tmp_path), "--docs", str(docs)]) == 1
    assert "left out: localization expert, seed 2: no foreground_share" in capsys.readouterr().out
    assert (
        "| classification expert | 2 | 0.500 | 0.250 |"
        in (docs / "photographs/taken_apart.md").read_text()
    )
    assert (docs / "photographs/foreground_share.csv").read_text().splitlines() == [
        "method,seed,epoch 1,epoch 2",
        "classification expert,1,0.600,0.300",
        "classification expert,2,0.400,0.200",
    ]
