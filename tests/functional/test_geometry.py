"""Boxes survive the way to the input frame and back."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from wsol_mm.functional.geometry import to_original_frame, transform_boxes

NUMBERS = st.floats(0.1, 5)


@given(sx=NUMBERS, sy=NUMBERS, dx=st.floats(-50, 50), flip=st.booleans())
def test_round_trip(sx, sy, dx, flip):
    matrix = np.array([[-sx if flip else sx, 0, dx], [0, sy, 3], [0, 0, 1]])
    boxes = np.array([[2.0, 3.0, 40.0, 50.0], [0.0, 0.0, 99.0, 79.0]])
    moved = transform_boxes(boxes, matrix)
    assert (moved[:, 2:] > moved[:, :2]).all()
    np.testing.assert_allclose(to_original_frame(moved, matrix, (80, 100)), boxes, atol=1e-9)


def test_boxes_are_clipped_to_the_image():
    boxes = to_original_frame([[-5, -5, 500, 20]], np.eye(3), (30, 40))
    np.testing.assert_array_equal(boxes, [[0, 0, 40, 20]])


def test_no_boxes():
    assert transform_boxes(np.zeros((0, 4)), np.eye(3)).shape == (0, 4)
