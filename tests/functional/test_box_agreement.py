"""Agreement of boxes, by hand and against shifts whose overlap is known."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsol_mm.functional.box_agreement import agreement


def boxes(**images):
    return {name: np.array(rows, dtype=float).reshape(-1, 4) for name, rows in images.items()}


def test_by_hand():
    truth = boxes(
        a=[[0, 0, 10, 10]],
        b=[[0, 0, 40, 40], [50, 50, 70, 70]],
        c=[[0, 0, 100, 100]],
        d=[],
        e=[[0, 0, 4, 4]],
    )
    found = agreement(
        boxes(
            a=[[0, 0, 10, 10], [90, 90, 99, 99]],  # only the first counts
            b=[[50, 50, 70, 60]],  # half of the second
            c=[[0, 0, 50, 80]],  # two fifths
            d=[[0, 0, 1, 1]],  # nothing to compare with
            f=[[0, 0, 1, 1]],
        ),
        truth,
    )
    assert (found.images, found.missing) == (4, 1)
    assert found.mean_iou == pytest.approx(100 * (1 + 0.5 + 0.4 + 0) / 4)
    assert (found.iou30, found.iou50, found.iou70) == (75, 50, 25)
    assert found.area_ratio == pytest.approx((1 * 0.5 * 0.4) ** (1 / 3))
    assert found.width_ratio == pytest.approx((1 * 1 * 0.5) ** (1 / 3))
    assert found.height_ratio == pytest.approx((1 * 0.5 * 0.8) ** (1 / 3))
    assert found.shorter == pytest.approx(200 / 3)
    # areas 16 and 100, 400, 10000
    assert (found.iou50_small, found.iou50_middle, found.iou50_large) == (50, 100, 0)


def test_nothing_that_overlaps_has_no_ratio():
    found = agreement(boxes(a=[[20, 20, 30, 30]]), boxes(a=[[0, 0, 10, 10]]))
    assert found.mean_iou == found.iou30 == 0
    assert math.isnan(found.area_ratio)
    assert found.to_dict()["area_ratio"] is None
    assert found.to_dict()["iou50_large"] is None  # one image is in one third


def test_no_reference_is_an_error():
    with pytest.raises(ValueError, match="no image has a reference box"):
        agreement(boxes(a=[[0, 0, 1, 1]]), boxes(a=[]))


@given(st.floats(0.1, 1.0), st.integers(1, 6))
def test_boxes_that_are_too_small_by_a_factor_are_found_out(factor, count):
    truth = boxes(**{f"i{n}": [[10, 10, 10 + 20 * n, 30 * n + 10]] for n in range(1, count + 1)})
    small = {
        name: np.concatenate([row[:, :2], row[:, :2] + factor * (row[:, 2:] - row[:, :2])], axis=1)
        for name, row in truth.items()
    }
    found = agreement(small, truth)
    assert found.area_ratio == pytest.approx(factor**2)
    assert found.mean_iou == pytest.approx(100 * factor**2)
    other = agreement(truth, small)
    assert other.area_ratio == pytest.approx(1 / factor**2)
