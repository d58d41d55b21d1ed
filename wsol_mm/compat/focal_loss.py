"""Focal losses (Lin et al., 2017, eq. 5) and their gradients, signatures of ``mmcv._ext``.

An empty ``weight`` means none; else it holds one factor per class, and 1 for the background
(target C of the sigmoid form). mmcv compiles these for CUDA only; here they run on any device.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = [
    "sigmoid_focal_loss_backward",
    "sigmoid_focal_loss_forward",
    "softmax_focal_loss_backward",
    "softmax_focal_loss_forward",
]

SMALLEST = torch.finfo(torch.float32).tiny


def sigmoid_focal_loss_forward(
    input: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float, alpha: float
) -> None:
    """Loss of every logit (N, C) for targets (N,) in 0..C, into ``output`` (N, C)."""
    p, positive = input.sigmoid(), _one_hot(input, target)
    loss_positive = -alpha * (1 - p) ** gamma * _log(p)
    loss_negative = -(1 - alpha) * p**gamma * _log(1 - p)
    loss = torch.where(positive, loss_positive, loss_negative)
    output.copy_(loss * _weight_of(target, weight)[:, None])


def sigmoid_focal_loss_backward(
    input: Tensor, target: Tensor, weight: Tensor, grad_input: Tensor, gamma: float, alpha: float
) -> None:
    """Derivative of :func:`sigmoid_focal_loss_forward` for every logit."""
    p, positive = input.sigmoid(), _one_hot(input, target)
    slope_positive = -alpha * (1 - p) ** gamma * (1 - p - gamma * p * _log(p))
    slope_negative = -(1 - alpha) * p**gamma * (gamma * (1 - p) * _log(1 - p) - p)
    slope = torch.where(positive, slope_positive, slope_negative)
    grad_input.copy_(slope * _weight_of(target, weight)[:, None])


def softmax_focal_loss_forward(
    softmax: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float, alpha: float
) -> None:
    """Loss (N,) of class probabilities (N, C), into ``output``; 0 for a negative target."""
    p = _of_target(softmax, target)
    loss = -alpha * (1 - p) ** gamma * _log(p) * _weight_of(target, weight)
    output.copy_(torch.where(target >= 0, loss, 0))


def softmax_focal_loss_backward(
    softmax: Tensor,
    target: Tensor,
    weight: Tensor,
    buff: Tensor,
    grad_input: Tensor,
    gamma: float,
    alpha: float,
) -> None:
    """Derivative of :func:`softmax_focal_loss_forward` for the logits (N, C) of ``softmax``.

    ``buff`` (N,) receives the derivative for the logarithm of the target's probability.
    """
    p = _of_target(softmax, target)
    slope = alpha * (-((1 - p) ** gamma) + gamma * (1 - p) ** (gamma - 1) * p * _log(p))
    buff.copy_(torch.where(target >= 0, slope * _weight_of(target, weight), 0))
    positive = _one_hot(softmax, target).to(softmax.dtype)
    grad_input.copy_(buff[:, None] * (positive - softmax))


def _log(probability: Tensor) -> Tensor:
    return probability.clamp(min=SMALLEST).log()


def _one_hot(scores: Tensor, target: Tensor) -> Tensor:
    return target[:, None] == torch.arange(scores.shape[1], device=scores.device)


def _of_target(softmax: Tensor, target: Tensor) -> Tensor:
    return softmax.gather(1, target.clamp(min=0)[:, None])[:, 0]


def _weight_of(target: Tensor, weight: Tensor) -> Tensor:
    """Factor (N,) of every row."""
    if not weight.numel():
        return weight.new_ones(target.shape)
    return F.pad(weight, (0, 1), value=1.0)[target.clamp(min=0)]
