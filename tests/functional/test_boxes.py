"""Overlap, threshold rules and boxes of a map."""

import cv2
import numpy as np
import pytest
from scipy import ndimage

from wsol_mm.functional.boxes import (
    box_iou,
    mean_level,
    otsu_level,
    threshold_level,
    two_threshold_box,
)
from wsol_mm.testing.sweep import best_iou


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


def test_mean_level_is_the_mean():
    assert mean_level(np.array([[0.0, 0.2, 0.4, 1.0]])) == int(255 * 0.4)


def test_two_thresholds_by_hand():
    # mean of the map: 28 / 16; threshold 0.3 cuts at 2.7: kept mean 18 / 16
    score_map = np.array(
        [[9.0, 9, 0, 0], [0, 0, 0, 2], [0, 0, 0, 2], [0, 2, 2, 2]], dtype=np.float32
    )
    assert two_threshold_box(score_map, size=(4, 4)).tolist() == [[1, 1, 4, 4]]
    assert two_threshold_box(score_map, size=(4, 4), threshold=0.3).tolist() == [[0, 0, 2, 1]]
    # the minimum does not matter
    assert two_threshold_box(score_map - 5, size=(4, 4)).tolist() == [[1, 1, 4, 4]]


def test_the_largest_bounding_box_wins_not_the_most_pixels():
    score_map = np.zeros((8, 8))
    score_map[0, :] = score_map[:6, 7] = 1  # 13 pixels, 8 x 6 positions
    score_map[2:6, 1:5] = 1  # 16 pixels, 4 x 4
    assert two_threshold_box(score_map, size=(8, 8)).tolist() == [[0, 0, 8, 6]]


def test_diagonal_neighbours_are_not_connected():
    score_map = np.zeros((4, 4))
    score_map[0, 0] = score_map[1, 1] = score_map[1, 2] = 1
    assert two_threshold_box(score_map, size=(4, 4)).tolist() == [[1, 1, 3, 2]]


@pytest.mark.parametrize("seed", range(5))
def test_threshold_zero_is_the_mean_of_the_upsampled_map(seed):
    score_map = np.random.default_rng(seed).normal(size=(5, 7))
    lifted = cv2.resize(score_map - score_map.min(), (20, 30), interpolation=cv2.INTER_LINEAR)
    labels, count = ndimage.label(lifted > lifted.mean())
    assert count >= 1
    slices = ndimage.find_objects(labels)
    areas = [(rows.stop - rows.start) * (cols.stop - cols.start) for rows, cols in slices]
    rows, columns = slices[int(np.argmax(areas))]
    expected = [columns.start, rows.start, columns.stop, rows.stop]
    assert two_threshold_box(score_map, size=(20, 30)).tolist() == [expected]


@pytest.mark.parametrize("value", [0.0, -2.5, np.nan])
def test_a_map_without_contrast_has_no_box(value):
    assert two_threshold_box(np.full((3, 3), value), size=(9, 9)).shape == (0, 4)


def test_two_thresholds_refuse_what_has_no_meaning():
    score_map = np.eye(3)
    with pytest.raises(ValueError, match=r"threshold=1\.0"):
        two_threshold_box(score_map, size=(3, 3), threshold=1.0)
    with pytest.raises(ValueError, match="one map of shape"):
        two_threshold_box(score_map[0], size=(3, 3))
