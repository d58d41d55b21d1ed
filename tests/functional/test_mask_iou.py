"""IoU of masks from histograms, against masks that are drawn and counted."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsol_mm.functional.cam import to_grey
from wsol_mm.functional.image_record import MapRecord
from wsol_mm.functional.localization import compute_localization, map_levels
from wsol_mm.functional.mask_iou import mask_columns, mask_ious
from wsol_mm.functional.pxap import pxap_update, threshold_grid

INTERVAL = 0.01


def record(name, score_map, mask, ignore=None, **fields):
    fg, bg = pxap_update(score_map, mask, ignore, INTERVAL)
    common = {"img_id": name, "gt_label": 0, "num_gt": 0, "level_otsu": 100, "level_mean": 50}
    more = {"grey_max": int(to_grey(score_map).max()), "hist_fg": fg, "hist_bg": bg}
    return MapRecord(**{**common, **more, **fields})


def counted(found, mask, ignore):
    seen = mask | ~ignore
    union = ((found | mask) & seen).sum()
    return (found & mask).sum() / union if union else 0.0


@given(st.integers(0, 2**31))
def test_every_threshold_is_that_of_the_drawn_masks(seed):
    rng = np.random.default_rng(seed)
    score_map = rng.integers(0, 101, (5, 7)) / 100
    mask, ignore = rng.random((2, 5, 7)) < 0.4
    hists = pxap_update(score_map, mask, ignore, INTERVAL)
    for step, threshold in enumerate(np.append(threshold_grid(INTERVAL), 1.0)):
        expected = counted(score_map >= threshold, mask, ignore)
        assert mask_ious(*hists)[step] == pytest.approx(expected)


def test_masks_at_grey_levels_are_those_that_boxes_are_drawn_around():
    rng = np.random.default_rng(0)
    maps = rng.integers(0, 256, (6, 8, 8)) / 255
    masks = rng.random((6, 8, 8)) < 0.5
    nothing = np.zeros((8, 8), bool)
    rows = [record(str(k), *pair) for k, pair in enumerate(zip(maps, masks, strict=True))]
    for threshold in (0.3, 0.5, "otsu"):
        levels = map_levels(rows, threshold)
        columns, _ = mask_columns(
            rows, np.zeros(6, int), levels, average="micro", interval=INTERVAL
        )
        for k, (score_map, mask) in enumerate(zip(maps, masks, strict=True)):
            # a step of the grid is wider than a grey level: the mask lies between two of them
            sure = to_grey(score_map) > levels[k]
            near = score_map >= (levels[k] + 1) / 255 + INTERVAL
            ends = sorted(counted(found, mask, nothing) for found in (sure, near))
            assert ends[0] - 0.1 <= columns["mask_iou"][k] <= ends[1] + 0.1
            exact = score_map >= np.ceil((levels[k] + 1) / 255 / INTERVAL) * INTERVAL - 1e-12
            assert columns["mask_iou"][k] == pytest.approx(counted(exact, mask, nothing))


def test_best_threshold_is_one_for_all_and_what_is_no_map_is_wrong():
    mask = np.array([[1, 1, 0, 0]], bool)
    low, high = np.array([[0.4, 0.4, 0.1, 0.0]]), np.array([[1.0, 0.7, 0.45, 0.45]])
    rows = [record("a", low, mask), record("b", high, mask)]
    got = compute_localization(rows, interval=INTERVAL, bootstrap=50)
    # At .11 to .4: 1 and 2/4; above .45 the first is empty and the second 1; below .11 2/3, 2/4.
    assert got["metrics"]["max_mask_iou"] == pytest.approx(75.0)
    assert 0.1 < got["thresholds"]["max_mask_iou"] <= 0.4
    assert got["intervals"]["max_mask_iou"] == pytest.approx((50.0, 100.0))
    assert "mask_iou" not in got["metrics"]  # no boxes, no oracle threshold of theirs
    rows = [record("a", low, mask, nan_map=True), record("b", high, mask)]
    assert compute_localization(rows, interval=INTERVAL)["metrics"]["max_mask_iou"] == 50.0
    bare = record("a", low, mask, hist_fg=None)
    with pytest.raises(ValueError, match="there were no masks"):
        mask_columns([bare], np.zeros(1, int), None, average="micro", interval=INTERVAL)


def test_a_map_in_which_nothing_stands_out_has_no_mask():
    blank = record("a", np.zeros((2, 2)), np.array([[1, 0], [0, 0]], bool), level_otsu=255)
    for levels in (map_levels([blank], 0.5), map_levels([blank], "otsu")):
        columns, _ = mask_columns(
            [blank], np.zeros(1, int), levels, average="micro", interval=INTERVAL
        )
        assert columns["mask_iou"].tolist() == [0.0]
        assert columns["max_mask_iou"].tolist() == [0.25]
