"""Superpixels, and values and votes that are shared within them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from skimage.segmentation import felzenszwalb
from torch import Tensor

__all__ = ["majority_vote", "superpixel_means", "superpixels"]


def superpixels(
    image: NDArray[np.uint8], *, scale: float = 32.0, sigma: float = 0.5, min_size: int = 64
) -> NDArray[np.int64]:
    """Felzenszwalb and Huttenlocher's superpixels, IJCV 2004, by scikit-image.

    Args:
        image: (H, W, 3) uint8.
        scale: Larger means larger superpixels.
        sigma: Width of the Gaussian blur before.
        min_size: Pixels of the smallest superpixel.

    Returns:
        (H, W) int64, ids from 0 without gaps.

    Examples:
        >>> image = np.zeros((8, 8, 3), np.uint8)
        >>> image[:, 4:] = 255
        >>> superpixels(image, sigma=0, min_size=1)[0].tolist()
        [0, 0, 0, 0, 1, 1, 1, 1]
    """
    segments = felzenszwalb(image, scale=scale, sigma=sigma, min_size=min_size)
    return np.asarray(segments, dtype=np.int64)


def superpixel_means(
    score_map: NDArray[np.floating], segments: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Every pixel's value replaced by the mean over its superpixel.

    Examples:
        >>> superpixel_means(np.array([[0.0, 1.0, 0.5]]), np.array([[0, 0, 1]])).tolist()
        [[0.5, 0.5, 0.5]]
    """
    ids = segments.ravel()
    means = np.bincount(ids, score_map.ravel()) / np.maximum(np.bincount(ids), 1)
    return np.asarray(means[segments])


def majority_vote(prediction: Tensor, segments: Tensor) -> Tensor:
    """Give every pixel what most pixels of its superpixel are predicted to be.

    One scatter for all superpixels of all images.

    Args:
        prediction: (B, H, W) bool.
        segments: (B, H, W) int64, ids from 0, each image's own.

    Returns:
        (B, H, W) bool; background at a draw.

    Examples:
        >>> import torch
        >>> prediction = torch.tensor([[[True, True, False, True, False]]])
        >>> majority_vote(prediction, torch.tensor([[[0, 0, 0, 1, 1]]])).tolist()
        [[[True, True, True, False, False]]]
    """
    ids = segments.flatten(1)
    ballots = prediction.flatten(1).float() * 2 - 1
    votes = ballots.new_zeros(len(ids), int(ids.max()) + 1).scatter_add_(1, ids, ballots)
    return votes.gather(1, ids).view_as(prediction) > 0
