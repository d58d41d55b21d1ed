"""Masks of components, and their way back to the image."""

import numpy as np

from wsol_mm.functional.geometry import to_original_frame
from wsol_mm.functional.masks import component_masks, to_original_mask


def extent(mask):
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]


def test_two_components_with_one_extent_are_two_masks():
    corners = np.array([[1, 0, 0, 1], [0, 0, 0, 0], [0, 0, 0, 0], [1, 0, 0, 1]], np.uint8)
    ring = np.zeros((7, 7), np.uint8)
    ring[0, 2:5] = ring[6, 2:5] = ring[2:5, 0] = ring[2:5, 6] = 1  # four bars
    for grey, count in ((corners, 4), (ring, 4)):
        masks, _ = component_masks(grey, 0, largest=False)
        assert len(masks) == count
        np.testing.assert_array_equal(masks.any(axis=0), grey > 0)


def test_an_empty_mask_has_no_component():
    masks, boxes = component_masks(np.full((3, 2), 7, np.uint8), 7, largest=True)
    assert (masks.shape, boxes.shape) == ((0, 3, 2), (0, 4))


def test_a_crop_and_a_scale_are_undone():
    matrix = np.array([[0.5, 0, -2.0], [0, 2.0, 0], [0, 0, 1]])
    mask = np.zeros((8, 3), bool)
    mask[2:6, 1] = True
    original = to_original_mask(mask, matrix, (4, 12))
    assert extent(original) == to_original_frame([[1, 2, 2, 6]], matrix, (4, 12))[0].tolist()
    assert original.sum() == 4
    assert not to_original_mask(np.ones((8, 3), bool), matrix, (4, 12))[:, :4].any()
