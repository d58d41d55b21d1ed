"""Overlap, threshold rules and boxes of a map."""

import numpy as np
import pytest

from wsol_mm.functional.boxes import (
    box_iou,
    map_to_boxes,
    mean_level,
    otsu_level,
    threshold_level,
)
from wsol_mm.functional.cam import normalize_map, to_grey, upsample_map
from wsol_mm.testing.sweep import best_iou, contour_boxes


def test_reference_vectors_of_the_iou():
    zeros = np.zeros((3, 4))
    assert (box_iou(zeros, np.zeros((5, 4)), plus_one=True) == np.ones((3, 5))).all()
    assert (box_iou(zeros, zeros) == 0).all()
    apart = [[0, 0, 1, 1], [5, 5, 7, 9]]
    assert (box_iou(apart, apart, plus_one=True) == np.eye(2)).all()
    assert box_iou([[1, 2, 5, 6]], [[3, 1, 4, 5]], plus_one=True).item() == 8 / 27


@pytest.mark.parametrize("plus_one", [True, False])
def test_iou_of_all_pairs_equals_the_sweeps(plus_one):
    rng = np.random.default_rng(0)
    corners = rng.integers(0, 20, (2, 30, 2))
    boxes = np.hstack([corners.min(0), corners.max(0)]).astype(float)
    table = box_iou(boxes[:20], boxes[20:], plus_one=plus_one)
    for i in range(20):
        for j in range(10):
            expected = best_iou(boxes[i : i + 1], boxes[20 + j : 21 + j], plus_one=plus_one)
            assert table[i, j] == expected


@pytest.mark.parametrize(
    ("box", "match"),
    [
        ([[1, 1, 0, 0]], "a: box .* ends before it starts"),
        ([1, 1, 2, 2], r"a: expected boxes of shape \(n, 4\)"),
        ([[0, 0, 1, np.nan]], "a: expected finite boxes"),
    ],
)
def test_bad_boxes_are_named(box, match):
    with pytest.raises(ValueError, match=match):
        box_iou(box, [[0, 0, 1, 1]])


def test_no_boxes_have_no_overlap():
    assert box_iou(np.zeros((0, 4)), [[0, 0, 1, 1]]).shape == (0, 1)


def test_threshold_level_is_relative_and_truncates():
    grey = np.array([[3, 99]], np.uint8)
    assert [threshold_level(grey, t) for t in (0.0, 0.5, 0.999)] == [0, 49, 98]
    with pytest.raises(ValueError, match=r"threshold=1.0: expected a value in \[0, 1\)"):
        threshold_level(grey, 1.0)


def test_otsu_splits_two_modes_and_takes_a_constant_map():
    grey = np.array([[10, 11, 12, 200, 201]], np.uint8)
    assert 12 <= otsu_level(grey) < 200
    assert otsu_level(np.full((2, 2), 9, np.uint8)) == 0


def test_mean_rule_cuts_first_and_then_takes_the_mean():
    score_map = np.array([[0.0, 0.2, 0.4, 1.0]])
    assert mean_level(score_map) == int(255 * 0.4)
    # 0.2 falls to the cut: (0.4 + 1) / 4.
    assert mean_level(score_map, 0.3) == int(255 * 0.35)
    # The mean of what is left, (1) / 4, is lower than the cut: the cut decides.
    assert mean_level(score_map, 0.5) == int(255 * 0.5)


@pytest.mark.parametrize("which", ["largest", "all"])
@pytest.mark.parametrize("rule", ["fixed", "mean", "otsu"])
def test_boxes_of_a_map_equal_its_contours(rule, which):
    raw = np.zeros((8, 10), np.float32)
    raw[[1, 1, 6, 5], [2, 7, 1, 7]] = 0.7, 0.8, 0.9, 1
    threshold = {"fixed": 0.35, "mean": 0.2, "otsu": 0.0}[rule]
    got = map_to_boxes(raw, size=(50, 40), rule=rule, threshold=threshold, which=which)
    values = normalize_map(upsample_map(raw, (50, 40)))
    grey = to_grey(values)
    level = {
        "fixed": lambda: int(0.35 * 255),
        "mean": lambda: mean_level(values, 0.2),
        "otsu": lambda: otsu_level(grey),
    }[rule]()
    mask = (grey > level).astype(np.uint8)
    expected = contour_boxes(mask, largest=which == "largest", plus_one=False)
    if which == "largest":
        assert got.tolist() == expected.tolist()
    else:
        assert len(got) == 4
        assert {tuple(box) for box in got} <= {tuple(box) for box in expected}
    assert got.dtype == np.float64
    assert got[:, 2].max() <= 50
    assert got[:, 3].max() <= 40


def test_maps_without_contrast_have_no_box():
    for value in (0.0, 3.0, np.nan):
        assert map_to_boxes(np.full((4, 4), value), size=(8, 8)).shape == (0, 4)


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"rule": "best"}, "rule='best': expected 'fixed', 'otsu' or 'mean'"),
        ({"which": "both"}, "which='both': expected 'largest' or 'all'"),
        ({"rule": "otsu", "threshold": 0.1}, "rule='otsu' takes none"),
        ({"threshold": 1.5}, "threshold=1.5"),
        ({"normalization": "softmax"}, "normalization"),
    ],
)
def test_bad_choices_are_named(kwargs, match):
    with pytest.raises(ValueError, match=match):
        map_to_boxes(np.eye(4), size=(8, 8), **kwargs)
