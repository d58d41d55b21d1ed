"""What a repeated training changes: pairs of results by two processors, and no others."""

import csv

import pytest

from studies.harness.store import keep, orphans, replaced_file
from studies.photographs.__main__ import KEPT
from studies.photographs.repeated import write_repeated
from studies.photographs.report import benches
from studies.photographs.rows import ANY, Bench, Row

BENCH = Bench("toy scenes", "toy", (Row("CAM", "configs/cam/resnet18_toy.py"),))


def result(gt_known, processor):
    ious = {f"max_box_acc_v2_iou{percent}": gt_known for percent in (30, 50, 70)}
    columns = {"gt_known": gt_known, **ious}
    return {"images": columns, "machine": {"processor": f"{processor}, 2 cores"}}


def test_trainings_of_two_processors_are_paired(tmp_path):
    (row,) = BENCH.rows
    before = {0: ("0011", "A"), 1: ("0111", "B"), 2: ("0001", "A")}
    after = {0: ("0111", "B"), 1: ("1111", "B"), 2: ("0001", "B")}  # 1 on one processor, 2 alike
    for results in (before, after):
        found = [(BENCH.trial(row, seed, ANY), result(*each)) for seed, each in results.items()]
        keep(tmp_path / "toy.jsonl", found)
    assert write_repeated({"toy": BENCH, "none": BENCH}, tmp_path, tmp_path / "again.csv") == 1
    (line,) = csv.DictReader((tmp_path / "again.csv").read_text().splitlines())
    assert list(line.values()) == ["toy", "CAM", "0", "A", "B", "50.00", "75.00", "50.00", "75.00"]


@pytest.mark.parametrize("file", sorted((KEPT / "replaced").glob("*.jsonl")), ids=lambda f: f.stem)
def test_what_was_replaced_belongs_to_rows(file):
    bench = benches(KEPT)[file.stem]
    trials = [
        bench.trial(row, seed, ANY, checkpoint)
        for row in bench.rows
        for seed in range(row.seeds)
        for checkpoint in row.checkpoints
    ]
    assert replaced_file(KEPT / file.name) == file
    assert orphans(file, trials) == []
