"""Columns per image and their intervals, against what the evaluator itself says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studies.harness.images import (
    bootstrap,
    difference,
    hits,
    image_columns,
    level,
    mean_difference,
)
from wsol_mm.evaluation import WSOLMetric


def sample(number, rng, masks=False):
    x, y = rng.integers(0, 20, size=2)
    mask = {"gt_mask": rng.random((48, 48)) < 0.4} if masks else {}
    return {
        **mask,
        "img_id": f"{number:02}.jpg",
        "gt_label": np.array([number % 3]),
        "gt_instances": {"bboxes": np.array([[x, y, x + 20.0, y + 16.0]])},
        "ori_shape": (48, 48),
        "img_shape": (48, 48),
        "homography_matrix": np.eye(3),
        "pred_score": rng.random(3),
        "pred_maps": rng.random((1, 4, 4)).astype(np.float32),
        "map_labels": np.array([number % 3]),
    }


@pytest.mark.parametrize(
    ("threshold", "masks"), [(0.4, False), ("oracle", True), ("otsu", False), ("otsu", True)]
)
def test_means_of_columns_are_the_evaluators_numbers(tmp_path, threshold, masks):
    rng = np.random.default_rng(0)
    protocol = {"name": "wsolevaluation", "frame": 48}
    metric = WSOLMetric(protocol=protocol, threshold=threshold, out=str(tmp_path / "r.json"))
    samples = [sample(number, rng, masks) for number in range(30)]
    metric.process(None, samples[::-1])
    numbers = metric.compute_metrics(metric.results)
    columns = image_columns(tmp_path / "r_records.npz")
    for name in ("top1_cls", "top1_loc", "gt_known", "max_box_acc", "max_box_acc_v2"):
        assert hits(columns, name).mean() == pytest.approx(numbers[name]), name
    for name in ("mask_iou", "max_mask_iou"):
        assert (name in columns) == (name in numbers) == masks
        if masks:
            assert hits(columns, name).mean() == pytest.approx(numbers[name], abs=0.01)
    first = int(np.argmax(samples[0]["pred_score"]) == 0)
    assert int(columns["top1_cls"][0]) == first  # in the order of the ids, not of the loader


@given(st.integers(0, 2**31), st.integers(2, 5), st.integers(2, 30))
def test_an_interval_holds_its_mean_and_a_method_equals_itself(seed, seeds, images):
    rng = np.random.default_rng(seed)
    sides = [{"gt_known": "".join(rng.choice(["0", "1"], images))} for _ in range(seeds)]
    found = level(sides, "gt_known")
    assert found.low - 1e-9 <= found.mean <= found.high + 1e-9
    same = difference(sides, sides, "gt_known")
    assert (same.mean, same.low, same.high) == (0.0, 0.0, 0.0)
    assert not same.clear


def test_an_interval_of_one_seed_is_that_of_the_binomial():
    values = np.zeros((1, 400))
    values[0, :100] = 100
    found = bootstrap(values, times=4000)
    half = 1.96 * np.sqrt(0.25 * 0.75 / 400) * 100
    assert found.mean == 25
    assert found.high - 25 == pytest.approx(half, rel=0.1)
    assert 25 - found.low == pytest.approx(half, rel=0.1)


def test_seeds_that_disagree_widen_the_interval():
    same = np.tile(np.r_[np.full(50, 100.0), np.zeros(50)], (3, 1))
    apart = same.copy()
    apart[0], apart[1] = 100, 0
    assert bootstrap(apart).high - bootstrap(apart).low > 2 * (
        bootstrap(same).high - bootstrap(same).low
    )


def test_pairs_must_match():
    one, two = {"gt_known": "0101"}, {"gt_known": "010"}
    with pytest.raises(ValueError, match="a difference is paired"):
        difference([one], [two], "gt_known")


def test_a_change_of_several_rows_is_the_mean_of_those_a_seed_has():
    four = [{"gt_known": digits} for digits in ("0000", "1000", "1111", "1110")]
    pairs = [
        ({0: four[0], 1: four[0], 5: four[0]}, {0: four[1], 1: four[2]}),  # 25 and 100 points
        ({1: four[3]}, {1: four[2], 2: four[2]}),  # 25 points
    ]
    found, seeds = mean_difference(pairs, "gt_known")
    assert seeds == 2
    assert found.mean == pytest.approx((25 + (100 + 25) / 2) / 2)
    one, _ = mean_difference(pairs[:1], "gt_known")
    both = difference([four[0], four[0]], [four[1], four[2]], "gt_known")
    assert (one.mean, one.low, one.high) == (both.mean, both.low, both.high)


def test_pairs_without_a_common_seed_are_refused():
    with pytest.raises(ValueError, match="gt_known: no pair of rows has a seed in common"):
        mean_difference([({0: {"gt_known": "01"}}, {1: {"gt_known": "01"}})], "gt_known")
