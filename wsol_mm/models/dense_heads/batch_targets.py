"""Targets of mmdet's dense heads for a whole batch, where mmdet goes image by image.

A mixin stands before the mmdet head and reads the same keys. It computes what the parent would; a
batch or an assigner it does not cover goes to the parent.
"""

import torch
from mmdet.models.dense_heads import DeformableDETRHead, FCOSHead, RPNHead
from mmdet.models.task_modules.assigners import (
    BBoxL1Cost,
    ClassificationCost,
    FocalLossCost,
    HungarianAssigner,
    IoUCost,
)
from mmdet.models.task_modules.prior_generators import anchor_inside_flags
from mmdet.structures.bbox import (
    bbox_cxcywh_to_xyxy,
    bbox_xyxy_to_cxcywh,
    cat_boxes,
    get_box_tensor,
)
from mmdet.utils import InstanceList
from mmengine.structures import InstanceData
from torch import Tensor

from wsol_mm.functional.assigning import assign_points, match_queries, pad_rows
from wsol_mm.models.task_modules import can_batch, same_frame, sample_batch
from wsol_mm.registry import MODELS

CLASS_COSTS = (ClassificationCost, FocalLossCost)
BOX_COSTS = (BBoxL1Cost, IoUCost)


class BatchAnchorTargets:
    """For heads with anchors (RPN, RetinaNet) on images of one size.

    Covers what :func:`wsol_mm.models.task_modules.can_batch` accepts.
    """

    def get_anchors(
        self,
        featmap_sizes: list[tuple],
        batch_img_metas: list[dict],
        device: torch.device | str = "cuda",
    ) -> tuple[list[list[Tensor]], list[list[Tensor]]]:
        """Anchors and their valid flags for each image, computed once for equal images."""
        if not same_frame(batch_img_metas):
            return super().get_anchors(featmap_sizes, batch_img_metas, device)
        anchors, flags = super().get_anchors(featmap_sizes, batch_img_metas[:1], device)
        return anchors * len(batch_img_metas), flags * len(batch_img_metas)

    def get_targets(
        self,
        anchor_list: list[list[Tensor]],
        valid_flag_list: list[list[Tensor]],
        batch_gt_instances: InstanceList,
        batch_img_metas: list[dict],
        batch_gt_instances_ignore: InstanceList | None = None,
        unmap_outputs: bool = True,
        return_sampling_results: bool = False,
    ) -> tuple:
        """Labels, weights and boxes of each level and the divisor, as ``mmdet.AnchorHead``."""
        anchors = get_box_tensor(cat_boxes(anchor_list[0]))
        shape, border = batch_img_metas[0]["img_shape"][:2], self.train_cfg["allowed_border"]
        inside = anchor_inside_flags(anchors, torch.cat(valid_flag_list[0]), shape, border)
        if (
            not (unmap_outputs and same_frame(batch_img_metas))
            or return_sampling_results
            or not can_batch(self.assigner, self.sampler)
            or not inside.any()  # the parent refuses it
        ):
            return super().get_targets(
                anchor_list,
                valid_flag_list,
                batch_gt_instances,
                batch_img_metas,
                batch_gt_instances_ignore,
                unmap_outputs,
                return_sampling_results,
            )
        where, size = inside.nonzero()[:, 0], (len(batch_img_metas), len(anchors))
        found = sample_batch(
            self.assigner,
            self.sampler,
            anchors[where].expand(size[0], -1, -1),
            batch_gt_instances,
            batch_gt_instances_ignore,
        )
        images, places = found.positives.nonzero(as_tuple=True)
        positives = images, where[places]
        images, places = found.negatives.nonzero(as_tuple=True)
        boxes = found.pos_gt_bboxes
        if not self.reg_decoded_bbox:
            boxes = self.bbox_coder.encode(found.pos_priors, boxes)
        labels = torch.full(size, self.num_classes, device=anchors.device)
        label_weights = anchors.new_zeros(size)
        bbox_targets = anchors.new_zeros(*size, boxes.shape[-1])
        bbox_weights = torch.zeros_like(bbox_targets)
        labels[positives] = found.pos_gt_labels
        weight = self.train_cfg["pos_weight"]
        label_weights[positives] = weight if weight > 0 else 1.0
        label_weights[images, where[places]] = 1.0
        bbox_targets[positives] = boxes
        bbox_weights[positives] = 1.0
        levels = [len(level) for level in anchor_list[0]]
        parts = (labels, label_weights, bbox_targets, bbox_weights)
        return (*(list(part.split(levels, dim=1)) for part in parts), found.avg_factor)


class BatchPointTargets:
    """For FCOS, whatever the sizes of the images."""

    def get_targets(
        self, points: list[Tensor], batch_gt_instances: InstanceList
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Labels and distances to the sides of each level, as ``mmdet.FCOSHead``."""
        sizes = [len(level) for level in points]
        ranges = [
            level.new_tensor(limits).expand_as(level)
            for level, limits in zip(points, self.regress_ranges, strict=True)
        ]
        radii = None
        if self.center_sampling:
            radii = torch.cat(
                [
                    level.new_full((len(level),), stride * self.center_sample_radius)
                    for level, stride in zip(points, self.strides, strict=True)
                ]
            )
        boxes, present = pad_rows([get_box_tensor(found.bboxes) for found in batch_gt_instances])
        labels, _ = pad_rows([found.labels for found in batch_gt_instances])
        assigned, sides = assign_points(torch.cat(points), torch.cat(ranges), boxes, present, radii)
        found = labels.gather(1, (assigned - 1).clamp(min=0))
        found = found.masked_fill(assigned == 0, self.num_classes)
        distances = [level.flatten(0, 1) for level in sides.split(sizes, dim=1)]
        if self.norm_on_bbox:
            distances = [
                level / stride for level, stride in zip(distances, self.strides, strict=True)
            ]
        return [level.flatten() for level in found.split(sizes, dim=1)], distances


class BatchQueryTargets:
    """For DETR and Deformable DETR on images of one size.

    Covers ``HungarianAssigner`` with the costs ``FocalLossCost``, ``ClassificationCost``,
    ``BBoxL1Cost`` and ``IoUCost``.
    """

    def get_targets(
        self,
        cls_scores_list: list[Tensor],
        bbox_preds_list: list[Tensor],
        batch_gt_instances: InstanceList,
        batch_img_metas: list[dict],
    ) -> tuple:
        """Labels, boxes and weights of each image and the counts, as ``mmdet.DETRHead``."""
        costs = getattr(self.assigner, "match_costs", [])
        if (
            type(self.assigner) is not HungarianAssigner
            or not same_frame(batch_img_metas)
            or any(type(cost) not in CLASS_COSTS + BOX_COSTS for cost in costs)
            or any(getattr(cost, "binary_input", False) for cost in costs)
        ):
            return super().get_targets(
                cls_scores_list, bbox_preds_list, batch_gt_instances, batch_img_metas
            )
        boxes, present = pad_rows([get_box_tensor(found.bboxes) for found in batch_gt_instances])
        labels, _ = pad_rows([found.labels for found in batch_gt_instances])
        meta = batch_img_metas[0]
        frame = boxes.new_tensor(meta["img_shape"][1::-1] * 2)
        with torch.no_grad():
            predicted = bbox_cxcywh_to_xyxy(torch.stack(bbox_preds_list)) * frame
            scores = torch.stack(cls_scores_list)
            assigned = match_queries(
                matching_cost(costs, scores, predicted, boxes, labels, meta), present
            )
        matched = assigned > 0
        owner = (assigned - 1).clamp(min=0)
        classes = labels.gather(1, owner).masked_fill(~matched, self.num_classes)
        targets = bbox_xyxy_to_cxcywh(boxes / frame).take_along_dim(owner[:, :, None], dim=1)
        weights = matched[:, :, None].to(boxes).expand_as(targets)
        count = int(matched.sum())
        return (
            list(classes),
            list(boxes.new_ones(assigned.shape)),
            list(targets * weights),
            list(weights),
            count,
            assigned.numel() - count,
        )


def matching_cost(
    costs: list,
    scores: Tensor,
    predicted: Tensor,
    boxes: Tensor,
    labels: Tensor,
    meta: dict,
) -> Tensor:
    """Sum of mmdet's costs of giving boxes to queries, for all images.

    Args:
        costs: Of ``CLASS_COSTS`` and ``BOX_COSTS``.
        scores: (b, q, c) logits.
        predicted: (b, q, 4) xyxy in pixels.
        boxes: (b, g, 4) xyxy in pixels.
        labels: (b, g) int64.
        meta: With the ``img_shape`` of all images.

    Returns:
        (b, q, g).
    """
    classes = InstanceData(labels=torch.arange(scores.shape[2], device=scores.device))
    queries = InstanceData(scores=scores.flatten(0, 1))
    found, truth = InstanceData(bboxes=predicted), InstanceData(bboxes=boxes)
    terms = []
    for cost in costs:
        if isinstance(cost, CLASS_COSTS):  # of every class, of which each box takes its own
            each = cost(queries, classes).unflatten(0, scores.shape[:2])
            terms.append(each.take_along_dim(labels[:, None], dim=2))
        else:
            terms.append(cost(found, truth, img_meta=meta))
    return torch.stack(terms).sum(dim=0)


@MODELS.register_module()
class BatchRPNHead(BatchAnchorTargets, RPNHead):
    """``mmdet.RPNHead`` that finds the targets of a batch at once.

    Args:
        in_channels, anchor_generator, ...: as in ``mmdet.RPNHead``.
    """


@MODELS.register_module()
class BatchFCOSHead(BatchPointTargets, FCOSHead):
    """``mmdet.FCOSHead`` that finds the targets of a batch at once.

    Args:
        num_classes, in_channels, ...: as in ``mmdet.FCOSHead``.
    """


@MODELS.register_module()
class BatchDeformableDETRHead(BatchQueryTargets, DeformableDETRHead):
    """``mmdet.DeformableDETRHead`` that finds the targets of a batch at once.

    Args:
        num_classes, embed_dims, ...: as in ``mmdet.DeformableDETRHead``.
    """
