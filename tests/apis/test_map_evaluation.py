"""Masks of evaluate_maps: labels, void and soft edges are read as everywhere else."""

import numpy as np
import pytest
from PIL import Image

from wsol_mm.apis.map_evaluation import read_mask


def test_void_of_a_mask_is_neither_object_nor_background(tmp_path):
    grey = np.zeros((4, 6), np.uint8)
    grey[:2], grey[2] = 1, 255
    palette = Image.fromarray(grey).convert("P")
    palette.putpalette([value for grey in range(256) for value in (grey, grey, grey)])
    palette.save(tmp_path / "m.png")
    mask, void = read_mask(tmp_path / "m.png", 12)
    assert mask.shape == void.shape == (12, 12)
    assert mask.sum() == 6 * 12
    assert void.sum() == 3 * 12
    assert not (mask & void).any()


def test_ringing_of_a_jpeg_is_no_object(tmp_path):
    grey = np.zeros((32, 32), np.uint8)
    grey[8:24, 8:24] = 255
    Image.fromarray(grey).save(tmp_path / "m.jpg", quality=30)
    mask, _ = read_mask(tmp_path / "m.jpg", 32)
    assert np.array_equal(mask, grey > 0)


def test_a_missing_mask_is_named(tmp_path):
    with pytest.raises(ValueError, match="check --dataset-masks"):
        read_mask(tmp_path / "none.png", 8)
