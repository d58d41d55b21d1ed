"""Train any config: a localizer (MMPretrain) or a detector (MMDetection).

    python tools/train.py configs/cam/resnet50_cub.py
    python tools/train.py configs/wend/faster_rcnn_r50_cub.py --resume
    tools/dist_train.sh CONFIG 4

Logs, checkpoints and the config go to ``--work-dir``. A killed run continues with ``--resume`` and
ends with the same weights as an uninterrupted one.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from wsol_mm.apis.command import (
    add_run_options,
    build_runner,
    check_paths,
    load_config,
    one_line_errors,
    strip_pretrained,
)

if TYPE_CHECKING:
    from mmengine.config import Config


def parse_args() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", help="config file")
    add_run_options(parser)
    parser.add_argument(
        "--resume",
        nargs="?",
        const="auto",
        metavar="CHECKPOINT",
        help="continue from a checkpoint; without a name from the newest in the work dir, if any",
    )
    parser.add_argument("--amp", action="store_true", help="mixed precision (GPU)")
    parser.add_argument(
        "--auto-scale-lr", action="store_true", help="scale the rate to the real batch size"
    )
    parser.add_argument(
        "--no-pretrained", action="store_true", help="start from random weights everywhere"
    )
    parser.add_argument("--seed", type=int, help="seed of the run (default: the config's, 0)")
    return parser.parse_args()


def apply_options(cfg: Config, args: argparse.Namespace) -> None:
    """Write the options of this tool into the config.

    Raises:
        ValueError: An option cannot work with this config or machine.
        FileNotFoundError: The checkpoint to resume from does not exist.
    """
    if args.seed is not None:
        if args.seed < 0:
            raise ValueError(f"--seed {args.seed}: expected 0 or more")
        cfg.merge_from_dict({"randomness": {"seed": args.seed}})
    if args.amp:
        from mmengine.device import get_device

        if get_device() == "cpu":
            raise ValueError("--amp needs a GPU and this machine has none: leave it out")
        cfg.optim_wrapper.type = "AmpOptimWrapper"
        cfg.optim_wrapper.setdefault("loss_scale", "dynamic")
    if args.auto_scale_lr:
        if "base_batch_size" not in cfg.get("auto_scale_lr", {}):
            raise ValueError(
                f"--auto-scale-lr: {args.config} has no auto_scale_lr.base_batch_size, the batch "
                "size that its learning rate is for"
            )
        cfg.auto_scale_lr.enable = True
    if args.no_pretrained:
        removed = strip_pretrained(cfg.model)
        if cfg.get("load_from"):
            cfg.load_from = None
            removed.append("load_from")
        print("--no-pretrained: removed " + (", ".join(removed) or "nothing, none was there"))
    if args.resume is not None:
        cfg.resume = True
        cfg.load_from = newest_checkpoint(cfg.work_dir) if args.resume == "auto" else args.resume
        if cfg.load_from and "://" not in cfg.load_from:
            check_resume(cfg.load_from)


def check_resume(checkpoint: str) -> None:
    """Refuse a file that is not there."""
    if not Path(checkpoint).is_file():
        raise FileNotFoundError(f"--resume: checkpoint {checkpoint} does not exist")


def newest_checkpoint(work_dir: str) -> str | None:
    """The checkpoint that ``last_checkpoint`` names, also after the folder was moved."""
    marker = Path(work_dir) / "last_checkpoint"
    if not marker.is_file():
        return None
    named = Path(marker.read_text().strip())
    return str(named if named.is_file() else marker.with_name(named.name))


def main() -> None:
    """Run the tool."""
    args = parse_args()
    with one_line_errors(args.debug):
        check_paths(args.config)
        if args.resume not in (None, "auto") and "://" not in args.resume:
            check_resume(args.resume)
        cfg = load_config(args)
        apply_options(cfg, args)
        runner = build_runner(
            cfg, trust_checkpoint=args.trust_checkpoint, allow_missing=args.allow_missing
        )
        runner.train()


if __name__ == "__main__":
    main()
