"""mmdet's MaxIoUAssigner and samplers on a batch; their keys are read, their loops are not run."""

from collections.abc import Sequence

import torch
from mmdet.models.task_modules.assigners import AssignResult, BaseAssigner, MaxIoUAssigner
from mmdet.models.task_modules.samplers import (
    BaseSampler,
    PseudoSampler,
    RandomSampler,
    SamplingResult,
)
from mmdet.structures.bbox import get_box_tensor
from mmengine.structures import InstanceData
from torch import Tensor

from wsol_mm.functional.assigning import assign_by_iou, pad_rows, sample_priors


def can_batch(assigner: BaseAssigner, sampler: BaseSampler) -> bool:
    """Whether :func:`sample_batch` does what these two do.

    True for ``MaxIoUAssigner`` with ``RandomSampler`` or ``PseudoSampler``, but not for classes
    derived from them, repeated boxes that are shaken (``perm_repeat_gt_cfg``), or crowded images
    that are sent to the CPU (``gpu_assign_thr``).
    """
    return (
        type(assigner) is MaxIoUAssigner
        and assigner.perm_repeat_gt_cfg is None
        and assigner.gpu_assign_thr <= 0
        and isinstance(assigner.neg_iou_thr, float | tuple)
        and type(sampler) in (RandomSampler, PseudoSampler)
    )


def same_frame(batch_img_metas: Sequence[dict]) -> bool:
    """Whether all images of a batch have one size and one padding.

    Example:
        >>> crop = {"img_shape": (224, 224)}
        >>> same_frame([crop, crop]), same_frame([crop, {"img_shape": (224, 200)}])
        (True, False)
    """
    shapes = {
        (tuple(meta["img_shape"][:2]), tuple(meta.get("pad_shape", ())[:2]))
        for meta in batch_img_metas
    }
    return len(shapes) == 1


class BatchSamplingResult(SamplingResult):
    """What was sampled of a whole batch, as if it were one image.

    Positives of all images come first, then negatives; within a kind, images are in order.

    Args:
        positives, negatives: (b, n) bool, no prior in both.
        assigned: (b, n) int64, ``i + 1`` for box ``i`` of the image.
        priors: (b, n, 4).
        boxes: (b, g, 4).
        labels: (b, g).
        is_box: (b, n) uint8, 1 for boxes that stand among the priors.
        avg_factor_with_neg: Whether negatives count in ``avg_factor``. As mmdet adds it up, an
            image counts at least one of each kind.
    """

    def __init__(
        self,
        positives: Tensor,
        negatives: Tensor,
        assigned: Tensor,
        priors: Tensor,
        boxes: Tensor,
        labels: Tensor,
        is_box: Tensor,
        avg_factor_with_neg: bool,
    ) -> None:
        images = torch.arange(len(boxes), device=boxes.device)[:, None]
        owner = (assigned - 1 + boxes.shape[1] * images).clamp(min=0).flatten()
        super().__init__(
            positives.flatten().nonzero()[:, 0],
            negatives.flatten().nonzero()[:, 0],
            priors.flatten(0, 1),
            boxes.flatten(0, 1),
            AssignResult(boxes.shape[:2].numel(), owner + 1, None, labels.flatten()[owner]),
            is_box.flatten(),
            avg_factor_with_neg,
        )
        self.positives, self.negatives = positives, negatives
        kinds = (positives, negatives) if avg_factor_with_neg else (positives,)
        self.avg_factor = int(sum(kind.sum(dim=1).clamp(min=1).sum() for kind in kinds))

    @property
    def rois(self) -> Tensor:
        """(m, 5) image and box of each sampled prior, in the order of ``priors``."""
        width = self.positives.shape[1]
        images = torch.cat([self.pos_inds, self.neg_inds]) // width
        return torch.cat([images[:, None].to(self.priors), self.priors], dim=1)


def sample_batch(
    assigner: MaxIoUAssigner,
    sampler: RandomSampler | PseudoSampler,
    priors: Tensor,
    batch_gt_instances: Sequence[InstanceData],
    batch_ignored: Sequence[InstanceData | None] | None = None,
    present: Tensor | None = None,
) -> BatchSamplingResult:
    """Assign and sample the priors of all images at once, as the two would one by one.

    ``RandomSampler`` shuffles each image's candidates on the CPU where there are too many; here one
    uniform number is drawn for every prior on its device, and the smallest are kept: the same
    distribution from other draws.

    Args:
        assigner, sampler: A pair that :func:`can_batch` accepts.
        priors: (b, n, 4) xyxy.
        batch_gt_instances: ``bboxes`` and ``labels`` of each image.
        batch_ignored: ``bboxes`` of each image whose priors are left out, for ``ignore_iof_thr``.
        present: (b, n) bool, False for padding among the priors; None if there is none.
    """
    boxes, there = pad_rows([get_box_tensor(found.bboxes) for found in batch_gt_instances])
    labels, _ = pad_rows([found.labels for found in batch_gt_instances])
    overlaps = assigner.iou_calculator(boxes, priors)
    ignored = [found.bboxes for found in batch_ignored or () if found is not None]
    if assigner.ignore_iof_thr > 0 and any(map(len, ignored)):
        nothing = boxes.new_zeros(0, 4)
        regions, _ = pad_rows(
            [nothing if found is None else get_box_tensor(found.bboxes) for found in batch_ignored]
        )
        if assigner.ignore_wrt_candidates:
            covered = assigner.iou_calculator(priors, regions, mode="iof").amax(dim=2)
        else:
            covered = assigner.iou_calculator(regions, priors, mode="iof").amax(dim=1)
        overlaps = overlaps.masked_fill((covered > assigner.ignore_iof_thr)[:, None], -1)
    negative = assigner.neg_iou_thr
    assigned = assign_by_iou(
        overlaps,
        there,
        present,
        positive=assigner.pos_iou_thr,
        negative=(0.0, negative) if isinstance(negative, float) else negative,
        least=assigner.min_pos_iou,
        match_low_quality=assigner.match_low_quality,
        all_best=assigner.gt_max_assign_all,
    )
    is_box = torch.zeros_like(assigned, dtype=torch.uint8)
    if type(sampler) is PseudoSampler:
        positives, negatives = assigned > 0, assigned == 0
    else:
        if sampler.add_gt_as_proposals:
            priors = torch.cat([boxes, priors], dim=1)
            numbers = torch.arange(1, boxes.shape[1] + 1, device=boxes.device)
            assigned = torch.cat([torch.where(there, numbers, -1), assigned], dim=1)
            is_box = torch.cat([there.to(is_box), is_box], dim=1)
        positives, negatives = sample_priors(
            assigned,
            torch.rand(assigned.shape, device=assigned.device),
            number=sampler.num,
            positive_share=sampler.pos_fraction,
            most_per_positive=sampler.neg_pos_ub,
        )
    return BatchSamplingResult(
        positives,
        negatives,
        assigned,
        priors,
        boxes,
        labels,
        is_box,
        avg_factor_with_neg=type(sampler) is not PseudoSampler,
    )
