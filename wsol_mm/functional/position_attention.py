"""Attention between all positions of a map, in a form that is fast on each device.

What it costs on a CPU: NL-CCAM's step with VGG16 takes 1.24 of CAM's (batch 2, 224 px, one thread,
in turn), .20 of it for the block on 56 x 56 positions, .02 for the other three, .03 for Adam. The
six matrix products of that block's attention alone, forward and backward, are two thirds of its
time (156 of 237 ms) at nearly the speed of a large square product (54 to 60-70 G multiply-adds a
second), and weights computed again in the backward pass, as fused kernels do, save nothing (257
ms): the block cannot be much cheaper with all its positions.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["gather_positions"]

# Queries at a time on the CPU, where torch has no fused kernel for values wider than queries: their
# weights stay in the cache from product to product. VGG16's largest block (3136 positions, batch
# 2, one thread, forward and backward): 197 ms against 380 ms for all at once.
_ROWS = 256


def gather_positions(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """What every position gathers from all: ``softmax(q k^T) v``, not scaled.

    Args:
        query: (B, n, d), floating.
        key: (B, m, d).
        value: (B, m, C).

    Returns:
        (B, n, C), differentiable in all three.

    Source: Wang et al., CVPR 2018 (Non-local Neural Networks), eq. 2 and 3.

    Example:
        >>> key = torch.tensor([[[0.0], [100.0]]])
        >>> gather_positions(torch.tensor([[[1.0], [0.0]]]), key, torch.tensor([[[2.0], [4.0]]]))
        tensor([[[4.],
                 [3.]]])
    """
    if query.device.type != "cpu" or torch.compiler.is_compiling():
        # fused kernels want four dimensions and rows that lie together
        query, key, value = (tensor[:, None].contiguous() for tensor in (query, key, value))
        return F.scaled_dot_product_attention(query, key, value, scale=1.0)[:, 0]
    columns = key.transpose(1, 2)
    blocks = torch.split(query, _ROWS, dim=1)
    rows = [(block @ columns).softmax(dim=2) @ value for block in blocks]
    return torch.cat(rows, dim=1)
