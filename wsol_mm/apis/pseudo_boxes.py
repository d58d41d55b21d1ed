"""Boxes for the images of a split, made by any localizer: the file detectors are trained on.

The work is cut into one part file per rank that holds a line per finished image, so a killed run
continues where it was; the json appears by one rename when every image is done.
"""

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.dist import barrier, get_dist_info, is_main_process
from mmengine.model import is_model_wrapper
from mmengine.registry import DATASETS
from mmengine.runner import Runner
from torch.utils.data import DataLoader, Dataset, Subset
from tqdm import tqdm

from wsol_mm.apis.box_files import coco_json, file_sha256, finished, write_json
from wsol_mm.apis.command import build_runner, strict_checkpoint_hook
from wsol_mm.evaluation.find_metric import box_rule_of
from wsol_mm.evaluation.results import transfer_threshold
from wsol_mm.functional.box_confidence import box_confidence
from wsol_mm.functional.box_rule import BoxRule
from wsol_mm.functional.geometry import to_original_frame


def make_pseudo_boxes(
    config: str | Path | Config,
    checkpoint: str | Path,
    out: str | Path,
    *,
    split: Literal["train", "val", "test"] = "train",
    threshold: str | float | None = None,
    score_threshold: float | None = None,
    components: Literal["largest", "all"] = "largest",
    batch_size: int = 32,
    trust_checkpoint: bool = False,
    allow_missing: Sequence[str] = (),
) -> dict[str, Any]:
    """Make the pseudo-box file of a split with any localizer or detector.

    The true boxes of the split are never read. All ranks of a launched job share the work; the same
    call continues what a kill cut off.

    Args:
        config: Of the localizer or detector, or its file.
        checkpoint: Its trained weights.
        out: COCO json to write; ``info`` records maker, checkpoint and hash, and the rule.
        split: Whose images get boxes.
        threshold: Of maps: ``val`` (the default: best of the val split, on which the model is run
            first), a number in [0, 1), ``otsu`` or ``mean``.
        score_threshold: Of a detector: least score of a box, 0 by default.
        components: Parts of a map, or boxes of a detector: the main one, or all.
        batch_size: Images per step.
        trust_checkpoint: Unpickle anything in the checkpoint.
        allow_missing: Prefixes of keys that checkpoint or network may lack.

    Returns:
        Content of the file.

    Raises:
        FileNotFoundError: There is no such config or checkpoint.
        ValueError: ``out`` exists, an argument has no meaning for this model, or no image got a
            box.
    """
    out = Path(out)
    if out.exists():
        raise ValueError(f"{out} exists: delete it to make it anew")
    if not Path(checkpoint).is_file():
        raise FileNotFoundError(
            f"checkpoint {checkpoint} does not exist: tools/train.py CONFIG makes one"
        )
    BoxRule.parse(
        "val" if threshold is None else threshold, words=("val", "otsu", "mean"), key="--threshold"
    )
    ScoreRule(score_threshold or 0.0)
    cfg = config if isinstance(config, Config) else Config.fromfile(config)
    name = Path(cfg.filename or "config.py")
    if cfg.get("work_dir") is None:
        cfg.work_dir = str(Path("work_dirs") / name.stem)
    cfg.load_from, cfg.resume = str(checkpoint), False
    runner = build_runner(cfg, trust_checkpoint=trust_checkpoint, allow_missing=allow_missing)
    runner.load_or_resume()
    rule = choose_rule(runner, threshold, score_threshold, components)
    runner.model.eval()
    dataset = DATASETS.build(unlabelled_dataset(cfg, split))
    strict_checkpoint_hook(runner).check_data(runner, dataset, split)
    scored = isinstance(rule, ScoreRule)
    info = {
        "maker": f"{name.resolve().parent.name}/{name.stem}",
        "config": cfg.filename,
        "checkpoint": Path(checkpoint).name,
        "checkpoint_sha256": file_sha256(checkpoint),
        "split": split,
        "threshold": rule.score_threshold if scored else rule.threshold,
        "threshold_source": "score" if scored else rule.source,
        "box_rule": rule.to_dict(),
    }
    parts = out.with_name(f"{out.name}.parts")
    workers = cfg.test_dataloader.num_workers
    done = make_boxes(runner.model, dataset, parts, info, rule, batch_size, workers)
    content = coco_json(done, info)
    if is_main_process():
        write_json(out, content)
        shutil.rmtree(parts)
    return content


def choose_rule(
    runner: Runner,
    threshold: str | float | None,
    score_threshold: float | None,
    components: Literal["largest", "all"],
) -> "BoxRule | ScoreRule":
    """The rule of the val split's WSOLMetric, at the wanted threshold; a detector's of scores.

    Raises:
        ValueError: A threshold of maps for a detector, or of scores for a localizer.
    """
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    if is_detector(model):
        if threshold is not None:
            raise ValueError(
                f"--threshold {threshold}: a detector has no map; use --score-threshold"
            )
        return ScoreRule(score_threshold or 0.0, components)
    if score_threshold is not None:
        raise ValueError(
            f"--score-threshold {score_threshold}: maps have no scores; use --threshold"
        )
    wanted = "val" if threshold is None else threshold
    rule = box_rule_of(runner.cfg.val_evaluator, threshold=wanted, components=components)
    if rule.threshold != "val":
        return rule
    chosen = transfer_threshold(runner.val_loop.run())
    return rule.at(chosen["value"], chosen["source"])


def unlabelled_dataset(cfg: Config, split: str) -> dict[str, Any]:
    """Config of a split's data set with the test pipeline, and with its true boxes unread."""
    dataset = cfg[f"{split}_dataloader"].dataset.to_dict()
    for key in ("pseudo_boxes", "filter_cfg"):
        dataset.pop(key, None)
    pipeline = [
        step
        for step in cfg.test_dataloader.dataset.to_dict()["pipeline"]
        if step["type"].split(".")[-1] not in ("LoadAnnotations", "LoadMasks")
    ]
    return {**dataset, "pipeline": pipeline, "supervision": "image", "test_mode": False}


@dataclass(frozen=True)
class ScoreRule:
    """Which boxes of a detector become pseudo boxes.

    Attributes:
        score_threshold: Boxes below it are left out, in [0, 1].
        components: ``largest`` keeps the best box alone, ``all`` every one.

    Raises:
        ValueError: The threshold is no score.
    """

    score_threshold: float = 0.0
    components: Literal["largest", "all"] = "largest"

    def __post_init__(self) -> None:
        """Refuse a threshold outside [0, 1]."""
        if not 0 <= self.score_threshold <= 1:
            raise ValueError(f"--score-threshold {self.score_threshold}: expected 0 to 1")

    def to_dict(self) -> dict[str, Any]:
        """All keys, for the file."""
        return asdict(self)


class Found(NamedTuple):
    """Boxes of an image.

    Attributes:
        boxes: (m, 4) float64 xyxy in the original frame, exclusive end, clipped to the image, boxes
            without area dropped.
        scores: (m,) of a detector, the best one first; of a map,
            :func:`wsol_mm.functional.box_confidence.box_confidence`, in raster order.
    """

    boxes: np.ndarray
    scores: np.ndarray


def is_detector(model: torch.nn.Module) -> bool:
    """Whether a model is one of mmdet's or built on one, whose boxes have scores and no maps."""
    return any(base.__module__.startswith("mmdet.") for base in type(model).__mro__)


def sample_boxes(sample: Any, rule: BoxRule | ScoreRule) -> Found:
    """Boxes of one predicted data sample.

    Args:
        sample: Output of a localizer (``pred_maps``) or a detector (``pred_instances``).
        rule: From a map to boxes, or which boxes of a detector are kept.
    """
    if "pred_maps" in sample:
        height, width = sample.img_shape
        score_map = sample.pred_maps[0].double().cpu().numpy()
        boxes = rule.apply(score_map, (width, height))
        values = rule.frame(score_map, (width, height)).values
        scores = np.array([box_confidence(values, box) for box in boxes])
        boxes = to_original_frame(boxes, sample.homography_matrix, sample.ori_shape)
    else:
        found = sample.pred_instances
        found = found[found.scores.argsort(descending=True)]
        found = found[found.scores >= rule.score_threshold]
        if rule.components == "largest":
            found = found[:1]
        boxes, scores = found.bboxes.double().cpu().numpy(), found.scores.double().cpu().numpy()
    kept = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    return Found(boxes[kept], scores[kept])


def make_boxes(
    model: torch.nn.Module,
    dataset: Dataset,
    parts: Path,
    stamp: dict[str, Any],
    box_rule: BoxRule | ScoreRule,
    batch_size: int,
    num_workers: int,
) -> dict[str, dict[str, Any]]:
    """Localize every image that no part file holds yet; all ranks share the work.

    Args:
        model: Built localizer or detector in eval mode.
        dataset: Items with the test pipeline.
        parts: Folder of the part files.
        stamp: Identifies the settings; written as the first line of each part.
        box_rule: From a map to boxes, or which boxes of a detector are kept.
        batch_size: Images per step.
        num_workers: Loader processes.

    Returns:
        Finished lines of all ranks by image, in the data set's order.
    """
    rank, world_size = get_dist_info()
    parts.mkdir(parents=True, exist_ok=True)
    ids = [dataset.get_data_info(index)["img_id"] for index in range(len(dataset))]
    done = finished(parts, stamp)
    todo = [index for index, img_id in enumerate(ids) if img_id not in done][rank::world_size]
    # Every rank has read the parts before any of them grows.
    barrier()
    loader = DataLoader(
        Subset(dataset, todo),
        batch_size=batch_size,
        num_workers=num_workers,
        collate_fn=pseudo_collate,
    )
    run = len(list(parts.glob(f"rank{rank}-*.jsonl")))
    with (parts / f"rank{rank}-{run}.jsonl").open("w") as part:
        part.write(json.dumps(stamp) + "\n")
        for entry in tqdm(
            localize(model, loader, box_rule),
            total=len(todo),
            unit="img",
            disable=rank != 0,
            desc="pseudo boxes",
        ):
            part.write(json.dumps(entry) + "\n")
            part.flush()
    barrier()
    done = finished(parts, stamp)
    return {img_id: done[img_id] for img_id in ids}


@torch.no_grad()
def localize(
    model: torch.nn.Module, loader: DataLoader, box_rule: BoxRule | ScoreRule
) -> Iterator[dict[str, Any]]:
    """Yield one line per image: its name, size, boxes and their scores."""
    for batch in loader:
        for sample in model.test_step(batch):
            height, width = sample.ori_shape
            found = sample_boxes(sample, box_rule)
            yield {
                "img_id": sample.img_id,
                "width": int(width),
                "height": int(height),
                "boxes": found.boxes.tolist(),
                "scores": found.scores.tolist(),
            }
