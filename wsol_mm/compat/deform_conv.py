"""Deformable convolution (v1) and modulated (v2), signatures of ``mmcv._ext``.

torchvision's kernel descends from the same code: offsets are (y, x) pairs per kernel tap, samples
outside the input are 0. The buffers and ``im2col_step`` that mmcv passes are not needed.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = [
    "deform_conv_backward_input",
    "deform_conv_backward_parameters",
    "deform_conv_forward",
    "modulated_deform_conv_backward",
    "modulated_deform_conv_forward",
]


def deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    output: Tensor,
    columns: Tensor,
    ones: Tensor,
    **geometry: int,
) -> None:
    """Deformable convolution of (N, C, H, W) without mask and bias, into ``output``."""
    output.copy_(_forward(input, weight, offset, None, None, _plain(geometry)))


def deform_conv_backward_input(
    input: Tensor,
    offset: Tensor,
    grad_output: Tensor,
    grad_input: Tensor,
    grad_offset: Tensor,
    weight: Tensor,
    columns: Tensor,
    **geometry: int,
) -> None:
    """Gradients of :func:`deform_conv_forward` for input and offset."""
    grads = _backward(grad_output, input, weight, offset, None, None, _plain(geometry))
    grad_input.copy_(grads[0])
    grad_offset.copy_(grads[2])


def deform_conv_backward_parameters(
    input: Tensor,
    offset: Tensor,
    grad_output: Tensor,
    grad_weight: Tensor,
    columns: Tensor,
    ones: Tensor,
    scale: float,
    **geometry: int,
) -> None:
    """Gradient of :func:`deform_conv_forward` for the weight, added ``scale`` times."""
    # the gradient of a linear map does not depend on its weight: any of its shape will do
    weight = torch.zeros_like(grad_weight)
    grads = _backward(grad_output, input, weight, offset, None, None, _plain(geometry))
    grad_weight.add_(grads[1], alpha=scale)


def modulated_deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    output: Tensor,
    columns: Tensor,
    with_bias: bool,
    **geometry: int,
) -> None:
    """Deformable convolution whose samples are scaled by ``mask``, into ``output``."""
    bias = bias if with_bias else None
    output.copy_(_forward(input, weight, offset, mask, bias, _modulated(geometry)))


def modulated_deform_conv_backward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    columns: Tensor,
    grad_input: Tensor,
    grad_weight: Tensor,
    grad_bias: Tensor,
    grad_offset: Tensor,
    grad_mask: Tensor,
    grad_output: Tensor,
    with_bias: bool,
    **geometry: int,
) -> None:
    """Gradients of :func:`modulated_deform_conv_forward`, each into its tensor."""
    bias = bias if with_bias else None
    grads = _backward(grad_output, input, weight, offset, mask, bias, _modulated(geometry))
    targets = (grad_input, grad_weight, grad_offset, grad_mask, *([grad_bias] * with_bias))
    for target, grad in zip(targets, grads, strict=False):
        target.copy_(grad)


def _plain(geometry: dict[str, int]) -> list[int]:
    names = "dH dW padH padW dilationH dilationW group deformable_group"
    return [geometry[name] for name in names.split()]


def _modulated(geometry: dict[str, int]) -> list[int]:
    names = "stride_h stride_w pad_h pad_w dilation_h dilation_w group deformable_group"
    return [geometry[name] for name in names.split()]


def _forward(
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    mask: Tensor | None,
    bias: Tensor | None,
    geometry: list[int],
) -> Tensor:
    tensors = (weight, offset, *_mask_and_bias(input, weight, mask, bias))
    return torch.ops.torchvision.deform_conv2d(input, *tensors, *geometry, mask is not None)


def _backward(
    grad: Tensor,
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    mask: Tensor | None,
    bias: Tensor | None,
    geometry: list[int],
) -> tuple[Tensor, ...]:
    """Gradients of input, weight, offset, mask, bias."""
    tensors = (grad, input, weight, offset, *_mask_and_bias(input, weight, mask, bias))
    return torch.ops.torchvision._deform_conv2d_backward(*tensors, *geometry, mask is not None)


def _mask_and_bias(
    input: Tensor, weight: Tensor, mask: Tensor | None, bias: Tensor | None
) -> tuple[Tensor, ...]:
    """torchvision wants tensors: a mask of N rows that it does not read, a zero bias."""
    mask = input.new_zeros(len(input), 1) if mask is None else mask
    return mask, weight.new_zeros(weight.shape[0]) if bias is None else bias
