"""Bring the published MoCo ResNet-50 to mmpretrain's and mmdet's names.

    python tools/model_converters/moco_to_mmpretrain.py moco_v2_800ep_pretrain.pth.tar \
        data/weights/moco_v2_r50.pth

Strict: the query encoder must be exactly a ResNet-50, shapes included, and nothing is dropped but
what is named with the output: its projection (``fc``), the key encoder and the queue. The file that
comes out is read by ``init_cfg=dict(type='Pretrained', checkpoint=..., prefix='backbone.')``, of
mmdet's ResNet as well as mmpretrain's.
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


QUERY = "module.encoder_q."
DROPPED = re.compile(r"module\.(encoder_q\.fc\.|encoder_k\.|queue(_ptr)?$)")


def resnet50_shapes() -> dict[str, tuple[int, ...]]:
    """Names and shapes of a ResNet-50 without classifier."""
    from mmpretrain.models.backbones import ResNet

    return {name: tuple(value.shape) for name, value in ResNet(depth=50).state_dict().items()}


def convert(checkpoint: dict) -> tuple[dict[str, Tensor], list[str]]:
    """Take the query encoder's ResNet-50 out of a MoCo checkpoint.

    Args:
        checkpoint: As published, with ``state_dict``.

    Returns:
        Name without ``backbone.`` -> tensor; and the names that were dropped.

    Raises:
        ValueError: There is no ``state_dict``, a key is unknown or missing, or a shape differs.
    """
    state = checkpoint.get("state_dict")
    if not isinstance(state, dict):
        raise ValueError(f"expected a MoCo checkpoint with 'state_dict', found {list(checkpoint)}")
    dropped = [name for name in state if DROPPED.match(name)]
    kept = {name: value for name, value in state.items() if name not in set(dropped)}
    shapes = resnet50_shapes()
    converted = {
        name.removeprefix(QUERY): value for name, value in kept.items() if name.startswith(QUERY)
    }
    unknown = [name for name in kept if not name.startswith(QUERY)]
    unknown += [QUERY + name for name in converted if name not in shapes]
    missing = [QUERY + name for name in shapes if name not in converted]
    if unknown or missing:
        raise ValueError(
            f"not MoCo's ResNet-50; unknown: {', '.join(unknown[:8]) or 'none'}; missing: "
            f"{', '.join(missing[:8]) or 'none'}"
        )
    for name, value in converted.items():
        if tuple(value.shape) != shapes[name]:
            raise ValueError(
                f"not MoCo's ResNet-50; {QUERY}{name} has shape {tuple(value.shape)}, expected "
                f"{shapes[name]}"
            )
    return converted, dropped


def main() -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, help="published .pth.tar")
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
        state, dropped = convert(read_checkpoint(args.source, "cpu"))
    except (CheckpointError, ValueError) as error:
        raise ValueError(f"{args.source}: {error}") from None
    with atomic_write(args.target) as temporary:
        torch.save(
            {"state_dict": {f"backbone.{name}": value for name, value in state.items()}}, temporary
        )
    kinds = sorted({re.match(r"module\.(encoder_q\.fc|\w+)", name)[1] for name in dropped})
    print(f"{len(state)} tensors to {args.target}; dropped: {', '.join(kinds) or 'none'}")


if __name__ == "__main__":
    main()
