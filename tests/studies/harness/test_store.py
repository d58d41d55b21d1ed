"""Kept results: found by name, added, without orphans; nothing is lost on the way."""

import json
from dataclasses import replace

import pytest

from studies.effects.effect import unique
from studies.effects.rows import GROUPS
from studies.harness import store
from studies.harness.store import (
    finished_result,
    keep,
    orphans,
    other_files,
    prune,
    read_lines,
    replaced_file,
    run_name,
)
from studies.harness.trial import ROOT, Trial

CAM = Trial("configs/cam/resnet18_toy.py")
OTHER = replace(CAM, seed=1)
KEPT = ROOT / "studies/results/effects"


def test_a_fresh_result_comes_before_a_kept_one(tmp_path):
    fresh, kept = tmp_path / "fresh", tmp_path / "kept"
    fresh.mkdir()
    assert keep(kept / "cam.jsonl", [(CAM, {"n": 1}), (OTHER, None)]) == 1
    assert finished_result(CAM, fresh, None, kept) == {"n": 1}
    assert finished_result(OTHER, fresh, kept) is None
    store.result_file(CAM, fresh).write_text(json.dumps({"n": 2}))
    assert finished_result(CAM, fresh, kept) == {"n": 2}


def test_lines_are_sorted_and_written_once(tmp_path):
    file = tmp_path / "cam.jsonl"
    assert keep(file, [(OTHER, {"n": 2}), (CAM, {"n": 1})]) == 2
    lines = file.read_text().splitlines()
    assert [json.loads(line)["run"] for line in lines] == sorted([run_name(CAM), run_name(OTHER)])
    assert keep(file, [(CAM, {"n": 1})]) == 0
    assert keep(file, [(CAM, {"n": 3})]) == 1
    assert finished_result(CAM, tmp_path) == {"n": 3}


def test_of_a_history_the_main_numbers_are_kept(tmp_path):
    history = {"1": {"gt_known": 1.0, "trivial_centre": 2.0}}
    result = {"history": history, "val": {"trivial_centre": 2.0}}
    assert keep(tmp_path / "cam.jsonl", [(CAM, result)]) == 1
    assert keep(tmp_path / "cam.jsonl", [(CAM, result)]) == 0
    found = finished_result(CAM, tmp_path)
    assert found == {"history": {"1": {"gt_known": 1.0}}, "val": {"trivial_centre": 2.0}}


def test_what_a_repeated_training_replaces_is_remembered(tmp_path):
    file = tmp_path / "cam.jsonl"
    first, second = {"images": {"gt_known": "01"}}, {"images": {"gt_known": "11"}}
    behind = {"inputs": {"boxes": {}}}  # another maker's boxes repeat nothing
    keep(file, [(CAM, first), (OTHER, {**first, **behind})])
    assert not replaced_file(file).exists()
    assert keep(file, [(CAM, {**first, "seconds": 2}), (OTHER, {**second, **behind})]) == 2
    assert not replaced_file(file).exists()  # CAM hits what it did
    assert keep(file, [(CAM, second)]) == 1
    assert read_lines(replaced_file(file)) == {run_name(CAM): {**first, "seconds": 2}}
    assert finished_result(CAM, tmp_path) == second


def given(boxes="a", checkpoint="c", **fields):
    files = {"inputs": {"boxes": {"key": ["k", "val"], "sha256": boxes}}} if boxes else {}
    return {"config": "x", "options": {}, "checkpoint_sha256": checkpoint, **files, **fields}


def test_a_pair_with_unlike_files_is_named():
    other = {"options": {"eta": 1}}
    assert other_files(given(), given(checkpoint="d", **other)) == []  # two trainings, same boxes
    assert other_files(given(), given("b", "d", **other)) == ["boxes"]
    assert other_files(given(None), given(None)) == []
    assert other_files(given(None), given(None, "d")) == ["checkpoint"]  # one training, they think
    assert other_files(given(None, None), given(None)) == []  # an old result has no hash
    key = {"inputs": {"boxes": {"key": ["another", "val"], "sha256": "b"}}}
    assert other_files(given(), given(**other, **key)) == []  # another maker's boxes, as meant


def test_orphans_are_named_and_pruned(tmp_path):
    file = tmp_path / "cam.jsonl"
    keep(file, [(CAM, {"n": 1}), (OTHER, {"n": 2})])
    assert orphans(file, [CAM]) == [run_name(OTHER)]
    assert prune(file, [CAM]) == [run_name(OTHER)]
    assert list(read_lines(file)) == [run_name(CAM)]
    assert prune(file, []) == [run_name(CAM)]
    assert not file.exists()
    assert orphans(file, []) == []


def test_a_broken_line_is_named(tmp_path):
    file = tmp_path / "cam.jsonl"
    file.write_text('{"run": "a", "n": 1}\n{"n": 2}\n')
    with pytest.raises(ValueError, match=r"cam.jsonl:2: expected one json object"):
        read_lines(file)


@pytest.mark.parametrize("file", sorted(KEPT.glob("*.jsonl")), ids=lambda file: file.stem)
def test_kept_effects_belong_to_rows(file):
    """A changed config leaves orphans: measure anew, or ``--prune``."""
    rows = GROUPS[file.stem]
    longer = [replace(row, seeds=(*row.seeds, 3, 4)) for row in rows]  # what --extend adds
    assert orphans(file, unique(longer)) == []
