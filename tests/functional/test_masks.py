"""Masks of objects: the components whose boxes are scored, and their way back to the image."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsol_mm.functional.boxes import map_to_boxes
from wsol_mm.functional.geometry import to_original_frame
from wsol_mm.functional.masks import map_to_masks, to_original_mask


def extent(mask):
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]


@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 9),
    st.integers(2, 9),
    st.sampled_from(["largest", "all"]),
    st.sampled_from(["fixed", "otsu", "mean"]),
)
def test_masks_belong_to_the_boxes_that_are_scored(seed, height, width, which, rule):
    rng = np.random.default_rng(seed)
    score_map = rng.integers(0, 5, (height, width)).astype(np.float64)
    threshold = 0.0 if rule == "otsu" else 0.4
    keys = {"rule": rule, "threshold": threshold, "which": which}
    masks, boxes = map_to_masks(score_map, **keys)
    wanted = map_to_boxes(score_map, size=(width, height), **keys)
    assert masks.shape == (len(boxes), height, width)
    if np.ptp(score_map) == 0:
        assert masks.all()
        assert len(wanted) == 0
        return
    np.testing.assert_array_equal(boxes, wanted)
    assert [extent(mask) for mask in masks] == boxes.tolist()
    assert (masks.sum(axis=0) <= 1).all()


def test_two_components_with_one_extent_are_two_masks():
    corners = np.array([[1, 0, 0, 1], [0, 0, 0, 0], [0, 0, 0, 0], [1, 0, 0, 1]], np.float64)
    ring = np.zeros((7, 7))
    ring[0, 2:5] = ring[6, 2:5] = ring[2:5, 0] = ring[2:5, 6] = 1  # four bars
    for score_map, count in ((corners, 4), (ring, 4)):
        masks, _ = map_to_masks(score_map, threshold=0.5, which="all")
        assert len(masks) == count
        np.testing.assert_array_equal(masks.any(axis=0), score_map > 0)


def test_a_crop_and_a_scale_are_undone():
    matrix = np.array([[0.5, 0, -2.0], [0, 2.0, 0], [0, 0, 1]])
    mask = np.zeros((8, 3), bool)
    mask[2:6, 1] = True
    original = to_original_mask(mask, matrix, (4, 12))
    assert extent(original) == to_original_frame([[1, 2, 2, 6]], matrix, (4, 12))[0].tolist()
    assert original.sum() == 4
    assert not to_original_mask(np.ones((8, 3), bool), matrix, (4, 12))[:, :4].any()


def test_refuses_unknown_rules():
    with pytest.raises(ValueError, match="which="):
        map_to_masks(np.eye(2), which="some")
    with pytest.raises(ValueError, match="rule="):
        map_to_masks(np.eye(2), rule="best")
