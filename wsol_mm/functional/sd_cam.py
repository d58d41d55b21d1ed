"""Self-distillation CAM: a class-aware seed that says which side of a cut is the object.

Coarse2Fine (LCAR), Pan et al., AAAI 2023, eq. 2, 6, 10 and 11.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def distillation_divergence(student: Tensor, teacher: Tensor, temperature: float = 3.0) -> Tensor:
    """How far a student's softened class probabilities are from its teacher's (eq. 6, second sum).

    ``KL(softmax(teacher / T) || softmax(student / T))``, mean over images, without the factor T^2
    of Hinton et al., which the paper does not write. No gradient reaches the teacher.

    Args:
        student: Logits (B, K), any floating dtype.
        teacher: Logits (B, K).
        temperature: T > 0.

    Returns:
        Scalar float32, at least 0.

    Raises:
        ValueError: Shapes that differ, or no positive temperature.

    Examples:
        >>> teacher = 3 * torch.tensor([[3.0, 1.0]]).log()  # softened at T = 3: 3/4 and 1/4
        >>> loss = distillation_divergence(torch.zeros(1, 2), teacher)
        >>> expected = 0.75 * torch.tensor(1.5).log() + 0.25 * torch.tensor(0.5).log()
        >>> bool(torch.isclose(loss, expected))
        True
    """
    if student.dim() != 2 or student.shape != teacher.shape:
        raise ValueError(
            f"expected logits (B, K) of both, got {tuple(student.shape)} and {tuple(teacher.shape)}"
        )
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature}")
    log_student = (student.float() / temperature).log_softmax(dim=1)
    log_teacher = (teacher.detach().float() / temperature).log_softmax(dim=1)
    return F.kl_div(log_student, log_teacher, reduction="batchmean", log_target=True)


def seed_regions(maps: Tensor, threshold: float = 0.6) -> Tensor:
    """Where class maps are high (eq. 2): each is brought to [0, 1] by min-max and cut.

    Args:
        maps: (..., h, w) floating, raw.
        threshold: ``beta``, in [0, 1).

    Returns:
        bool (..., h, w); empty for a constant map and for one with a NaN.

    Examples:
        >>> seed_regions(torch.tensor([[0.0, 5.0], [6.5, 10.0]])).tolist()
        [[False, False], [True, True]]
    """
    low = maps.amin(dim=(-2, -1), keepdim=True)
    high = maps.amax(dim=(-2, -1), keepdim=True)
    return maps - low > threshold * (high - low)


def orientations(cut_maps: Tensor, class_maps: Tensor, threshold: float = 0.6) -> Tensor:
    """Which side of a cut each class's seed region speaks for (eq. 10 and 11).

    The sides part at the cut map's mean. The one of which the seed region covers the larger share
    is the object. With equal shares, for example without any seed, the map stays as it is.

    Args:
        cut_maps: (B, 1, H, W) floating, of either sign.
        class_maps: (B, k, H, W) raw maps of k classes.
        threshold: Of :func:`seed_regions`.

    Returns:
        (B, k) of 1 (high values are the object) and -1, dtype of ``cut_maps``.

    Raises:
        ValueError: Shapes that do not fit.

    Examples:
        >>> cut = torch.tensor([[[[1.0, 1.0, -2.0]]]])
        >>> classes = torch.tensor([[[[9.0, 0.0, 0.0]], [[9.0, 0.0, 9.0]]]])
        >>> orientations(cut, classes).tolist()  # shares 1/2 and 0; 1/2 and 1
        [[1.0, -1.0]]
    """
    shapes = tuple(cut_maps.shape), tuple(class_maps.shape)
    if len(shapes[1]) != 4 or shapes[0] != (shapes[1][0], 1, *shapes[1][2:]):
        raise ValueError(f"expected maps (B, 1, H, W) and (B, k, H, W), got {shapes}")
    high = cut_maps > cut_maps.mean(dim=(-2, -1), keepdim=True)
    seed = seed_regions(class_maps, threshold)
    in_high, in_low = ((seed & side).sum(dim=(-2, -1)) for side in (high, ~high))
    # Shares compared crosswise: whole numbers, and a side without pixels is a tie.
    against = in_low * high.sum(dim=(-2, -1)) > in_high * (~high).sum(dim=(-2, -1))
    return torch.where(against, -1, 1).to(cut_maps)
