"""Options of the commands around a Localizer; imports no toolbox, so that --help is instant."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of a Localizer."""
    parser.add_argument(
        "--model",
        help="name, config, timm/NAME, torchvision/NAME or exported FILE.onnx (pretrained "
        "EfficientNet-Lite0)",
    )
    parser.add_argument(
        "--checkpoint", help="weights; 'none' for random ones (those that the model names)"
    )
    parser.add_argument("--method", help="cam, grad_cam, layer_cam, ... (the model's own, or CAM)")
    parser.add_argument("--classifier", help="what names the objects of a one-class detector")
    parser.add_argument("--threshold", help="share of the map's maximum in [0, 1), otsu or mean")
    parser.add_argument("--device", help="cpu, cuda, ... (the best there is)")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--debug", action="store_true", help="show the traceback of every error")


def check_model_options(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Refuse wrong paths and numbers."""
    is_file = args.model and args.model.endswith((".py", ".onnx")) and "::" not in args.model
    if is_file and not Path(args.model).is_file():
        parser.error(f"--model {args.model} does not exist")
    path = args.checkpoint
    if path and path != "none" and "://" not in path and not Path(path).is_file():
        parser.error(f"--checkpoint {path} does not exist")
    if args.threshold not in (None, "otsu", "mean"):
        try:
            args.threshold = float(args.threshold)
        except ValueError:
            parser.error(f"--threshold {args.threshold}: expected otsu, mean or a number in [0, 1)")


def build_localizer(args: argparse.Namespace) -> Any:
    """The :class:`wsol_mm.Localizer` that the options name."""
    from wsol_mm.apis.localizer import Localizer

    model = {"model": args.model} if args.model else {}
    return Localizer(
        **model,
        checkpoint=False if args.checkpoint == "none" else args.checkpoint,
        method=args.method,
        device=args.device,
        classifier=args.classifier,
    )
