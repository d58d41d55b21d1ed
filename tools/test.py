"""Test any config with a checkpoint: every localization number, from one pass.

    python tools/test.py configs/cam/resnet50_cub.py work_dirs/resnet50_cub/epoch_50.pth
    python tools/test.py CONFIG CHECKPOINT --out results.json --show-dir pictures
    python tools/test.py CONFIG CHECKPOINT --dump-maps maps
    python tools/test.py CONFIG CHECKPOINT --tta --cfg-options tta_scales="[1,0.75,1.25]"

Where the test evaluator says ``threshold='val'``, the validation split is run first with the same
model, and the threshold that is best there is carried over.
"""

from __future__ import annotations

import argparse
import json
import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wsol_mm.apis.command import (
    add_run_options,
    build_runner,
    check_paths,
    load_config,
    one_line_errors,
)
from wsol_mm.io import atomic_write
from wsol_mm.version import __version__

if TYPE_CHECKING:
    from mmengine.config import Config
    from mmengine.runner import Runner


def parse_args() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", help="config file")
    parser.add_argument("checkpoint", help="trained weights, a file or URL")
    add_run_options(parser)
    parser.add_argument(
        "--out",
        type=Path,
        help="json or pkl for the numbers; what they were computed from goes beside it",
    )
    parser.add_argument("--show-dir", type=Path, help="folder for pictures, <img_id>.png")
    parser.add_argument(
        "--threshold",
        help="threshold of maps: oracle, val, otsu, mean or a number in [0, 1) (the config's)",
    )
    parser.add_argument(
        "--dump-scores", metavar="FILE.npz", help="keep the class scores for joint evaluation"
    )
    parser.add_argument(
        "--dump-maps", metavar="DIR", help="keep the maps and lists for tools/eval_maps.py"
    )
    parser.add_argument(
        "--tta",
        action="store_true",
        help="average maps and scores over a mirror image and the config's tta_scales (1, .75, "
        "1.25), or over its own tta_pipeline",
    )
    return parser.parse_args()


def apply_options(cfg: Config, args: argparse.Namespace) -> None:
    """Write the options of this tool into the config.

    Raises:
        ValueError: An option has no meaning for this config.
    """
    from wsol_mm.evaluation.find_metric import metric_entries, wsol_metrics
    from wsol_mm.functional.box_rule import BoxRule

    if args.out and args.out.suffix not in (".json", ".pkl"):
        raise ValueError(f"--out {args.out}: expected a name that ends in .json or .pkl")
    cfg.load_from, cfg.resume = args.checkpoint, False
    metrics = wsol_metrics(cfg.test_evaluator)
    if args.threshold is not None:
        if not metrics:
            raise ValueError(f"--threshold: {args.config} has no wsol_mm.WSOLMetric to set it in")
        threshold = BoxRule.parse(args.threshold, key="--threshold").threshold
        for metric in metrics:
            metric["threshold"] = threshold
    for number, metric in enumerate(metrics if args.out else []):
        metric.out = str(args.out.with_name(f"{args.out.stem}_wsol{number or ''}.json"))
    for kind, out in (("DumpScores", args.dump_scores), ("DumpMaps", args.dump_maps)):
        if out:
            entries = metric_entries(cfg.test_evaluator)
            cfg.test_evaluator = [*entries, {"type": f"wsol_mm.{kind}", "out": out}]
    if args.tta:
        from wsol_mm.apis.test_time_augmentation import use_tta

        use_tta(cfg)


def carry_threshold_over(runner: Runner) -> dict[str, Any] | None:
    """Run the validation split where the test's threshold comes from it; that threshold."""
    from wsol_mm.evaluation.find_metric import wsol_metrics
    from wsol_mm.evaluation.results import transfer_threshold

    metrics = [
        metric
        for metric in wsol_metrics(runner._test_evaluator)
        if metric.get("threshold") == "val"
    ]
    if not metrics:
        return None
    if runner.val_loop is None:
        raise ValueError(
            "threshold='val' needs val_dataloader, val_cfg and val_evaluator; or pass "
            "another --threshold"
        )
    runner.logger.info("Validation split first: the threshold is chosen there")
    runner.call_hook("before_run")
    runner.load_or_resume()
    chosen = transfer_threshold(runner.val_loop.run())
    for metric in metrics:
        metric["threshold"] = chosen
    runner.logger.info(f"Threshold {chosen['value']:.3f} from the validation split")
    return chosen


def draw_into(runner: Runner, folder: Path) -> None:
    """Switch on the pictures of the test, with the boxes that are scored.

    An oracle threshold, or one per image, is not known beforehand: the hook's own is drawn then.
    """
    from wsol_mm.evaluation.find_metric import box_rule_of, wsol_metrics
    from wsol_mm.visualization import WSOLVisualizationHook

    hooks = [hook for hook in runner.hooks if isinstance(hook, WSOLVisualizationHook)]
    if not hooks:
        raise ValueError(
            "--show-dir: the config has no wsol_mm.WSOLVisualizationHook; inherit a runtime of "
            "configs/_base_ or add default_hooks.visualization"
        )
    evaluated = None
    if wsol_metrics(runner._test_evaluator):
        evaluated = box_rule_of(runner._test_evaluator)
    for hook in hooks:
        hook.enable, hook.interval, hook.out_dir = True, 1, folder
        if evaluated and evaluated.normalization:
            known = evaluated.source != "oracle"
            hook.rule = evaluated if known else evaluated.at(hook.rule.threshold, "fixed")


def write_results(args: argparse.Namespace, cfg: Config, numbers: dict[str, Any]) -> None:
    """Write the numbers on the top level, with what they belong to under ``info``."""
    from wsol_mm.evaluation.find_metric import wsol_metrics

    files = [Path(metric.out) for metric in wsol_metrics(cfg.test_evaluator)]
    info = {
        "config": args.config,
        "checkpoint": args.checkpoint,
        "cfg_options": {key: repr(value) for key, value in args.cfg_options.items()},
        "tta": args.tta,
        "details": [str(file) for file in files],
        "records": [str(file.with_name(f"{file.stem}_records.npz")) for file in files],
        "wsol_mm": __version__,
    }
    content = {**numbers, "info": info}
    with atomic_write(args.out) as temporary:
        if args.out.suffix == ".json":
            temporary.write_text(json.dumps(content, indent=1, default=float) + "\n")
        else:
            temporary.write_bytes(pickle.dumps(content))


def main() -> None:
    """Run the tool."""
    args = parse_args()
    with one_line_errors(args.debug):
        check_paths(args.config, args.checkpoint)
        from mmengine.dist import is_main_process

        cfg = load_config(args)
        apply_options(cfg, args)
        runner = build_runner(
            cfg, trust_checkpoint=args.trust_checkpoint, allow_missing=args.allow_missing
        )
        carry_threshold_over(runner)
        if args.show_dir:
            draw_into(runner, args.show_dir)
        numbers = runner.test()
        if args.out and is_main_process():
            write_results(args, cfg, numbers)


if __name__ == "__main__":
    main()
