"""Reading a vision transformer: class token, patch tokens, keys and attention.

Whatever stands in front (class token, distillation or register tokens), the patch tokens are the
last ones, in row order, and the class token is the first. So the grid alone says how to split.
"""

from __future__ import annotations

import torch
from torch import Tensor


def square_grid(length: int, extra_tokens: int) -> tuple[int, int]:
    """Rows and columns of a square image's patch tokens.

    Args:
        length: Number of all tokens.
        extra_tokens: Of these, how many are not patches.

    Returns:
        (h, w) with h == w.

    Raises:
        ValueError: The rest is not a square number.

    Example:
        >>> square_grid(197, 1)
        (14, 14)
    """
    side = round(max(length - extra_tokens, 0) ** 0.5)
    if side < 1 or side * side != length - extra_tokens:
        raise ValueError(
            f"{length} tokens, {extra_tokens} of them extra, do not form a square image; check "
            "extra_tokens, or use a backbone that returns a map, such as mmpretrain's "
            "VisionTransformer with out_type='featmap'"
        )
    return side, side


def patch_map(tokens: Tensor, grid: tuple[int, int]) -> Tensor:
    """Patch tokens as a map.

    Args:
        tokens: (B, L, C) with the h * w patch tokens last.
        grid: (h, w).

    Returns:
        (B, C, h, w).

    Raises:
        ValueError: There are fewer than h * w tokens.

    Example:
        >>> patch_map(torch.arange(5.0).reshape(1, 5, 1), (2, 2)).tolist()
        [[[[1.0, 2.0], [3.0, 4.0]]]]
    """
    return _patches(tokens, grid).mT.reshape(tokens.shape[0], -1, *grid)


def patch_keys(qkv: Tensor, grid: tuple[int, int]) -> Tensor:
    """Keys of the patch tokens, heads side by side.

    Args:
        qkv: (B, L, 3 C), output of an attention layer's joint projection: queries, keys, values.
        grid: (h, w).

    Returns:
        (B, h * w, C).

    Raises:
        ValueError: There are fewer than h * w tokens.

    Example:
        >>> patch_keys(torch.arange(6.0).reshape(1, 2, 3), (1, 1)).tolist()
        [[[4.0]]]
    """
    return _patches(qkv, grid).chunk(3, dim=-1)[1]


def class_attention(qkv: Tensor, num_heads: int, grid: tuple[int, int]) -> Tensor:
    """How much the class token attends to each patch, mean over heads.

    Only the class token's row of ``softmax(q k^T / sqrt(d))`` is computed, in float32; the sum over
    the patches is below 1 by what the class token gives to itself and other extra tokens.

    Args:
        qkv: (B, L, 3 C), output of an attention layer's joint projection, class token first.
        num_heads: Heads, which divide C.
        grid: (h, w).

    Returns:
        float32 (B, h, w).

    Raises:
        ValueError: C is not divisible, or there are fewer than h * w tokens.

    Example:
        >>> class_attention(torch.zeros(1, 5, 6), 2, (2, 2)).tolist()
        [[[0.20000000298023224, 0.20000000298023224], [0.20000000298023224, 0.20000000298023224]]]
    """
    width = qkv.shape[-1] // 3
    if num_heads < 1 or qkv.shape[-1] % 3 or width % num_heads:
        raise ValueError(f"{num_heads} heads do not divide queries of {width} channels")
    with torch.autocast(qkv.device.type, enabled=False):
        heads = qkv.float().reshape(*qkv.shape[:2], 3, num_heads, -1)
        logits = torch.einsum("bhd,bnhd->bhn", heads[:, 0, 0], heads[:, :, 1])
        attention = (logits / (width // num_heads) ** 0.5).softmax(dim=-1).mean(dim=1)
    return patch_map(attention[..., None], grid)[:, 0]


def _patches(tokens: Tensor, grid: tuple[int, int]) -> Tensor:
    """The last h * w tokens."""
    count = grid[0] * grid[1]
    if tokens.dim() != 3 or tokens.shape[1] < count:
        raise ValueError(
            f"expected tokens (B, L, C) with L of at least {grid[0]} x {grid[1]}, got "
            f"{tuple(tokens.shape)}"
        )
    return tokens[:, tokens.shape[1] - count :]
