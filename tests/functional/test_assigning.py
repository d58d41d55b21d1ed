"""Batched target assignment against one prior, point and query at a time."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wsol_mm.functional.assigning import (
    assign_by_iou,
    assign_points,
    match_queries,
    pad_rows,
    sample_priors,
)

COUNTS = st.lists(st.sampled_from([0, 1, 3]), min_size=1, max_size=4)


def mask(counts, width):
    return torch.arange(width) < torch.tensor(counts)[:, None]


@pytest.mark.parametrize("lengths", [(1, 1), (2, 0, 3), (0, 0)])
def test_padding_keeps_rows(lengths):
    rows = [torch.randn(length, 2) for length in lengths]
    padded, present = pad_rows(rows)
    assert padded.shape == (len(rows), max(1, *lengths), 2)
    assert present.sum(dim=1).tolist() == list(lengths)
    for row, full, here in zip(rows, padded, present, strict=True):
        assert torch.equal(full[here], row)
        assert not full[~here].any()


def assigned_one_by_one(overlaps, positive, low, high, least, low_quality, all_best):
    """Rules of the docstring for one image: overlaps as a list of boxes of priors."""
    if not overlaps:
        return None
    result = []
    for column in zip(*overlaps, strict=True):
        most = max(column)
        label = 0 if low <= most < high else -1
        result.append(column.index(most) + 1 if most >= positive else label)
    for number, row in enumerate(overlaps, 1):
        most = max(row)
        if low_quality and most >= least and most >= 0:
            for prior, value in enumerate(row):
                if value == most:
                    result[prior] = number
                    if not all_best:
                        break
    return result


@settings(max_examples=60, deadline=None)
@given(
    counts=COUNTS,
    priors=st.integers(1, 5),
    seed=st.integers(0, 10**6),
    least=st.sampled_from([0.0, 0.3]),
    low=st.sampled_from([0.0, 0.1]),
    low_quality=st.booleans(),
    all_best=st.booleans(),
)
def test_iou_assignment(counts, priors, seed, least, low, low_quality, all_best):
    random = np.random.default_rng(seed)
    # few distinct values: ties are common; -0.25 stands for a prior in an ignored region
    values = random.integers(0, 5, (len(counts), max(1, *counts), priors)) / 4
    values[:, :, random.random(priors) < 0.2] = -0.25
    there = random.random((len(counts), priors)) < 0.8
    found = assign_by_iou(
        torch.tensor(values),
        mask(counts, values.shape[1]),
        torch.tensor(there),
        positive=0.7,
        negative=(low, 0.3),
        least=least,
        match_low_quality=low_quality,
        all_best=all_best,
    )
    for image, count in enumerate(counts):
        kept = values[image, :count][:, there[image]].tolist()
        expected = [0] * int(there[image].sum())
        if count and expected:
            expected = assigned_one_by_one(kept, 0.7, low, 0.3, least, low_quality, all_best)
        assert found[image, there[image]].tolist() == expected
        assert (found[image, ~there[image]] == -1).all()


def test_samples_are_the_smallest_keys():
    torch.manual_seed(0)
    assigned = torch.randint(-1, 3, (6, 40))
    assigned[0], assigned[1] = 0, 1
    keys = torch.rand(6, 40)
    for number, share, bound in ((10, 0.5, -1), (100, 0.5, -1), (12, 0.25, 2), (12, 0.25, 0)):
        positives, negatives = sample_priors(
            assigned, keys, number=number, positive_share=share, most_per_positive=bound
        )
        for row in range(6):
            candidates = {
                kind: sorted(
                    (i for i in range(40) if test(assigned[row, i])), key=lambda i: keys[row, i]
                )
                for kind, test in (("pos", lambda a: a > 0), ("neg", lambda a: a == 0))
            }
            taken = candidates["pos"][: int(number * share)]
            room = number - len(taken)
            if bound >= 0:
                room = min(room, bound * max(1, len(taken)))
            assert set(positives[row].nonzero()[:, 0].tolist()) == set(taken)
            assert set(negatives[row].nonzero()[:, 0].tolist()) == set(candidates["neg"][:room])


def test_every_subset_is_equally_likely():
    torch.manual_seed(0)
    assigned = torch.tensor([1, 1, 1, 1, 0, -1]).expand(6000, -1)
    positives, negatives = sample_priors(
        assigned, torch.rand(6000, 6), number=4, positive_share=0.5
    )
    assert negatives[:, 4].all()
    pairs = list(itertools.combinations(range(4), 2))
    counts = [int(positives[:, list(pair)].all(dim=1).sum()) for pair in pairs]
    assert sum(counts) == 6000
    # five standard deviations of a binomial with p = 1/6
    assert max(abs(count - 1000) for count in counts) < 5 * (6000 * 5 / 36) ** 0.5


@settings(max_examples=40, deadline=None)
@given(counts=COUNTS, seed=st.integers(0, 10**6), radius=st.sampled_from([None, 3.0]))
def test_points_learn_the_smallest_box_they_lie_in(counts, seed, radius):
    random = np.random.default_rng(seed)
    points = random.integers(0, 16, (5, 2)).astype(float)
    ranges = np.sort(random.integers(-1, 20, (5, 2)).astype(float), axis=1)
    corners = random.integers(0, 12, (len(counts), max(1, *counts), 2)).astype(float)
    boxes = np.concatenate([corners, corners + random.integers(1, 12, corners.shape)], axis=2)
    assigned, sides = assign_points(
        *(torch.tensor(values) for values in (points, ranges, boxes)),
        mask(counts, boxes.shape[1]),
        None if radius is None else torch.full((5,), radius, dtype=torch.float64),
    )
    for image, count in enumerate(counts):
        for number, (x, y) in enumerate(points):
            fitting = []
            for owner, (x0, y0, x1, y1) in enumerate(boxes[image, :count]):
                inside = x0 < x < x1 and y0 < y < y1
                if radius is not None:
                    inside &= max(abs(x - (x0 + x1) / 2), abs(y - (y0 + y1) / 2)) < radius
                longest = max(x - x0, y - y0, x1 - x, y1 - y)
                if inside and ranges[number, 0] <= longest <= ranges[number, 1]:
                    fitting.append(((x1 - x0) * (y1 - y0), owner + 1))
            expected = min(fitting)[1] if fitting else 0
            assert assigned[image, number] == expected
            if expected:
                x0, y0, x1, y1 = boxes[image, expected - 1]
                assert sides[image, number].tolist() == [x - x0, y - y0, x1 - x, y1 - y]
        if not count:
            assert not sides[image].any()


@settings(max_examples=40, deadline=None)
@given(counts=COUNTS, queries=st.integers(3, 5), seed=st.integers(0, 10**6))
def test_matching_has_the_least_cost(counts, queries, seed):
    random = np.random.default_rng(seed)
    cost = random.integers(-4, 5, (len(counts), queries, max(1, *counts))).astype(float)
    found = match_queries(torch.tensor(cost), mask(counts, cost.shape[2]))
    for image, count in enumerate(counts):
        taken = {int(owner): query for query, owner in enumerate(found[image]) if owner > 0}
        assert sorted(found[image][found[image] != 0].tolist()) == list(range(1, count + 1))
        total = sum(cost[image, query, owner - 1] for owner, query in taken.items())
        assert total == min(
            sum(cost[image, query, owner] for owner, query in enumerate(chosen))
            for chosen in itertools.permutations(range(queries), count)
        )
        if count == 1:  # of equal queries the first, as scipy's matching has it
            assert taken[1] == cost[image, :, 0].argmin()


def test_costs_must_be_finite():
    cost = torch.tensor([[[0.0, torch.nan], [1.0, torch.nan]]])
    assert match_queries(cost, torch.tensor([[True, False]])).tolist() == [[1, 0]]
    with pytest.raises(ValueError, match="not finite: training diverged"):
        match_queries(cost, torch.tensor([[True, True]]))
