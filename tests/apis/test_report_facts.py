"""The numbers of a report, by hand and against the evaluator's own."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_toy import FAULTS, TRUTH, make_result

from wsol_mm.apis.report_data import find_files, make_run, read_run
from wsol_mm.apis.report_facts import (
    KINDS,
    Difference,
    columns,
    differences,
    error_kind,
    examples,
    groups,
    histogram,
    kinds,
    paired,
)
from wsol_mm.functional.boxes import box_iou


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return read_run(make_result(folder, "one", FAULTS * 3), "one")


def test_each_fault_is_called_by_its_name(run):
    assert kinds(run) == ["wrong class", *(FAULTS * 3)[1:]]
    assert set(kinds(run)) <= KINDS.keys()


def test_boxes_and_ious_are_those_of_the_image(run):
    assert run.boxes[0] == pytest.approx([40, 30, 100, 80], abs=4)
    assert run.truth[4].tolist() == TRUTH["two"]
    for box, truth, iou in zip(run.boxes, run.truth, run.iou, strict=True):
        assert box_iou(box[None], truth).max() == pytest.approx(iou, abs=1e-6)
    assert not run.boxes[5].any()


def test_means_of_columns_are_the_evaluators_numbers(run):
    found = columns(run)
    for key in ("top1_cls", "gt_known", "gt_known_iou30", "gt_known_iou70", "top1_loc"):
        assert found[key].mean() == pytest.approx(run.details[key]), key
    assert found["gt_known"].mean() == pytest.approx(100 / 6)


def test_groups_hold_every_image_once(run):
    found = groups(run)
    for entries in found.values():
        assert sum(group.images for group in entries) == 18
        hits = sum(group.images * group.rate for group in entries if group.images)
        assert hits / 18 == pytest.approx(run.details["gt_known"])
    # 60 x 50 and, in three images, the first of two 40 x 50 boxes in 160 x 90
    size = {group.name: group.images for group in found["size, share of the image"]}
    assert (size["5 to 15 %"], size["15 to 30 %"]) == (3, 15)
    aspect = {group.name: group.images for group in found["width / height"]}
    assert (aspect["0.8 to 1.25"], aspect["0.5 to 0.8"]) == (18, 0)
    place = {group.name: group.images for group in found["place of the centre"]}
    assert (place["middle centre"], place["middle left"]) == (15, 3)


def test_histogram_and_examples():
    assert histogram(np.array([0.0, 0.5, 1.0, 1.0]), 4).tolist() == [1, 0, 1, 2]
    chosen = examples(np.linspace(0, 1, 30))
    assert (chosen["best"], chosen["worst"]) == (list(range(29, 23, -1)), list(range(6)))
    assert chosen["median"] == list(range(12, 18))


@given(st.lists(st.floats(0, 1), min_size=3, max_size=40))
def test_no_example_stands_twice(values):
    shown = [index for chosen in examples(np.array(values)).values() for index in chosen]
    assert len(shown) == len(set(shown))


coordinates = st.integers(0, 12)


@given(st.tuples(*[coordinates] * 4), st.lists(st.tuples(*[coordinates] * 4), max_size=3))
def test_every_box_has_a_kind_of_error(box, truth):
    assert error_kind(np.array(box, float), np.array(truth, float).reshape(-1, 4)) in KINDS


def test_differences_are_paired_by_image(tmp_path, run):
    better = ["right", "right", *FAULTS[2:], *FAULTS * 2]
    other = read_run(make_result(tmp_path, "two", better), "two")
    found = {each.key: each for each in differences(run, other)}
    known = found["gt_known"]
    assert known.values == pytest.approx((100 / 6, 400 / 18))
    assert known.change == pytest.approx(100 / 18)
    assert known.interval[0] == 0 < known.change < known.interval[1]
    assert not known.clear
    assert found["top1_cls"].interval == (0, 0)
    # against itself nothing changes, whatever the order of the records
    again = make_run("again", run.details, run.records[::-1])
    assert all(each.change == 0 and each.interval == (0, 0) for each in differences(run, again))
    swapped = {each.key: each for each in differences(other, run)}["gt_known"]
    assert swapped.change == pytest.approx(-known.change)


@pytest.mark.parametrize(
    ("low", "high", "clear"), [(0.1, 2, True), (-2, -0.1, True), (-1, 1, False), (3e-15, 2, False)]
)
def test_a_difference_is_clear_where_its_interval_leaves_zero_out(low, high, clear):
    assert Difference("gt_known", (50, 51), 1, (low, high)).clear is clear


def test_runs_of_different_images_are_refused(tmp_path, run):
    half = make_run("half", run.details, run.records[:5])
    assert paired(run, half) == ([0, 1, 2, 3, 4], [0, 1, 2, 3, 4])
    with pytest.raises(ValueError, match="no image in common"):
        paired(half, make_run("rest", run.details, run.records[9:]))


def test_what_belongs_to_a_result(tmp_path):
    made = make_result(tmp_path, "r_wsol", FAULTS)
    result = tmp_path / "r.json"
    result.write_text('{"wsol/gt_known": 1, "info": {"details": ["elsewhere/r_wsol.json"]}}')
    assert find_files(result) == find_files(made) == (made, tmp_path / "r_wsol_records.npz")
    result.write_text('{"info": {"details": ["a.json", "b.json"]}}')
    with pytest.raises(ValueError, match="2 evaluators"):
        find_files(result)
    result.write_text("{}")
    with pytest.raises(ValueError, match="neither numbers with a stamp"):
        find_files(result)
    (tmp_path / "r_wsol_records.npz").unlink()
    with pytest.raises(FileNotFoundError, match=r"records\.npz does not exist"):
        find_files(made)
