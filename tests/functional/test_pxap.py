"""PxAP against a direct implementation, and the nearest-neighbour rule against OpenCV."""

import cv2
import numpy as np
import pytest

from wsol_mm.functional.pxap import nearest_indices, pxap_compute, pxap_update, threshold_grid


def direct_histograms(score_map, mask, ignore, grid):
    """The reference's way: np.histogram with explicit edges, pixel lists by boolean masks."""
    edges = np.append(grid, [1.0, 2.0, 3.0])
    encoded = np.where(mask, 1, np.where(ignore, 255, 0))
    fg = np.histogram(score_map[encoded == 1], bins=edges)[0].astype(float)
    bg = np.histogram(score_map[encoded == 0], bins=edges)[0].astype(float)
    return fg, bg


def direct_ap(fg, bg):
    """Point by point, from the highest bin down."""
    positives = fg.sum()
    true = false = area = before = 0.0
    for k in range(len(fg) - 1, -1, -1):
        true, false = true + fg[k], false + bg[k]
        recall = true / positives
        if k < len(fg) - 1 and true + false > 0:
            area += true / (true + false) * (recall - before)
        before = recall
    return 100 * area


@pytest.mark.parametrize("interval", [0.001, 0.005, 0.01, 0.3])
def test_equals_the_direct_way(interval):
    rng = np.random.default_rng(int(1 / interval))
    grid = threshold_grid(interval)
    fg_sum, bg_sum, direct_fg, direct_bg = 0, 0, 0, 0
    for _ in range(5):
        score_map = rng.random((40, 50))
        # A third of the pixels sits exactly on an edge, or one step of a float beside it.
        on_edge = rng.choice(np.append(grid, 1.0), (40, 50))
        beside = np.nextafter(on_edge, rng.choice([0.0, 1.0], (40, 50)))
        pick = rng.integers(0, 3, (40, 50))
        score_map = np.choose(pick, [score_map, on_edge, beside])
        mask = rng.random((40, 50)) < score_map
        ignore = rng.random((40, 50)) < 0.2
        fg, bg = pxap_update(score_map, mask, ignore, interval)
        want_fg, want_bg = direct_histograms(score_map, mask, ignore, grid)
        assert want_fg[-1] == want_bg[-1] == 0
        assert (fg == want_fg[:-1]).all()
        assert (bg == want_bg[:-1]).all()
        fg_sum, bg_sum = fg_sum + fg, bg_sum + bg
        direct_fg, direct_bg = direct_fg + want_fg, direct_bg + want_bg
    assert float(pxap_compute(fg_sum, bg_sum)) == pytest.approx(
        direct_ap(direct_fg, direct_bg), abs=1e-10
    )


def test_known_answers():
    # Constant maps score the share of the foreground: counts of the reference's own test masks.
    for fg, bg in ((43031, 7145), (833, 49343), (347, 13910)):
        mask = np.arange(fg + bg).reshape(1, -1) < fg
        for value in (0.0, 0.5, 1.0):
            hists = pxap_update(np.full(mask.shape, value), mask, None, 0.001)
            assert float(pxap_compute(*hists)) == pytest.approx(100 * fg / (fg + bg), abs=1e-9)
    mask = np.array([[True, False, False]])
    ignore = np.array([[True, True, False]])
    fg, bg = pxap_update(np.array([[1.0, 1.0, 0.0]]), mask, ignore, 0.5)
    # An ignored pixel leaves the background, never the foreground.
    assert (fg.tolist(), bg.tolist()) == ([0, 0, 1], [1, 0, 0])
    assert float(pxap_compute(fg, bg)) == 100.0


def test_no_foreground_is_an_error():
    with pytest.raises(ValueError, match="foreground"):
        pxap_compute(np.zeros(3), np.ones(3))


def test_nearest_rule_is_the_one_of_opencv():
    for size in range(1, 1700, 7):
        ramp = np.arange(size, dtype=np.float64)[None]
        resized = cv2.resize(ramp, (224, 1), interpolation=cv2.INTER_NEAREST)
        assert (nearest_indices(224, size) == resized[0]).all(), size
    # Some width must tell the rule from plain integer division.
    widths = range(225, 1700)
    plain = [np.arange(224) * width // 224 for width in widths]
    differ = [
        not np.array_equal(nearest_indices(224, width), other)
        for width, other in zip(widths, plain, strict=True)
    ]
    assert sum(differ) == 105
