"""Boxes for the images of a split, made by any localizer: the file detectors are trained on.

The work is cut into one part file per rank that holds a line per finished image, so a killed run
continues where it was; the json appears by one rename when every image is done.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.dist import barrier, get_dist_info
from torch.utils.data import DataLoader, Dataset, Subset
from tqdm import tqdm

from wsol_mm import __version__
from wsol_mm.functional.box_rule import BoxRule
from wsol_mm.functional.geometry import to_original_frame
from wsol_mm.io import atomic_write
from wsol_mm.structures import OBJECT_CLASS


def file_sha256(path: str | Path) -> str:
    """Hash of a file, read in blocks."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


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
        scores: (m,) of a detector, the best one first; None of a localizer.
    """

    boxes: np.ndarray
    scores: np.ndarray | None


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
        boxes, scores = to_original_frame(boxes, sample.homography_matrix, sample.ori_shape), None
    else:
        found = sample.pred_instances
        found = found[found.scores.argsort(descending=True)]
        found = found[found.scores >= rule.score_threshold]
        if rule.components == "largest":
            found = found[:1]
        boxes, scores = found.bboxes.double().cpu().numpy(), found.scores.double().cpu().numpy()
    kept = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    return Found(boxes[kept], None if scores is None else scores[kept])


def finished(parts: Path, stamp: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Lines of all part files that carry this stamp, by image.

    A last line cut off by a kill is ignored.

    Raises:
        ValueError: When the parts come from another config, checkpoint or threshold.
    """
    done: dict[str, dict[str, Any]] = {}
    for part in sorted(parts.glob("rank*.jsonl")):
        for number, line in enumerate(part.read_text().splitlines()):
            try:
                entry = json.loads(line)
            except json.JSONDecodeError:
                break
            if number == 0:
                if entry != stamp:
                    raise ValueError(
                        f"{part} was made with other settings: delete {parts} to start again"
                    )
            else:
                done[entry["img_id"]] = entry
    return done


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
    """Yield one line per image: its name, size and boxes, and the scores of a detector's."""
    for batch in loader:
        for sample in model.test_step(batch):
            height, width = sample.ori_shape
            found = sample_boxes(sample, box_rule)
            scores = {} if found.scores is None else {"scores": found.scores.tolist()}
            yield {
                "img_id": sample.img_id,
                "width": int(width),
                "height": int(height),
                "boxes": found.boxes.tolist(),
                **scores,
            }


def coco_json(done: dict[str, dict[str, Any]], info: dict[str, Any]) -> dict[str, Any]:
    """Assemble the COCO dictionary.

    Args:
        done: Lines of :func:`localize` by image name, in the order wanted.
        info: Provenance: maker, config, checkpoint and its hash, threshold and its source.

    Returns:
        ``info``, ``images``, ``categories`` (one), ``annotations`` (xywh; ``score`` of a detector).

    Raises:
        ValueError: When no image got a box.
    """
    images, annotations = [], []
    for image_id, (img_id, entry) in enumerate(done.items()):
        images.append(
            {
                "id": image_id,
                "file_name": img_id,
                "width": entry["width"],
                "height": entry["height"],
            }
        )
        scores = entry.get("scores")
        for place, (x0, y0, x1, y1) in enumerate(entry["boxes"]):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": 1,
                    "bbox": [x0, y0, x1 - x0, y1 - y0],
                    "area": (x1 - x0) * (y1 - y0),
                    "iscrowd": 0,
                    **({} if scores is None else {"score": scores[place]}),
                }
            )
    if not annotations:
        raise ValueError(
            "no image got a box, so nothing is written: the maps are constant, or the threshold "
            f"{info.get('threshold')} is too high"
        )
    return {
        "info": {"created_by": f"wsol_mm {__version__}", **info},
        "images": images,
        "categories": [{"id": 1, "name": OBJECT_CLASS}],
        "annotations": annotations,
    }


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a json file in one step."""
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(content))
