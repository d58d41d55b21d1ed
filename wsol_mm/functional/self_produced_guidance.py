"""Self-produced guidance: a map's sure pixels supervise another layer of the same network.

SPG, Zhang et al., ECCV 2018 (Self-produced Guidance for Weakly-supervised Object Localization), in
the form of the reference benchmark.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["BACKGROUND", "FOREGROUND", "IGNORED", "guidance_loss", "guidance_mask"]

BACKGROUND, FOREGROUND, IGNORED = 0, 1, 255


def guidance_mask(scores: Tensor, high: float, low: float, min_foreground: int = 30) -> Tensor:
    """Three-way mask of score maps: foreground, background, and what is left undecided.

    Scores above ``high`` are foreground, those below ``low`` background, both strictly. Where an
    image has fewer than ``min_foreground`` foreground pixels, 0.7 of its largest score takes the
    place of ``high``; pixels that are then both count as foreground.

    Args:
        scores: Shape (..., H, W), floating. No gradient passes.
        high: Threshold of the foreground.
        low: Threshold of the background, at most ``high``.
        min_foreground: In pixels. The benchmark's 30 belong to masks of 224x224.

    Returns:
        uint8 (..., H, W) of ``FOREGROUND`` (1), ``BACKGROUND`` (0) and ``IGNORED`` (255).

    Examples:
        >>> scores = torch.tensor([[0.9, 0.5, 0.1]])
        >>> guidance_mask(scores, high=0.7, low=0.2, min_foreground=1).tolist()
        [[1, 255, 0]]
        >>> guidance_mask(scores, high=0.95, low=0.2, min_foreground=1).tolist()  # 0.63 instead
        [[1, 255, 0]]
    """
    scores = scores.detach()
    foreground = scores > high
    few = foreground.sum(dim=(-2, -1), keepdim=True) < min_foreground
    relative = scores > 0.7 * scores.amax(dim=(-2, -1), keepdim=True)
    mask = torch.full_like(scores, IGNORED, dtype=torch.uint8)
    mask[scores < low] = BACKGROUND
    mask[torch.where(few, relative, foreground)] = FOREGROUND
    return mask


def guidance_loss(logits: Tensor, mask: Tensor) -> Tensor:
    """Binary cross entropy between logits and a three-way mask, over the decided pixels.

    Args:
        logits: Foreground logits, any shape, floating; computed in float32 at least.
        mask: What :func:`guidance_mask` returned, same shape.

    Returns:
        Scalar, the mean over all pixels of the batch that are not ``IGNORED``, in nats; 0 where
        all are.

    Examples:
        >>> mask = torch.tensor([[1, 255, 0]], dtype=torch.uint8)
        >>> guidance_loss(torch.tensor([[0.0, 99.0, 0.0]]), mask)
        tensor(0.6931)
    """
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    decided = mask != IGNORED
    target = (mask == FOREGROUND).to(logits.dtype)
    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return (entropy * decided).sum() / decided.sum().clamp(min=1)
