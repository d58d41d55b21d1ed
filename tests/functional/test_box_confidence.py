"""box_confidence: hand formula, bounds, and what it prefers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsol_mm.functional.box_confidence import box_confidence


@given(st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_formula_and_bounds(seed, score):
    rng = np.random.default_rng(seed)
    score_map = rng.random((9, 12))
    x0, y0 = rng.integers(0, 8), rng.integers(0, 5)
    x1, y1 = rng.integers(x0 + 1, 13), rng.integers(y0 + 1, 10)
    total, inside = 0.0, []
    for y in range(9):
        for x in range(12):
            total += score_map[y, x]
            if x0 <= x < x1 and y0 <= y < y1:
                inside.append(score_map[y, x])
    expected = sum(inside) / total * (1 - sum(inside) / len(inside)) * score**0.1
    found = box_confidence(score_map, (x0, y0, x1, y1), score)
    assert found == pytest.approx(expected)
    assert 0 <= found <= 1


def test_a_spread_map_is_trusted_more_than_a_peak_in_a_tight_box():
    y, x = np.mgrid[-1:1:64j, -1:1:64j]
    peak = np.exp(-(x**2 + y**2) * 40)
    spread = np.clip(1 - np.hypot(x, y), 0, 1)
    boxes = {}
    for name, score_map in (("peak", peak), ("spread", spread)):
        rows, columns = np.nonzero(score_map > 0.9 if name == "peak" else score_map > 0.23)
        boxes[name] = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert box_confidence(spread, boxes["spread"]) > 2 * box_confidence(peak, boxes["peak"])


def test_boxes_beyond_the_map_and_shapes():
    assert box_confidence(np.ones((4, 4)) / 2, (-3, -3, 9, 9)) == 0.5
    assert box_confidence(np.ones((4, 4)), (-5, -5, -2, -2)) == 0
    with pytest.raises(ValueError, match=r"got shape \(2, 3, 4\)"):
        box_confidence(np.ones((2, 3, 4)), (0, 0, 1, 1))
