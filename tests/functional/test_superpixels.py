"""Superpixels, their means and votes, against loops over superpixels."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from wsol_mm.functional.superpixels import majority_vote, superpixel_means, superpixels

seeds = st.integers(0, 2**32 - 1)


@given(seeds, st.integers(1, 12), st.integers(1, 12), st.integers(1, 9))
def test_means_and_votes_equal_a_loop(seed, height, width, count):
    rng = np.random.default_rng(seed)
    segments = rng.integers(0, count, (2, height, width))
    values = rng.random((2, height, width))
    prediction = values > 0.5
    votes = majority_vote(torch.from_numpy(prediction), torch.from_numpy(segments)).numpy()
    for image in range(2):
        means = superpixel_means(values[image], segments[image])
        for segment in np.unique(segments[image]):
            inside = segments[image] == segment
            np.testing.assert_allclose(means[inside], values[image][inside].mean())
            wanted = 2 * prediction[image][inside].sum() > inside.sum()
            assert (votes[image][inside] == wanted).all()


def test_superpixels_are_connected_and_without_gaps():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (40, 30, 3), dtype=np.uint8)
    segments = superpixels(image, min_size=5)
    ids, sizes = np.unique(segments, return_counts=True)
    assert ids.tolist() == list(range(len(ids)))
    assert sizes.min() >= 5
    for segment in ids:
        assert ndimage.label(segments == segment, np.ones((3, 3)))[1] == 1


def test_one_colour_is_one_superpixel():
    assert not superpixels(np.full((7, 5, 3), 9, np.uint8)).any()
