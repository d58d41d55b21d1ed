"""Target assignment of detectors: mmdet's loop over images against all images at once.

    python -m benchmarks.target_assignment

prints one line of json: milliseconds of a training step with either, for Faster R-CNN and FCOS with
ResNet-50, on a GPU where there is one. The cases of ``benchmarks/wend.py`` time the targets by
themselves; a case is one head of a config, reduced to one channel.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmdet.models.dense_heads import DETRHead, FCOSHead
from mmdet.models.dense_heads.anchor_head import AnchorHead
from mmdet.models.roi_heads import StandardRoIHead
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import bbox2roi
from mmengine.config import Config, ConfigDict
from mmengine.device import get_device
from mmengine.logging import MMLogger
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData
from torch import nn

from benchmarks.measure import Subject, random_images, ratio, take_turns, where_measured
from benchmarks.record import add_result_options, finish, measured
from wsol_mm.models.roi_heads import BatchRoIHead
from wsol_mm.models.task_modules import BatchSamplingResult
from wsol_mm.registry import MODELS

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
SIDE, CELLS, PROPOSALS, QUERIES = 224, (7, 7), 100, 30
META = {"img_shape": (SIDE, SIDE), "pad_shape": (SIDE, SIDE)}
MIXED = (1, 0, 3, 1)  # boxes of the images whose results are compared
Find = Callable[[type, list[InstanceData]], Any]


def random_boxes(
    counts: Sequence[int], side: int, random: torch.Generator, device: str = "cpu"
) -> list[InstanceData]:
    """So many boxes of class 0 in images of this side, from a quarter to half their side."""
    found = []
    for count in counts:
        draws = torch.rand(count, 4, generator=random)
        corners, sizes = draws[:, :2] / 2, 0.25 + draws[:, 2:] / 4
        boxes = side * torch.cat([corners, corners + sizes], dim=1)
        labels = torch.zeros(count, dtype=torch.int64)
        found.append(InstanceData(bboxes=boxes, labels=labels).to(device))
    return found


def batch(size: int, side: int) -> dict[str, Any]:
    """Random images with one box each, the same ones each time."""
    random = torch.Generator().manual_seed(0)
    samples = []
    for boxes in random_boxes([1] * size, side, random):
        meta = {"img_shape": (side, side), "ori_shape": (side, side), "scale_factor": (1.0, 1.0)}
        sample = DetDataSample(metainfo={**meta, "homography_matrix": np.eye(3)})
        sample.gt_instances = boxes
        samples.append(sample)
    return {"inputs": list(random_images(size, side)), "data_samples": samples}


@dataclass(frozen=True)
class Case:
    """Targets of one head.

    Attributes:
        title: Its name in the table.
        make: Device -> ``(head, find)``; ``find(owner, truth)`` has the targets of a batch by the
            methods of this class.
        theirs: mmdet's class.
        sampled: Key of the head's sampler; None for a head without.
    """

    title: str
    make: Callable[[str], tuple[nn.Module, Find]]
    theirs: type
    sampled: str | None = None


def model_of(config: str) -> ConfigDict:
    """The model of a config below ``configs/wend``."""
    return Config.fromfile(CONFIGS / "wend" / config).model.detector


def built(cfg: ConfigDict, device: str, **changes: Any) -> nn.Module:
    """A head with other keys."""
    with DefaultScope.overwrite_default_scope("mmdet"):
        return MODELS.build(ConfigDict({**cfg, **changes})).to(device)


def rpn(device: str) -> tuple[nn.Module, Find]:
    """Faster R-CNN's first stage, 441 anchors."""
    model = model_of("faster_rcnn_r50_cub.py")
    head = built(
        model.rpn_head, device, in_channels=1, feat_channels=1, train_cfg=model.train_cfg.rpn
    )

    def find(owner: type, truth: list[InstanceData]) -> Any:
        metas = [META] * len(truth)
        anchors = owner.get_anchors(head, [CELLS], metas, device=device)
        return owner.get_targets(head, *anchors, truth, metas)

    return head, find


class Targets(BatchRoIHead):
    """A second stage that stops at its targets."""

    def bbox_loss(self, x: object, sampling_results: list) -> dict:
        """RoIs and their targets, one row each, where the parent has losses."""
        targets = self.bbox_head.get_targets(sampling_results, self.train_cfg)
        first = sampling_results[0]
        if isinstance(first, BatchSamplingResult):
            rois = first.rois
        else:
            rois = bbox2roi([found.priors for found in sampling_results])
        return {"loss_bbox": {"rois": rois, "targets": targets}}


def roi(device: str) -> tuple[nn.Module, Find]:
    """Faster R-CNN's second stage, from 100 proposals."""
    model = model_of("faster_rcnn_r50_cub.py")
    cfg = model.roi_head
    cfg.pop("type")
    cfg.bbox_head.update(in_channels=1, fc_out_channels=1)
    with DefaultScope.overwrite_default_scope("mmdet"):
        head = Targets(**cfg, train_cfg=model.train_cfg.rcnn, test_cfg=model.test_cfg.rcnn)
    head.to(device)
    random = torch.Generator().manual_seed(1)
    proposals: list[torch.Tensor] = []
    features = torch.zeros(256, 1, *CELLS, device=device)

    def find(owner: type, truth: list[InstanceData]) -> Any:
        while len(proposals) < len(truth):
            (drawn,) = random_boxes([PROPOSALS], SIDE, random, device)
            proposals.append(drawn.bboxes)
        # mmdet renames the boxes of what it gets
        found = [InstanceData(bboxes=boxes) for boxes in proposals[: len(truth)]]
        samples = []
        for boxes in truth:
            sample = DetDataSample(metainfo=META)
            sample.gt_instances = boxes
            samples.append(sample)
        return owner.loss(head, (features,), found, samples)

    return head, find


def fcos(device: str) -> tuple[nn.Module, Find]:
    """FCOS on C5, 49 points."""
    head = built(model_of("fcos_r50_cub.py").bbox_head, device, in_channels=1, feat_channels=32)
    points = head.prior_generator.grid_priors([CELLS], device=device)
    return head, lambda owner, truth: owner.get_targets(head, points, truth)


def deformable_detr(device: str) -> tuple[nn.Module, Find]:
    """One of Deformable DETR's six decoder stages, 30 queries."""
    model = model_of("deformable_detr_r50_cub.py")
    head = built(
        model.bbox_head,
        device,
        train_cfg=model.train_cfg,
        share_pred_layer=True,
        num_pred_layer=1,
    )
    random = torch.Generator().manual_seed(1)
    scores = torch.randn(256, QUERIES, 1, generator=random).to(device)
    boxes = torch.rand(256, QUERIES, 4, generator=random).to(device) / 2

    def find(owner: type, truth: list[InstanceData]) -> Any:
        count = len(truth)
        return owner.get_targets(
            head, list(scores[:count]), list(boxes[:count]), truth, [META] * count
        )

    return head, find


CASES = {
    "rpn": Case("Faster R-CNN's RPN", rpn, AnchorHead, "sampler"),
    "roi": Case("Faster R-CNN's RoI head", roi, StandardRoIHead, "bbox_sampler"),
    "fcos": Case("FCOS", fcos, FCOSHead),
    "deformable_detr": Case("Deformable DETR, one stage", deformable_detr, DETRHead),
}


def equal(mine: Any, other: Any) -> bool:
    """Whether nested results are the same, bit for bit; RoIs in any order.

    >>> equal([torch.ones(2), 3], (torch.ones(2), 3)), equal([1], [2])
    (True, False)
    """
    if isinstance(mine, dict):
        rows = []
        for result in (mine, other):
            parts = [result["rois"], *result["targets"]]
            flat = [part.reshape(len(result["rois"]), -1) for part in parts]
            rows.append(sorted(torch.cat(flat, dim=1).tolist()))
        return rows[0] == rows[1]
    if torch.is_tensor(mine):
        return torch.equal(mine, other)
    if isinstance(mine, list | tuple):
        return len(mine) == len(other) and all(map(equal, mine, other))
    return bool(mine == other)


def speed(case: Case, images: int, rounds: int, device: str) -> dict[str, float]:
    """Compare both sides, then time them.

    Returns:
        ``same``; ``ours`` and ``theirs``, milliseconds of a batch; ``ratio``, times faster.
    """
    head, find = case.make(device)
    ours, theirs = partial(find, type(head)), partial(find, case.theirs)
    random = torch.Generator().manual_seed(0)
    mixed = random_boxes((MIXED * images)[:images], SIDE, random, device)
    single = random_boxes([1] * images, SIDE, random, device)
    sampler = getattr(head, case.sampled) if case.sampled else None
    if sampler is not None:
        quotas = sampler.num, sampler.neg_pos_ub
        sampler.num, sampler.neg_pos_ub = 10**6, -1  # all are kept: nothing is drawn
    same = all(equal(ours(boxes), theirs(boxes)) for boxes in (mixed, single))
    if sampler is not None:
        sampler.num, sampler.neg_pos_ub = quotas
    calls = {"ours": partial(ours, single), "theirs": partial(theirs, single)}
    times = take_turns(calls, rounds, device, warm=list(calls))
    medians = {name: statistics.median(values) for name, values in times.items()}
    return {**medians, "same": same, "ratio": ratio(times["theirs"], times["ours"])}


# heads that find the targets of a batch at once, and mmdet's own
PLAIN = {
    "wsol_mm.BatchRPNHead": "mmdet.RPNHead",
    "wsol_mm.BatchRoIHead": "mmdet.StandardRoIHead",
    "wsol_mm.BatchFCOSHead": "mmdet.FCOSHead",
}
STEPS = {"faster_rcnn": "faster_rcnn_r50_cub.py", "fcos": "fcos_r50_cub.py"}


def whole_step(config: str, plain: bool, size: int, side: int, device: str) -> Subject:
    """A detector with untrained weights on a batch; ``plain`` with mmdet's loops over images."""
    cfg = Config.fromfile(CONFIGS / "wend" / config)
    detector = cfg.model.detector
    detector.backbone.init_cfg = None
    if plain:
        for key in ("rpn_head", "roi_head", "bbox_head"):
            if key in detector:
                detector[key].type = PLAIN[detector[key].type]
    return Subject(cfg, partial(batch, size, side), device)


def steps(size: int, side: int, rounds: int, device: str) -> dict[str, Any]:
    """Median milliseconds of training steps that take turns, and what the batch at once gains."""
    found: dict[str, Any] = {"device": where_measured(device), "batch": size, "side": side}
    for name, config in STEPS.items():
        sides = {
            key: whole_step(config, plain, size, side, device).train
            for key, plain in (("loop_ms", True), ("batch_ms", False))
        }
        times = take_turns(sides, rounds, device, warm=list(sides))
        medians = {key: statistics.median(values) for key, values in times.items()}
        gain = 100 * (1 - medians["batch_ms"] / medians["loop_ms"])
        found[name] = {key: round(value, 3) for key, value in medians.items()}
        found[name]["gain_percent"] = round(gain, 2)
    return found


def rows_of(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What is kept of each detector."""
    names = {"faster_rcnn": "Faster R-CNN ResNet-50", "fcos": "FCOS ResNet-50"}
    return [{"detector": name, **found[key]} for key, name in names.items()]


def main(argv: Sequence[str] | None = None) -> None:
    """Print the line; keep the record of a full run on a GPU, or in a folder that is named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=32, help="images of a step (32)")
    parser.add_argument("--side", type=int, default=SIDE, help=f"pixels ({SIDE})")
    parser.add_argument("--rounds", type=int, default=15, help="steps of each side (15)")
    add_result_options(parser)
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    MMLogger.get_current_instance().setLevel("WARNING")
    found = steps(args.batch, args.side, args.rounds, get_device())
    settings = {"side": args.side, "batch": args.batch, "rounds": args.rounds}
    settings["where"] = found["device"]
    full = (args.batch, args.side, get_device()) == (32, SIDE, "cuda")
    command = "python -m benchmarks.target_assignment"
    record = measured(f"targets_{get_device()}", command, settings, rows_of(found))
    finish(record, args.results, full)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
