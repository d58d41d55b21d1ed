"""Every named number, by hand and against slow direct loops."""

from dataclasses import replace

import numpy as np
import pytest

from wsol_mm.functional.box_rule import BoxRule
from wsol_mm.functional.image_record import BoxRecord, MapRecord
from wsol_mm.functional.localization import compute_localization
from wsol_mm.functional.pxap import threshold_grid
from wsol_mm.functional.rates import (
    CENTRE_SHARES,
    accuracy,
    threshold_curve,
    threshold_levels,
    trivial_update,
)


def common(img_id, label=0, top5=None, whole=0.0, centre=None, num_gt=1, **fields):
    made = {"img_id": img_id, "gt_label": label, "num_gt": num_gt, **fields}
    if top5 is not None:
        made["top5"] = np.array(top5)
    if num_gt:
        made["trivial_whole"] = whole
        made["trivial_centre"] = np.zeros(112) if centre is None else centre
    return made


def record(*words, box_iou, **fields):
    return BoxRecord(**common(*words, **fields), box_iou=box_iou, box_score=np.ones(len(box_iou)))


def map_record(img_id, largest, every, grey_max=255, otsu=0, mean=0, **fields):
    """Curves given as {first level: IoU from there on}."""
    curves = []
    for steps in (largest, every):
        curve = np.zeros(256)
        for level, iou in steps.items():
            curve[level:] = iou
        curves.append(curve)
    return MapRecord(
        **common(img_id, **fields),
        curve_largest=curves[0],
        curve_any=curves[1],
        grey_max=grey_max,
        level_otsu=otsu,
        level_mean=mean,
    )


@pytest.fixture
def maps():
    """Two images: right at low and at high levels; levels of a 0.25 grid are 0, 63, 127, 191."""
    return [
        map_record(
            "a", {0: 0.6, 100: 0.2}, {0: 0.6, 100: 0.4}, otsu=50, mean=120, label=3, top5=[3, 1]
        ),
        map_record(
            "b",
            {0: 0.1, 60: 0.5, 150: 0.75},
            {0: 0.3, 60: 0.7},
            otsu=60,
            mean=10,
            label=1,
            top5=[0, 1],
        ),
    ]


def test_map_numbers_by_hand(maps):
    got = compute_localization(maps, interval=0.25, bootstrap=0)
    metrics, thresholds = got["metrics"], got["thresholds"]
    # Largest contour at 0.5: (1, 0), (1, 1), (0, 1), (0, 1) -> best at 0.25.
    assert got["curves"]["max_box_acc"].tolist() == [50.0, 100.0, 50.0, 50.0]
    assert metrics["max_box_acc"] == 100.0
    assert thresholds["max_box_acc"] == thresholds["threshold"] == 0.25
    assert thresholds["best_threshold_iou50"] == 0.25
    # Any contour at 0.3: all right everywhere, the first threshold wins; 0.7: only b, from 0.25.
    assert thresholds["max_box_acc_v2_iou30"] == 0.0
    assert thresholds["max_box_acc_v2_iou70"] == 0.25
    assert [metrics[f"max_box_acc_v2_iou{k}"] for k in (30, 50, 70)] == [100.0, 100.0, 50.0]
    assert metrics["max_box_acc_v2"] == pytest.approx(250 / 3)
    # Largest contour at 0.7 is best from 0.75 on, but GT-known keeps the threshold of 0.5.
    assert thresholds["best_threshold_iou70"] == 0.75
    assert (metrics["gt_known"], metrics["gt_known_iou30"], metrics["gt_known_iou70"]) == (
        100,
        100,
        0,
    )
    assert (metrics["top1_cls"], metrics["top5_cls"]) == (50, 100)
    assert (metrics["top1_loc"], metrics["top5_loc"]) == (50, 100)
    rows = {row["label"]: row for row in got["per_class"]}
    assert rows[1]["top1_loc"] == 0
    assert rows[3]["top1_loc"] == 100
    assert rows[3]["images"] == 1


@pytest.mark.parametrize(
    ("threshold", "components", "expected"),
    [
        (0.0, "largest", 50.0),  # a
        (0.25, "largest", 100.0),
        (0.5, "largest", 50.0),  # b
        ("otsu", "largest", 100.0),  # levels 50 and 60
        ("mean", "largest", 0.0),  # levels 120 and 10
        (0.5, "all", 50.0),
    ],
)
def test_thresholds_of_gt_known(maps, threshold, components, expected):
    rule = BoxRule(threshold=threshold, components=components)
    got = compute_localization(maps, interval=0.25, rule=rule, bootstrap=0)
    assert got["metrics"]["gt_known"] == expected
    assert got["metrics"]["max_box_acc"] == 100.0
    assert got["thresholds"].get("threshold") == (None if isinstance(threshold, str) else threshold)


ZERO = BoxRule(threshold=0.0)


def test_any_delta_and_match(maps):
    metrics = compute_localization(
        maps, iou_thrs=(0.5, 0.6, 0.85), rule=ZERO, bootstrap=0, match="gt"
    )["metrics"]
    assert metrics["gt_known_iou60"] == 0.0
    metrics = compute_localization(maps, iou_thrs=(0.6,), rule=ZERO, bootstrap=0)["metrics"]
    assert metrics["gt_known_iou60"] == 50.0
    assert "gt_known_iou30" not in metrics


def test_box_numbers_by_hand():
    records = [
        record("a", 0, [0], box_iou=np.array([0.8, 0.1])),
        record("b", 0, [0, 2], box_iou=np.array([0.4, 0.1, 0.2, 0.3, 0.5])),
        record("c", 0, [1, 2, 3, 4, 0], box_iou=np.array([0.1, 0.1, 0.1, 0.1, 0.1, 0.9])),
        record("d", 1, [0, 2], box_iou=np.array([])),
    ]
    metrics = compute_localization(records, bootstrap=0)["metrics"]
    expected = {
        "top1_cls": 50.0,
        "top5_cls": 75.0,
        "gt_known": 25.0,  # a
        "gt_known_iou30": 50.0,  # a, b
        "gt_known_iou70": 25.0,
        "max_box_acc": 25.0,
        "max_box_acc_v2": 100 / 3,
        "max_box_acc_v2_iou30": 50.0,
        "top1_loc": 25.0,
        "top5_loc": 25.0,
        "multi_gt_known": 75.0,  # a, b, c
        "multi5_gt_known": 50.0,  # a, b: the right box of c is its sixth
        "multi_top5_loc": 50.0,
        "multi_box_acc_v2_iou30": 75.0,
        "multi_box_acc_v2_iou70": 50.0,
        "multi_box_acc_v2": 200 / 3,
        "mean_boxes": 13 / 4,
    }
    assert {key: metrics[key] for key in expected} == pytest.approx(expected)


def test_macro_weighs_classes(maps):
    records = [record(f"a{k}", 0, box_iou=np.array([0.9])) for k in range(3)]
    records.append(record("b", 7, box_iou=np.array([0.1])))
    numbers = compute_localization(records, average="macro", bootstrap=200)
    assert numbers["metrics"]["gt_known"] == 50.0
    assert numbers["intervals"]["gt_known"] == pytest.approx((50.0, 50.0))
    assert compute_localization(records, bootstrap=0)["metrics"]["gt_known"] == 75.0


def test_threshold_curve_equals_a_loop_over_thresholds():
    rng = np.random.default_rng(0)
    curves, peaks = rng.random((60, 256)), rng.choice([255, 254, 17, 1, 0], 60)
    labels = rng.integers(0, 7, 60)
    grid = threshold_grid(0.01)
    for average in ("micro", "macro"):
        got = threshold_curve(curves, peaks, labels, grid, iou_thr=0.7, match="ge", average=average)
        for column, threshold in enumerate(grid):
            right = np.array([curves[k, int(threshold * peaks[k])] >= 0.7 for k in range(60)])
            per_class = [100 * right[labels == label].mean() for label in np.unique(labels)]
            want = 100 * right.sum() / 60 if average == "micro" else np.mean(per_class)
            assert got[column] == pytest.approx(want, abs=1e-9)
            assert accuracy(right, labels, average) == pytest.approx(want, abs=1e-9)


def test_levels_truncate_like_python():
    grid = threshold_grid(0.001)
    assert len(grid) == 1000
    for peak in (255, 200, 3, 0):
        expected = [int(threshold * peak) for threshold in grid]
        assert threshold_levels(peak, grid).tolist() == expected
    assert len(set(threshold_levels(255, grid).tolist())) == 255


def test_trivial_predictors_by_hand():
    # One box over the left half: the whole frame has IoU 1/2 in continuous coordinates.
    whole, squares = trivial_update(np.array([[0.0, 0, 112, 224]]), 224, plus_one=False)
    assert whole == 0.5
    side = 112
    assert squares[CENTRE_SHARES.tolist().index(0.5)] == pytest.approx(
        (side / 2) * side / (112 * 224 + side * side - (side / 2) * side)
    )
    # With inclusive ends the frame is 224 x 224 pixels and the box 113 x 224.
    whole, squares = trivial_update(np.array([[0.0, 0, 112, 223]]), 224, plus_one=True)
    assert whole == 113 * 224 / 224**2
    records = [
        record("a", box_iou=np.array([0.9]), whole=0.5, centre=np.linspace(0, 1, 112)),
        record("b", box_iou=np.array([0.9]), whole=0.2, centre=np.linspace(0.8, 0, 112)),
    ]
    got = compute_localization(records, bootstrap=0)
    metrics = got["metrics"]
    assert (metrics["trivial_whole_iou30"], metrics["trivial_whole_iou50"]) == (50, 50)
    assert metrics["trivial_whole"] == pytest.approx(100 / 3)
    # One size for both: only at 0.3 does a size suit both.
    assert [metrics[f"trivial_centre_iou{k}"] for k in (30, 50, 70)] == [100, 50, 50]
    assert got["thresholds"]["trivial_centre_iou30"] == CENTRE_SHARES[34]


def test_pxap_and_its_interval():
    fg, bg = np.array([[1, 3], [2, 2]]), np.array([[4, 0], [3, 1]])
    records = [
        MapRecord(
            **common(name, num_gt=0),
            hist_fg=fg[k],
            hist_bg=bg[k],
            grey_max=255,
            level_otsu=0,
            level_mean=0,
        )
        for k, name in enumerate("ab")
    ]
    got = compute_localization(records, bootstrap=200)
    # Sums: fg (3, 5), bg (7, 1): 5/6 * 5/8 + 8/16 * 3/8.
    assert got["metrics"]["pxap"] == pytest.approx(100 * (5 / 6 * 5 / 8 + 8 / 16 * 3 / 8))
    low, high = got["intervals"]["pxap"]
    alone = sorted(
        compute_localization([entry], bootstrap=0)["metrics"]["pxap"] for entry in records
    )
    assert [low, high] == pytest.approx(alone)


def test_intervals_do_not_depend_on_the_order(maps):
    boxes = [record(f"{k}", k % 3, box_iou=np.array([k / 20])) for k in range(20)]
    first = compute_localization(boxes, bootstrap=50)
    assert first == compute_localization(boxes[::-1], bootstrap=50)
    low, high = first["intervals"]["gt_known"]
    assert low < first["metrics"]["gt_known"] == 50.0 < high


def test_a_kind_of_prediction_is_every_images(maps):
    with pytest.raises(ValueError, match=r"differ in the fields .*'box_iou', .*'curve_any'"):
        compute_localization([maps[0], record("b", top5=[0], box_iou=np.array([0.9]))])


def test_bad_records(maps):
    with pytest.raises(ValueError, match="no records"):
        compute_localization([])
    with pytest.raises(ValueError, match="'a' was evaluated twice"):
        compute_localization([maps[0], maps[0]])
    without = replace(maps[1], top5=None)
    with pytest.raises(ValueError, match=r"differ in the fields.*top5"):
        compute_localization([maps[0], without])
    with pytest.raises(ValueError, match="'b' has no ground-truth box"):
        compute_localization([maps[0], replace(maps[1], num_gt=0)])
