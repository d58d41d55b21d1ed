"""Boxes survive the way to the input frame and back."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from wsol_mm.functional.geometry import inside_boxes, to_original_frame, transform_boxes

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


def test_cells_count_by_their_centre_in_any_of_the_boxes():
    boxes = np.array([[0.0, 0.0, 13.0, 24.0], [28.0, 8.0, 30.0, 12.0]])
    matrix = np.diag([0.5, 0.25, 1.0])  # cells of 4 x 4 pixels: (0, 0, 6.5, 6), (14, 2, 15, 3)
    found = inside_boxes(boxes, matrix, (8, 16), (2, 4))
    assert found.astype(int).tolist() == [[1, 1, 0, 1], [0, 0, 0, 0]]
    assert not inside_boxes(np.zeros((0, 4)), matrix, (8, 16), (2, 4)).any()
