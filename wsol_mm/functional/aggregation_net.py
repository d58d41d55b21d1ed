"""The Aggregation Net of LCAR, many at once: one network per image, weights stacked.

Convolutions of 3x3, 1x1 and 3x3 with batch norm and ReLU, then 1x1 to two outputs. B networks are
one with B groups. In training mode batch norm sees one image, so its statistics are the image's.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["LAYERS", "initial_weights", "margins", "network_input"]

LAYERS = ((3, 64, 3), (64, 32, 1), (32, 64, 3), (64, 2, 1))  # inputs, outputs, kernel


def initial_weights(seed: int) -> list[Tensor]:
    """Of every convolution weight and bias, as torch draws them, and its norm's scale and shift.

    Args:
        seed: Seed of the draw; the global generator is left as it is.

    Returns:
        Fourteen tensors in the order of :data:`LAYERS`; the last convolution has no norm.

    Examples:
        >>> sum(w.numel() for w in initial_weights(0))
        22818
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers = [torch.nn.Conv2d(i, o, kernel) for i, o, kernel in LAYERS]
    weights: list[Tensor] = []
    for layer in layers:
        assert layer.bias is not None
        weights += [layer.weight.detach(), layer.bias.detach()]
        weights += [torch.ones(layer.out_channels), torch.zeros(layer.out_channels)]
    return weights[:-2]


def network_input(images: Tensor) -> Tensor:
    """What the networks see of images.

    Args:
        images: (B, H, W, 3) uint8.

    Returns:
        (B, 3, H, W) float32 in [0, 1].
    """
    return images.permute(0, 3, 1, 2).float() / 255


def margins(weights: Sequence[Tensor], images: Tensor) -> Tensor:
    """Forward pass of B networks, each on its own image.

    Args:
        weights: As :func:`initial_weights`, with a leading dimension B.
        images: (B, 3, H, W) float32, of more than one pixel.

    Returns:
        (B, H, W) logit of the object minus that of the background.

    Examples:
        >>> weights = [w[None] for w in initial_weights(0)]
        >>> margins(weights, torch.rand(1, 3, 5, 4)).shape
        torch.Size([1, 5, 4])
    """
    count, _, height, width = images.shape
    with torch.autocast(images.device.type, enabled=False):
        # One network's convolutions are a tenth faster with channels last.
        layout = torch.channels_last if count == 1 else torch.contiguous_format
        x = images.reshape(1, -1, height, width).contiguous(memory_format=layout)
        for first in range(0, len(weights) - 2, 4):
            weight, bias, scale, shift = (w.flatten(0, 1) for w in weights[first : first + 4])
            x = F.conv2d(x, weight, bias, padding=weight.shape[-1] // 2, groups=count)
            x = F.batch_norm(x, None, None, scale, shift, training=True)
            x = F.relu_(x)
        weight, bias = (w.flatten(0, 1) for w in weights[-2:])
        logits = F.conv2d(x, weight, bias, groups=count).view(count, 2, height, width)
    return logits[:, 1] - logits[:, 0]
