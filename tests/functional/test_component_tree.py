"""The component tree against contour searches, on maps meant to break it."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsol_mm.functional.boxes import threshold_level
from wsol_mm.functional.cam import to_grey
from wsol_mm.functional.component_tree import best_iou_curves, component_boxes, level_curves
from wsol_mm.testing.sweep import contour_boxes, sweep_levels, sweep_thresholds

UNIMODAL = [
    [0, 0, 0, 0, 0],
    [0, 0.4, 0.4, 0.4, 0.6],
    [0, 0.4, 1, 0.8, 0.6],
    [0, 0.4, 0.4, 0.4, 0.6],
]
MULTIMODAL = [
    [0.4, 0, 0.2, 0.2, 0.2],
    [0.4, 0.4, 0, 0.4, 0],
    [0, 0, 0, 0.4, 0],
    [1, 0.6, 0.8, 0.2, 0.2],
]
VECTORS = [
    (np.zeros((3, 3)), [(0, 0, 0, 0)] * 5),
    (UNIMODAL, [(1, 1, 4, 3), (1, 1, 4, 3), (2, 1, 4, 3), (2, 2, 4, 3), (2, 2, 3, 3)]),
    (MULTIMODAL, [(0, 0, 4, 3), (0, 0, 2, 2), (0, 3, 3, 3), (2, 3, 3, 3), (0, 3, 1, 3)]),
]


def rings(rng, height, width):
    """Nested rings of random values, some broken: components inside holes inside components."""
    y, x = np.mgrid[:height, :width]
    metric = rng.integers(3)
    dy, dx = abs(y - height // 2), abs(x - width // 2)
    radius = (np.maximum(dy, dx), dy + dx, np.hypot(dy, dx).astype(int))[metric]
    grey = rng.integers(0, 256, radius.max() + 1)[radius]
    return np.where(rng.random((height, width)) < rng.choice([0, 0.02, 0.1]), 0, grey)


def smooth(rng, height, width):
    """A small random map upsampled, at any brightness."""
    small = rng.random((max(2, height // 5), max(2, width // 5)))
    big = cv2.resize(small, (int(width), int(height)), interpolation=cv2.INTER_CUBIC)
    return (big - big.min()) / max(np.ptp(big), 1e-9) * rng.integers(1, 256)


KINDS = {
    "noise": lambda rng, h, w: rng.integers(0, 256, (h, w)),
    "plateaus": lambda rng, h, w: rng.integers(0, rng.integers(2, 6), (h, w)) * 40,
    "binary": lambda rng, h, w: (rng.random((h, w)) < rng.random()) * rng.integers(0, 256),
    "smooth": smooth,
    "rings": rings,
    "bumpy rings": lambda rng, h, w: rings(rng, h, w) // 2 + rng.integers(0, 3, (h, w)),
    "checkerboard": lambda rng, h, w: (
        np.indices((h, w)).sum(0) % 2 * rng.integers(1, 200) + rng.integers(0, 2, (h, w)) * 9
    ),
    "mirrored": lambda rng, h, w: np.hstack([m := rng.integers(0, 256, (h, w)), m[:, ::-1]]),
    "constant": lambda rng, h, w: np.full((h, w), rng.integers(0, 256)),
}


def boxes_in(rng, height, width, count):
    """Random boxes with corners on pixels."""
    a, b = rng.integers(0, [width, height], (2, count, 2))
    return np.hstack([np.minimum(a, b), np.maximum(a, b)]).astype(np.float64)


def assert_equals_sweep(grey, gt, plus_one):
    largest, every = best_iou_curves(grey, gt, plus_one=plus_one)
    np.testing.assert_array_equal(largest, sweep_levels(grey, gt, largest=True, plus_one=plus_one))
    np.testing.assert_array_equal(every, sweep_levels(grey, gt, largest=False, plus_one=plus_one))
    boxes = level_curves(grey, gt, plus_one=plus_one).boxes
    for level in range(256):
        expected = component_boxes(grey, level, largest=True)
        np.testing.assert_array_equal(boxes[level], expected[0] if len(expected) else [0] * 4)


@settings(deadline=None, max_examples=150)
@given(
    kind=st.sampled_from(sorted(KINDS)),
    seed=st.integers(0, 2**32 - 1),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    count=st.integers(1, 4),
    plus_one=st.booleans(),
)
def test_equals_contour_search_at_every_level(kind, seed, height, width, count, plus_one):
    rng = np.random.default_rng(seed)
    grey = KINDS[kind](rng, height, width).astype(np.uint8)
    gt = boxes_in(rng, *grey.shape, count)
    gt[:, 2:] += 0 if plus_one else 1
    assert_equals_sweep(grey, gt, plus_one)


@settings(deadline=None, max_examples=100)
@given(
    values=st.lists(st.sampled_from([0, 1, 2, 255]), min_size=36, max_size=36),
    width=st.sampled_from([1, 2, 3, 4, 6, 9, 12, 18, 36]),
)
def test_equals_contour_search_on_small_maps_pixel_by_pixel(values, width):
    grey = np.array(values, np.uint8).reshape(-1, width)
    gt = boxes_in(np.random.default_rng(0), *grey.shape, 2)
    assert_equals_sweep(grey, gt, True)


@pytest.mark.nightly
@pytest.mark.parametrize("chunk", range(20))
def test_100_000_random_maps_equal_contour_search(chunk):
    rng = np.random.default_rng(chunk)
    kinds = sorted(KINDS)
    for number in range(5000):
        height, width = rng.integers(1, 17, 2)
        grey = KINDS[kinds[number % len(kinds)]](rng, height, width).astype(np.uint8)
        plus_one = bool(number % 2)
        gt = boxes_in(rng, *grey.shape, int(rng.integers(1, 4)))
        gt[:, 2:] += 0 if plus_one else 1
        assert_equals_sweep(grey, gt, plus_one)


@pytest.mark.parametrize("top", [1, 2, 99, 254, 255])
def test_thresholds_are_relative_to_the_maps_own_maximum(top):
    rng = np.random.default_rng(top)
    grey = (smooth(rng, 24, 31) / 255 * top).astype(np.uint8)
    grey[5, 7] = top
    gt = boxes_in(rng, 24, 31, 2)
    thresholds = np.arange(0, 1, 0.001)
    levels = [threshold_level(grey, t) for t in thresholds]
    for curve, largest in zip(best_iou_curves(grey, gt), (True, False), strict=True):
        np.testing.assert_array_equal(
            curve[levels], sweep_thresholds(grey, gt, thresholds, largest=largest)
        )


def test_full_size_maps():
    rng = np.random.default_rng(0)
    for raw in (smooth(rng, 224, 224), rng.integers(0, 256, (224, 224)) // 4 * 4):
        assert_equals_sweep(raw.astype(np.uint8), boxes_in(rng, 224, 224, 1), True)


@pytest.mark.parametrize(("score_map", "expected"), VECTORS)
def test_reference_vectors_of_the_largest_contour(score_map, expected):
    grey = to_grey(np.array(score_map, np.float64))
    for threshold, box in zip((0.0, 0.2, 0.4, 0.6, 0.8), expected, strict=True):
        level = threshold_level(grey, threshold)
        mask = (grey > level).astype(np.uint8)
        assert contour_boxes(mask, largest=True).tolist() == [list(box)]
        largest, _ = best_iou_curves(grey, np.array([box], np.float64))
        assert largest[level] == 1.0


def test_hole_grown_by_a_pixel_is_a_candidate():
    grey = np.zeros((9, 9), np.uint8)
    grey[1:8, 1:8] = 100
    grey[3:5, 4:6] = 30
    gt = np.array([[3.0, 2, 7, 6]])
    largest, every = best_iou_curves(grey, gt, plus_one=False)
    assert every[50] == 1.0
    assert largest[50] == every[10] == 16 / 49


def test_equal_areas_go_to_the_one_that_starts_last():
    grey = np.zeros((4, 9), np.uint8)
    grey[0:2, 0:2] = grey[0:2, 6:8] = grey[2:4, 3:5] = 9
    last = np.array([[3.0, 2, 5, 4]])
    assert best_iou_curves(grey, last, plus_one=False)[0][0] == 1.0
    assert component_boxes(grey, 0, largest=True).tolist() == [[3, 2, 5, 4]]


def test_a_filled_ring_beats_a_solid_of_more_pixels():
    grey = np.zeros((12, 20), np.uint8)
    grey[0:12, 0:10] = 200
    grey[1:11, 1:9] = 0
    grey[0:9, 11:20] = 200
    ring = np.array([[0.0, 0, 10, 12]])
    assert best_iou_curves(grey, ring, plus_one=False)[0][0] == 1.0
    assert component_boxes(grey, 0, largest=True).tolist() == [[0, 0, 10, 12]]


def test_empty_mask_is_the_box_of_the_first_pixel():
    gt = np.array([[0.0, 0, 0, 0]])
    for grey in (np.zeros((1, 1), np.uint8), np.zeros((5, 3), np.uint8)):
        for curve in best_iou_curves(grey, gt):
            assert (curve == 1.0).all()
    for curve in best_iou_curves(np.full((5, 3), 7, np.uint8), gt):
        assert curve[:7].tolist() == [1 / 15] * 7
        assert (curve[7:] == 1.0).all()


@settings(deadline=None, max_examples=60)
@given(kind=st.sampled_from(sorted(KINDS)), seed=st.integers(0, 2**32 - 1))
def test_component_boxes_equal_outer_contours(kind, seed):
    rng = np.random.default_rng(seed)
    grey = KINDS[kind](rng, *rng.integers(1, 40, 2)).astype(np.uint8)
    for level in rng.integers(0, 256, 8).tolist():
        mask = (grey > level).astype(np.uint8)
        contours, tree = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
        outer = [cv2.boundingRect(c) for i, c in enumerate(contours) if tree[0][i][3] < 0]
        expected = sorted([x, y, x + w, y + h] for x, y, w, h in outer)
        assert sorted(component_boxes(grey, level, largest=False).tolist()) == expected
        best = contour_boxes(mask, largest=True, plus_one=False).tolist() if contours else []
        assert component_boxes(grey, level, largest=True).tolist() == best


GREY = np.eye(3, dtype=np.uint8)
BOX = np.array([[0.0, 0, 1, 1]])


@pytest.mark.parametrize(
    ("grey", "gt", "error", "match"),
    [
        (GREY.astype(float), BOX, TypeError, "grey: expected a uint8 array, got float64"),
        ([[1]], BOX, TypeError, "grey: expected a uint8 array, got list"),
        (GREY[0], BOX, ValueError, r"grey: expected shape \(H, W\)"),
        (GREY[:0], BOX, ValueError, r"grey: expected shape \(H, W\)"),
        (GREY, BOX.astype(int), TypeError, "gt: expected a float64 array, got int64"),
        (GREY, BOX[0], ValueError, r"gt: expected shape \(n, 4\)"),
        (GREY, BOX[:0], ValueError, r"gt: expected shape \(n, 4\) with n >= 1"),
        (GREY, BOX * np.nan, ValueError, "gt: expected finite boxes"),
        (GREY, BOX[:, ::-1].copy(), ValueError, "gt: expected finite boxes"),
        (GREY, BOX - 1, ValueError, "gt: negative coordinates"),
    ],
)
def test_bad_input_is_named(grey, gt, error, match):
    with pytest.raises(error, match=match):
        best_iou_curves(grey, gt)


@pytest.mark.parametrize("level", [-1, 256])
def test_level_out_of_range(level):
    with pytest.raises(ValueError, match="level: expected 0 to 255"):
        component_boxes(GREY, level, largest=True)


def test_input_is_left_alone_and_may_be_a_view():
    rng = np.random.default_rng(1)
    big = rng.integers(0, 256, (30, 40), dtype=np.uint8)
    view, saved = big[::2, ::-3], big.copy()
    got = best_iou_curves(view, BOX)
    np.testing.assert_array_equal(big, saved)
    np.testing.assert_array_equal(got, best_iou_curves(view.copy(), BOX))
