"""Paired differences against numbers by hand."""

import math

import pytest
from scipy import stats

from studies.harness.paired import paired_difference


def test_by_hand():
    # differences 1, 2, 6: mean 3, sd sqrt((4 + 1 + 9) / 2) = sqrt(7); t(0.975, 2) = 4.302653
    shown = paired_difference([10, 20, 30], [11, 22, 36])
    assert (shown.mean, shown.n) == (3.0, 3)
    assert shown.sd == pytest.approx(math.sqrt(7))
    half = 4.302653 * math.sqrt(7 / 3)
    assert shown.low == pytest.approx(3 - half, abs=1e-5)
    assert shown.high == pytest.approx(3 + half, abs=1e-5)
    assert not shown.clear


def test_is_the_interval_of_the_paired_t_test():
    a, b = [60.1, 58.0, 63.3, 55.0, 61.2], [70.3, 66.0, 69.9, 70.4, 66.6]
    shown = paired_difference(a, b)
    interval = stats.ttest_rel(b, a).confidence_interval(0.95)
    assert (shown.low, shown.high) == pytest.approx((interval.low, interval.high))
    assert shown.clear
    assert paired_difference(b, a).clear  # below zero


def test_half_widths_that_the_number_of_seeds_gives():
    """Three seeds give 2.5 standard deviations, five 1.24."""
    for n, factor in ((3, 2.48), (5, 1.24)):
        shown = paired_difference([0.0] * n, list(range(n)))
        assert (shown.high - shown.mean) / shown.sd == pytest.approx(factor, abs=0.01)


def test_one_pair_says_nothing_about_the_spread():
    shown = paired_difference([1.0], [3.0])
    assert (shown.mean, shown.n) == (2.0, 1)
    assert math.isnan(shown.sd)
    assert (shown.low, shown.high) == (-math.inf, math.inf)
    assert not shown.clear


@pytest.mark.parametrize(("a", "b"), [([], []), ([1.0], [1.0, 2.0])])
def test_refuses_what_is_no_pairs(a, b):
    with pytest.raises(ValueError, match="expected pairs"):
        paired_difference(a, b)
