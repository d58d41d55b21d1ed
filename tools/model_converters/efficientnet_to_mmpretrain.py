"""Bring an EfficientNet of ``efficientnet_pytorch``'s names to mmpretrain's, classifier included.

    python tools/model_converters/efficientnet_to_mmpretrain.py efficientnet_b7_cub.pth \
        data/weights/efficientnet_b7_cub.pth

For the B7 that C2AM's authors fine-tuned on CUB. Strict: every key must be known, every part of
every block must be there with its shape, nothing is dropped. The file that comes out is a
checkpoint of configs/efficientnet, for ``tools/test.py`` and as ``load_from``.
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


# Published module -> mmpretrain's, inside a block and outside.
BLOCK = {
    "_expand_conv": "expand_conv.conv",
    "_bn0": "expand_conv.bn",
    "_depthwise_conv": "depthwise_conv.conv",
    "_bn1": "depthwise_conv.bn",
    "_se_reduce": "se.conv1.conv",
    "_se_expand": "se.conv2.conv",
    "_project_conv": "linear_conv.conv",
    "_bn2": "linear_conv.bn",
}
STEM = {"_conv_stem": "conv", "_bn0": "bn"}
HEAD = {"_conv_head": "conv", "_bn1": "bn"}
PARTS = ("weight", "bias")


def mmpretrain_layout(arch: str) -> tuple[dict[str, tuple[int, ...]], list[str]]:
    """Names and shapes of mmpretrain's EfficientNet, and its blocks' names in order."""
    from mmpretrain.models.backbones import EfficientNet

    model = EfficientNet(arch=arch)
    blocks = [
        f"layers.{stage}.{number}"
        for stage in range(1, len(model.layers) - 1)
        for number in range(len(model.layers[stage]))
    ]
    return {name: tuple(value.shape) for name, value in model.state_dict().items()}, blocks


def unpack(checkpoint: dict) -> dict[str, Tensor]:
    """The state dict inside a checkpoint, without ``module.``.

    Raises:
        ValueError: There is no state dict of tensors.
    """
    from torch import Tensor

    for key in ("state_dict", "model"):
        if isinstance(checkpoint.get(key), dict):
            checkpoint = checkpoint[key]
            break
    strangers = [name for name, value in checkpoint.items() if not isinstance(value, Tensor)]
    if strangers or not checkpoint:
        raise ValueError(
            "expected a state dict of tensors, or one under 'state_dict' or 'model'; found "
            f"{', '.join(strangers[:5]) or 'nothing'}"
        )
    return {name.removeprefix("module."): value for name, value in checkpoint.items()}


def renamed(name: str, blocks: list[str], last: int) -> str | None:
    """mmpretrain's name of one tensor of the backbone, or None for an unknown one."""
    if match := re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", name):
        number, module, part = int(match[1]), match[2], match[3]
        if number < len(blocks) and module in BLOCK:
            return f"{blocks[number]}.{BLOCK[module]}.{part}"
    elif match := re.fullmatch(r"(\w+)\.(\w+)", name):
        module, part = match[1], match[2]
        if module in STEM:
            return f"layers.0.{STEM[module]}.{part}"
        if module in HEAD:
            return f"layers.{last}.{HEAD[module]}.{part}"
    return None


def convert(state: dict[str, Tensor], arch: str = "b7") -> dict[str, Tensor]:
    """Rename an EfficientNet's state dict.

    Args:
        state: Published name -> tensor.
        arch: Size of the network, ``b0`` to ``b8``.

    Returns:
        mmpretrain's name, with ``backbone.`` and ``head.`` -> tensor.

    Raises:
        ValueError: A key is unknown or missing, or a shape differs.
    """
    shapes, blocks = mmpretrain_layout(arch)
    last = 1 + int(blocks[-1].split(".")[1])
    names = {name: renamed(name, blocks, last) for name in state if not name.startswith("_fc.")}
    unknown = [name for name, new in names.items() if new not in shapes]
    unknown += [name for name in state if name.startswith("_fc.") and name[4:] not in PARTS]
    converted = {new: state[name] for name, new in names.items() if new in shapes}
    missing = [name for name in shapes if name not in converted]
    missing += [f"_fc.{part}" for part in PARTS if f"_fc.{part}" not in state]
    if unknown or missing:
        raise ValueError(
            f"not an EfficientNet-{arch.upper()} of efficientnet_pytorch; unknown: "
            f"{', '.join(unknown[:8]) or 'none'}; missing (mmpretrain's names): "
            f"{', '.join(missing[:8]) or 'none'}"
        )
    for name, value in converted.items():
        if tuple(value.shape) != shapes[name]:
            raise ValueError(
                f"not an EfficientNet-{arch.upper()}: {name} has shape {tuple(value.shape)}, "
                f"expected {shapes[name]}"
            )
    classifier = {f"head.fc.{part}": state[f"_fc.{part}"] for part in PARTS}
    return {**{f"backbone.{name}": value for name, value in converted.items()}, **classifier}


def main() -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, help="published .pth")
    parser.add_argument("target", type=Path, help="file to write")
    parser.add_argument("--arch", default="b7", choices=[f"b{size}" for size in range(9)])
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
        state = convert(unpack(read_checkpoint(args.source, "cpu")), args.arch)
    except (CheckpointError, ValueError) as error:
        raise ValueError(f"{args.source}: {error}") from None
    with atomic_write(args.target) as temporary:
        torch.save({"state_dict": state}, temporary)
    classes = len(state["head.fc.bias"])
    print(f"{len(state)} tensors to {args.target}; {classes} classes, nothing dropped")


if __name__ == "__main__":
    main()
