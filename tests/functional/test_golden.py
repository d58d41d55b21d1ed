"""Golden numbers: made by the reference evaluator itself, clovaai/wsolevaluation."""

from pathlib import Path

import numpy as np
import pytest

from wsol_mm.functional.cam import to_grey
from wsol_mm.functional.component_tree import best_iou_curves
from wsol_mm.functional.pxap import pxap_compute, pxap_update, threshold_grid
from wsol_mm.functional.rates import threshold_levels

GOLDEN = Path(__file__).parents[1] / "data" / "golden"


def test_curves_of_240_maps():
    compared = 0
    with np.load(GOLDEN / "wsolevaluation_curves.npz") as file:
        for number in range(240):
            score_map, gt, largest, every = (
                file[f"{number:03}_{name}"] for name in ("map", "gt", "largest", "any")
            )
            grey = to_grey(score_map)
            levels = threshold_levels(grey.max(), threshold_grid(0.01))
            for curve, wanted in zip(
                best_iou_curves(grey, gt.astype(np.float64)), (largest, every), strict=True
            ):
                np.testing.assert_array_equal(curve[levels], wanted, err_msg=f"map {number}")
            compared += len(largest)
    assert compared == 24_000


def test_pxap_of_30_masks():
    hists = np.zeros((2, 101))
    with np.load(GOLDEN / "wsolevaluation_pxap.npz") as file:
        for score_map, mask in zip(file["maps"], file["masks"], strict=True):
            hists += pxap_update(score_map, mask == 1, mask == 255, 0.01)
        assert pxap_compute(*hists) == pytest.approx(float(file["pxap"]), rel=1e-12)


def test_the_numbers_can_tell_conventions_apart():
    """Without the extra pixel of the reference the curves differ."""
    with np.load(GOLDEN / "wsolevaluation_curves.npz") as file:
        grey, gt = to_grey(file["000_map"]), file["000_gt"].astype(np.float64)
        levels = threshold_levels(grey.max(), threshold_grid(0.01))
        plain, _ = best_iou_curves(grey, gt, plus_one=False)
        assert (plain[levels] != file["000_largest"]).any()
