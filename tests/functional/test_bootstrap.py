"""Resamples draw what they should, and intervals cover what they claim."""

import numpy as np
import pytest

from wsol_mm.functional.bootstrap import bootstrap_intervals, resample_counts


def test_micro_draws_all_images_and_macro_keeps_class_sizes():
    labels = np.array([2, 0, 2, 0, 0, 1])
    micro = np.concatenate(list(resample_counts(labels, "micro", 300, seed=1, chunk=7)))
    assert micro.shape == (300, 6)
    assert (micro.sum(axis=1) == 6).all()
    assert micro.mean(axis=0) == pytest.approx(np.ones(6), abs=0.2)
    macro = np.concatenate(list(resample_counts(labels, "macro", 300, seed=1)))
    for label in (0, 1, 2):
        assert (macro[:, labels == label].sum(axis=1) == (labels == label).sum()).all()
    assert macro[:, labels == 2].mean(axis=0) == pytest.approx([1, 1], abs=0.2)


def test_interval_of_a_proportion_is_the_normal_one():
    n, share = 2000, 0.3
    right = (np.arange(n) < share * n).astype(float)[:, None]
    (low, high), again = (
        bootstrap_intervals(
            lambda counts: counts @ right / n, np.zeros(n, dtype=int), times=2000, seed=seed
        )[0]
        for seed in (0, 0)
    )
    assert (low, high) == tuple(again)
    half = 1.96 * np.sqrt(share * (1 - share) / n)
    assert (low, high) == pytest.approx((share - half, share + half), abs=0.1 * half)
