"""Bring a published vision transformer (DINO, DeiT, DINOv2, timm) to mmpretrain's names.

    python tools/model_converters/vit_to_mmpretrain.py dino_deitsmall16_pretrain.pth \
        data/weights/dino_vit_small_p16.pth

Strict: every key must be known, every part of every block must be there, and nothing is dropped
but what is named with the output (heads and projectors, which localizers do not use, and the mask
token of DINOv2). Whole training checkpoints of DINO (``teacher``, ``student``) and DeiT (``model``)
are unpacked. The file that comes out is read by ``init_cfg=dict(type='Pretrained', checkpoint=...,
prefix='backbone.')``.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

from wsol_mm.apis.command import add_general_options, one_line_errors
from wsol_mm.io import atomic_write

if TYPE_CHECKING:
    from torch import Tensor


# Published name -> mmpretrain's, outside the blocks.
STEM = {
    "cls_token": "cls_token",
    "dist_token": "dist_token",
    "pos_embed": "pos_embed",
    "patch_embed.proj.weight": "patch_embed.projection.weight",
    "patch_embed.proj.bias": "patch_embed.projection.bias",
    "norm.weight": "ln1.weight",
    "norm.bias": "ln1.bias",
}
# The same inside a block.
BLOCK = {
    "norm1.weight": "ln1.weight",
    "norm1.bias": "ln1.bias",
    "attn.qkv.weight": "attn.qkv.weight",
    "attn.qkv.bias": "attn.qkv.bias",
    "attn.proj.weight": "attn.proj.weight",
    "attn.proj.bias": "attn.proj.bias",
    "ls1.gamma": "attn.gamma1.weight",
    "norm2.weight": "ln2.weight",
    "norm2.bias": "ln2.bias",
    "mlp.fc1.weight": "ffn.layers.0.0.weight",
    "mlp.fc1.bias": "ffn.layers.0.0.bias",
    "mlp.fc2.weight": "ffn.layers.1.weight",
    "mlp.fc2.bias": "ffn.layers.1.bias",
    "ls2.gamma": "ffn.gamma2.weight",
}
OPTIONAL_STEM = {"dist_token"}
LAYER_SCALE = {"ls1.gamma", "ls2.gamma"}
DROPPED = re.compile(r"(head(_dist)?\.|mask_token$)")


def unpack(checkpoint: dict) -> dict[str, Tensor]:
    """The backbone's own state dict inside a checkpoint.

    Args:
        checkpoint: A state dict, or one under ``teacher``, ``model``, ``state_dict`` or
            ``student``, in this order, with or without ``module.`` and ``backbone.`` in front.

    Returns:
        Published name -> tensor.

    Raises:
        ValueError: There is no state dict.
    """
    from torch import Tensor

    for key in ("teacher", "model", "state_dict", "student"):
        if isinstance(checkpoint.get(key), dict):
            checkpoint = checkpoint[key]
            break
    state = {
        re.sub(r"^(module\.)?(backbone\.)?", "", name): value for name, value in checkpoint.items()
    }
    strangers = [name for name, value in state.items() if not isinstance(value, Tensor)]
    if strangers or not state:
        raise ValueError(
            f"expected a state dict of tensors, or one under 'teacher', 'model', 'state_dict' or "
            f"'student'; found {', '.join(strangers[:5]) or 'nothing'}"
        )
    return state


def convert(state: dict[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """Rename a vision transformer's state dict.

    Args:
        state: Published name -> tensor.

    Returns:
        mmpretrain's name, without ``backbone.``, -> tensor; and the names that were dropped.

    Raises:
        ValueError: A key is unknown or missing, blocks are not numbered from 0 on, or the position
            embedding has no row for each token in front of a square grid.
    """
    converted: dict[str, Tensor] = {}
    dropped: list[str] = []
    blocks: dict[int, set[str]] = {}
    unknown = []
    for name, value in state.items():
        block = re.fullmatch(r"blocks\.(\d+)\.(.+)", name)
        if name in STEM:
            converted[STEM[name]] = value
        elif block and block[2] in BLOCK:
            blocks.setdefault(int(block[1]), set()).add(block[2])
            converted[f"layers.{block[1]}.{BLOCK[block[2]]}"] = value
        elif DROPPED.match(name):
            dropped.append(name)
        else:
            unknown.append(name)
    scaled = any(parts & LAYER_SCALE for parts in blocks.values())
    wanted = set(BLOCK) - (set() if scaled else LAYER_SCALE)
    missing = sorted(set(STEM) - OPTIONAL_STEM - set(state))
    for number in range(max(blocks, default=0) + 1):
        missing += [f"blocks.{number}.{part}" for part in wanted - blocks.get(number, set())]
    if unknown or missing:
        raise ValueError(
            "not a vision transformer of DINO's, DeiT's or DINOv2's layout; unknown: "
            f"{', '.join(sorted(unknown)[:8]) or 'none'}; missing: "
            f"{', '.join(sorted(missing)[:8]) or 'none'}"
        )
    positions = converted["pos_embed"].shape[1] - 1 - ("dist_token" in converted)
    if round(positions**0.5) ** 2 != positions:
        raise ValueError(
            f"pos_embed has {converted['pos_embed'].shape[1]} rows, {positions} of them for "
            "patches: expected a square grid (register tokens are not supported by mmpretrain)"
        )
    return converted, dropped


def main() -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, help="published .pth")
    parser.add_argument("target", type=Path, help="file to write")
    add_general_options(parser)
    args = parser.parse_args()
    with one_line_errors(args.debug):
        run(args)


def run(args: argparse.Namespace) -> None:
    """Convert and write; errors name the file."""
    if not args.source.is_file():
        raise FileNotFoundError(f"{args.source} does not exist")
    import torch

    from wsol_mm.engine import CheckpointError, read_checkpoint

    try:
        state, dropped = convert(unpack(read_checkpoint(args.source, "cpu")))
    except (CheckpointError, ValueError) as error:
        raise ValueError(f"{args.source}: {error}") from None
    with atomic_write(args.target) as temporary:
        torch.save(
            {"state_dict": {f"backbone.{name}": value for name, value in state.items()}}, temporary
        )
    print(f"{len(state)} tensors to {args.target}; dropped: {', '.join(dropped) or 'none'}")


if __name__ == "__main__":
    main()
