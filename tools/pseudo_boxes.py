"""Make pseudo boxes for a split with any localizer.

    python tools/pseudo_boxes.py configs/cam/resnet50_cub.py CHECKPOINT \
        --split train --out data/pseudo_boxes/cam_cub.json

The result is a COCO json with one category whose ``info`` records maker, config, checkpoint,
threshold and where the threshold came from. By default the threshold is the best one of the
validation split; the boxes of the split itself are never read. A detector has scores in place of a
threshold: its best box, or with ``--boxes all`` all of them, from ``--score-threshold`` on, and the
file keeps the scores. Run the same command again after a kill and it continues.
"""

import argparse
import shutil
from pathlib import Path

from mmengine.dist import is_main_process
from mmengine.model import is_model_wrapper
from mmengine.registry import DATASETS
from mmengine.runner import Runner

from wsol_mm.apis.command import (
    add_run_options,
    build_runner,
    load_config,
    one_line_errors,
    strict_checkpoint_hook,
)
from wsol_mm.apis.pseudo_boxes import (
    ScoreRule,
    coco_json,
    file_sha256,
    is_detector,
    make_boxes,
    unlabelled_dataset,
    write_json,
)
from wsol_mm.evaluation.find_metric import box_rule_of
from wsol_mm.evaluation.results import transfer_threshold
from wsol_mm.functional.box_rule import BoxRule

WORDS = ("val", "otsu", "mean")


def parse_args() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", help="config of the localizer (or detector) that makes them")
    parser.add_argument("checkpoint", help="its trained weights")
    parser.add_argument("--split", default="train", choices=("train", "val", "test"))
    parser.add_argument("--out", required=True, type=Path, help="COCO json to write")
    parser.add_argument(
        "--threshold",
        help="of maps: 'val' (best of val, default), a number in [0, 1), 'otsu' or 'mean'",
    )
    parser.add_argument(
        "--boxes",
        default="largest",
        choices=("largest", "all"),
        help="components of a map, or boxes of a detector, kept per image",
    )
    parser.add_argument(
        "--score-threshold", type=float, help="of a detector: least score of a box (default 0)"
    )
    parser.add_argument("--batch-size", type=int, default=32)
    add_run_options(parser)
    return parser.parse_args()


def check_args(args: argparse.Namespace) -> None:
    """Refuse what cannot work before anything is built.

    Raises:
        FileNotFoundError: The checkpoint does not exist.
        ValueError: The output exists, or the threshold has no meaning.
    """
    if args.out.exists():
        raise ValueError(f"{args.out} exists: delete it to make it anew")
    if not Path(args.checkpoint).is_file():
        raise FileNotFoundError(
            f"checkpoint {args.checkpoint} does not exist: tools/train.py {args.config} makes one"
        )
    BoxRule.parse(args.threshold or "val", words=WORDS, key="--threshold")
    ScoreRule(args.score_threshold or 0.0)


def choose_rule(args: argparse.Namespace, runner: Runner) -> BoxRule | ScoreRule:
    """The rule of the val split's WSOLMetric, at the wanted threshold; a detector's of scores.

    Raises:
        ValueError: A threshold of maps for a detector, or of scores for a localizer.
    """
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    if is_detector(model):
        if args.threshold is not None:
            raise ValueError(
                f"--threshold {args.threshold}: a detector has no map; use --score-threshold"
            )
        return ScoreRule(args.score_threshold or 0.0, args.boxes)
    if args.score_threshold is not None:
        raise ValueError(
            f"--score-threshold {args.score_threshold}: maps have no scores; use --threshold"
        )
    threshold = args.threshold or "val"
    rule = box_rule_of(runner.cfg.val_evaluator, threshold=threshold, components=args.boxes)
    if rule.threshold == "val":
        return rule.at(**transfer_threshold(runner.val_loop.run()))
    return rule


def rule_words(rule: BoxRule | ScoreRule) -> tuple[float | str, str]:
    """Threshold of a rule and where it comes from."""
    if isinstance(rule, ScoreRule):
        return rule.score_threshold, "score"
    return rule.threshold, rule.source


def run(args: argparse.Namespace) -> None:
    """Make the file."""
    check_args(args)
    cfg = load_config(args)
    cfg.load_from, cfg.resume = args.checkpoint, False
    runner = build_runner(
        cfg, trust_checkpoint=args.trust_checkpoint, allow_missing=args.allow_missing
    )
    runner.load_or_resume()
    rule = choose_rule(args, runner)
    threshold, source = rule_words(rule)
    runner.model.eval()
    dataset = DATASETS.build(unlabelled_dataset(cfg, args.split))
    strict_checkpoint_hook(runner).check_data(runner, dataset, args.split)
    info = {
        "maker": f"{Path(args.config).resolve().parent.name}/{Path(args.config).stem}",
        "config": args.config,
        "checkpoint": Path(args.checkpoint).name,
        "checkpoint_sha256": file_sha256(args.checkpoint),
        "split": args.split,
        "threshold": threshold,
        "threshold_source": source,
        "box_rule": rule.to_dict(),
    }
    parts = args.out.with_name(f"{args.out.name}.parts")
    workers = cfg.test_dataloader.num_workers
    done = make_boxes(runner.model, dataset, parts, info, rule, args.batch_size, workers)
    if is_main_process():
        content = coco_json(done, info)
        write_json(args.out, content)
        shutil.rmtree(parts)
        empty = sum(not entry["boxes"] for entry in done.values())
        print(
            f"{args.out}: {len(content['annotations'])} boxes for {len(done)} images, {empty} "
            f"without a box; threshold {threshold} ({source})"
        )


def main() -> None:
    """Run the tool."""
    args = parse_args()
    with one_line_errors(args.debug):
        run(args)


if __name__ == "__main__":
    main()
