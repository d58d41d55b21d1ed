"""Multi-scale deformable attention (Zhu et al., 2021, eq. 3), signatures of ``mmcv._ext``.

mmcv has the same attention written in PyTorch and uses it on the CPU; here CUDA takes it too.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["ms_deform_attn_backward", "ms_deform_attn_forward"]


def ms_deform_attn_forward(
    value: Tensor,
    spatial_shapes: Tensor,
    level_start_index: Tensor,
    sampling_locations: Tensor,
    attention_weights: Tensor,
    im2col_step: int,
) -> Tensor:
    """Attended values (N, queries, heads * channels).

    Args:
        value: (N, keys, heads, channels), the levels one after the other.
        spatial_shapes: (levels, 2), height and width.
        sampling_locations: (N, queries, heads, levels, points, 2), x and y in 0..1.
        attention_weights: (N, queries, heads, levels, points).
    """
    # mmcv's module imports mmcv._ext, which is being made when this file is read
    from mmcv.ops.multi_scale_deform_attn import multi_scale_deformable_attn_pytorch

    return multi_scale_deformable_attn_pytorch(
        value, spatial_shapes.tolist(), sampling_locations, attention_weights
    )


def ms_deform_attn_backward(
    value: Tensor,
    spatial_shapes: Tensor,
    level_start_index: Tensor,
    sampling_locations: Tensor,
    attention_weights: Tensor,
    grad_output: Tensor,
    grad_value: Tensor,
    grad_sampling_loc: Tensor,
    grad_attn_weight: Tensor,
    im2col_step: int,
) -> None:
    """Gradients of :func:`ms_deform_attn_forward`, by running it again under autograd."""
    leaves = [t.detach().requires_grad_() for t in (value, sampling_locations, attention_weights)]
    with torch.enable_grad():
        output = ms_deform_attn_forward(
            leaves[0], spatial_shapes, level_start_index, leaves[1], leaves[2], im2col_step
        )
    grads = torch.autograd.grad(output, leaves, grad_output)
    for target, grad in zip((grad_value, grad_sampling_loc, grad_attn_weight), grads, strict=True):
        target.copy_(grad)
