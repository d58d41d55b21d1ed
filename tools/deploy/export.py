"""Export a localizer to ONNX or TorchScript: pixels in, class scores and maps out.

    python tools/deploy/export.py configs/cam/resnet50_cub.py work_dirs/resnet50_cub/epoch_50.pth \
        --out model.onnx
    python tools/deploy/export.py cam_efficientnet_lite0_in1k --out model.onnx
    python tools/deploy/export.py torchvision/resnet50 --out model.onnx --threshold 0.3

MODEL is what wsol_mm.Localizer takes: a config or name, timm/NAME, torchvision/NAME. Of detectors
only SCR (configs/psol) is exported; the others are MMDeploy's (docs/deploy.md).
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from wsol_mm.apis.command import add_config_options, one_line_errors


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Command line; what cannot work is said before the toolboxes are imported."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", metavar="MODEL", help="config, name, timm/NAME, torchvision/NAME")
    parser.add_argument(
        "checkpoint",
        metavar="CHECKPOINT",
        nargs="?",
        help="weights; 'none' for random ones (those that the model names)",
    )
    parser.add_argument("--out", type=Path, required=True, help="file to write")
    parser.add_argument("--format", choices=("onnx", "torchscript"), default="onnx")
    parser.add_argument("--threshold", help="to be stored: a share in [0, 1), otsu or mean")
    parser.add_argument("--method", help="'cam' for another classifier's maps (found)")
    parser.add_argument("--classes", type=Path, metavar="FILE", help="names, one on a line")
    parser.add_argument("--input-type", choices=("uint8", "float32"), default="uint8")
    parser.add_argument(
        "--dynamic-size", action="store_true", help="leave height and width free (ONNX)"
    )
    add_config_options(parser)
    args = parser.parse_args(argv)
    if args.model.endswith(".py") and "::" not in args.model and not Path(args.model).is_file():
        parser.error(f"MODEL {args.model} does not exist")
    path = args.checkpoint
    if path and path != "none" and "://" not in path and not Path(path).is_file():
        parser.error(f"CHECKPOINT {path} does not exist")
    suffixes = {"onnx": (".onnx",), "torchscript": (".pt", ".ts", ".torchscript")}[args.format]
    if args.out.suffix not in suffixes:
        parser.error(f"--out {args.out}: expected a name that ends in {' or '.join(suffixes)}")
    if args.format == "torchscript" and args.dynamic_size:
        parser.error("--dynamic-size is for --format onnx")
    if args.classes and not args.classes.is_file():
        parser.error(f"--classes {args.classes} does not exist")
    return args


def run(args: argparse.Namespace) -> None:
    """Build, export, compare, and say what the file holds."""
    from wsol_mm import Localizer
    from wsol_mm.apis.box_files import file_sha256
    from wsol_mm.apis.export import export_onnx, export_torchscript
    from wsol_mm.apis.model_zoo import find_config
    from wsol_mm.functional.box_rule import BoxRule

    model, checkpoint = args.model, False if args.checkpoint == "none" else args.checkpoint
    if args.cfg_options:
        model, weights = find_config(args.model)
        model.merge_from_dict(args.cfg_options)
        checkpoint = weights if checkpoint is None else checkpoint
    localizer = Localizer(
        model,
        checkpoint,
        args.method,
        "cpu",
        classes=args.classes and args.classes.read_text().splitlines(),
    )
    if args.threshold:
        fields = {"normalization": localizer.rule.normalization}
        fields |= {"percentile": localizer.rule.percentile, "components": localizer.rule.components}
        localizer.rule = BoxRule.parse(
            args.threshold, words=("otsu", "mean"), key="--threshold", **fields
        )
        localizer.threshold_source = "argument"
    is_file = args.checkpoint and Path(args.checkpoint).is_file()
    about = {
        "model": args.model,
        "checkpoint": args.checkpoint and Path(args.checkpoint).name,
        "checkpoint_sha256": file_sha256(args.checkpoint) if is_file else None,
    }
    common = {"input_type": args.input_type, **about}
    if args.format == "onnx":
        difference = export_onnx(localizer, args.out, dynamic_size=args.dynamic_size, **common)
    else:
        difference = export_torchscript(localizer, args.out, **common)
    threshold = f", threshold {localizer.rule.threshold} ({localizer.threshold_source})"
    detects = getattr(localizer.predictor, "detects", False)
    print(
        f"{args.out}: {'boxes' if detects else 'maps'} of {len(localizer.classes)} classes"
        f"{'' if detects else threshold}, {args.out.stat().st_size / 2**20:.1f} MiB; "
        f"differs from the model by at most {difference:.0e}"
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Run the tool."""
    args = parse_args(argv)
    with one_line_errors(args.debug):
        run(args)


if __name__ == "__main__":
    main()
