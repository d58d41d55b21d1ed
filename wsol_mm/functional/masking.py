"""Foreground and background images by a localization map, and what experts learn from them.

Shao et al., *Knowledge-guided Causal Intervention for WSOL* (KG-CI-CAM), section III-C.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["area_loss", "difference_scores", "foreground_masks"]


@torch.no_grad()
def foreground_masks(maps: Tensor, size: tuple[int, int], threshold: float) -> Tensor:
    """Where an upsampled map is above a share of its maximum; the background is the rest.

    Hard masks, without gradient and without the second threshold (the mean) of the authors' boxes.
    At threshold 0 only the map's minimum is cut away: of a 224 px image with a 14x14 map nothing,
    or 8x8 pixels in a corner. A constant map tells nothing apart: everything is foreground (the
    released code makes it background).

    Args:
        maps: (B, h, w), floating, with minimum 0.
        size: (H, W) of the images.
        threshold: Share of the maximum, in [0, 1).

    Returns:
        float32 (B, 1, H, W) of 0 and 1.

    Source: section III-C2; strictness and upsampling as in the released code.

    Example:
        >>> maps = torch.tensor([[[0.0, 4.0]], [[0.0, 0.0]]])
        >>> foreground_masks(maps, (1, 4), 0.25).flatten(1).tolist()
        [[0.0, 0.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0]]
    """
    large = F.interpolate(maps[:, None].float(), size=size, mode="bilinear", align_corners=False)
    top = large.amax(dim=(2, 3), keepdim=True)
    return ((large > threshold * top) | (top <= 0)).float()


def area_loss(maps: Tensor) -> Tensor:
    """Mean of localization maps, eq. 12.

    It depends on the scale of the maps, so its weight does not carry over from one network or
    combination to another. Upsampling by whole factors changes nothing about it.

    Args:
        maps: (B, h, w), floating, with minimum 0.

    Returns:
        Scalar float32.

    Example:
        >>> area_loss(torch.tensor([[[0.0, 3.0]], [[0.0, 1.0]]]))
        tensor(1.)
    """
    return maps.float().mean()


def difference_scores(scores: Tensor, fore: Tensor, back: Tensor) -> tuple[Tensor, Tensor]:
    """The two vectors of eq. 15 that are to tell the class: contrast, and its mean with ``scores``.

    Args:
        scores: Logits (B, K) of the whole image (released code: of the second branch).
        fore: Logits (B, K) of the foreground image (of the first branch).
        back: Logits (B, K) of the background image (of the first branch).

    Returns:
        ``fore - back`` and ``(scores + fore - back) / 2``, (B, K) each.

    Example:
        >>> difference_scores(torch.tensor([4.0]), torch.tensor([3.0]), torch.tensor([1.0]))
        (tensor([2.]), tensor([3.]))
    """
    contrast = fore - back
    return contrast, (scores + contrast) / 2
