"""CLN's first stage (UniDetector: Wang et al., CVPR 2023; OLN: Kim et al., RA-L 2022)."""

import torch
from mmdet.models.dense_heads import RPNHead
from mmdet.structures.bbox import bbox_overlaps, get_box_tensor
from mmdet.utils import InstanceList
from torch import Tensor
from torch.nn import functional

from wsol_mm.registry import MODELS


def anchor_centerness(anchors: Tensor, boxes: Tensor, min_iou: float) -> tuple[Tensor, Tensor]:
    """How central each anchor's centre lies in the box it overlaps most.

    Args:
        anchors: (n, 4) xyxy.
        boxes: (m, 4) xyxy, m may be 0.
        min_iou: Anchors below this IoU with all boxes have no target.

    Returns:
        ``(centerness, has_target)``, (n,) float in [0, 1] and (n,) bool. Centerness is
        ``sqrt(min(l, r) / max(l, r) * min(t, b) / max(t, b))`` of the distances to the four sides,
        0 outside the box.

    Example:
        >>> anchors = torch.tensor([[0.0, 0, 10, 10], [0, 4, 10, 14], [50, 50, 60, 60]])
        >>> anchor_centerness(anchors, torch.tensor([[0.0, 0, 10, 10]]), 0.3)
        (tensor([1.0000, 0.3333, 0.0000]), tensor([ True,  True, False]))
    """
    if not len(boxes):
        return anchors.new_zeros(len(anchors)), anchors.new_zeros(len(anchors), dtype=torch.bool)
    overlap, best = bbox_overlaps(anchors, boxes).max(dim=1)
    centre = (anchors[:, :2] + anchors[:, 2:]) / 2
    before = (centre - boxes[best, :2]).clamp(min=0)
    behind = (boxes[best, 2:] - centre).clamp(min=0)
    ratios = torch.minimum(before, behind) / torch.maximum(before, behind)
    return ratios.prod(dim=1).sqrt(), overlap >= min_iou


@MODELS.register_module()
class CLNRPNHead(RPNHead):
    """Proposals ranked by how well they lie, not by a class.

    A 3x3 layer whose output is normalised over channels, then distances to the four sides (take
    ``TBLRBBoxCoder``, ``reg_decoded_bbox`` and a linear ``IoULoss``) and one number, the
    localization quality: its sigmoid learns the centerness of the anchor and stands where
    ``mmdet.RPNHead`` has its class score, so there is no ``loss_cls``.

    Args:
        loss_quality: Loss between predicted and true centerness, (n,) each.
        min_quality_iou: Only anchors with this IoU with a box learn their quality.
        in_channels, feat_channels, ...: as in ``mmdet.RPNHead``, without ``loss_cls``.
    """

    def __init__(
        self,
        *args: object,
        loss_quality: dict,
        min_quality_iou: float = 0.3,
        **kwargs: object,
    ) -> None:
        # the parent classifies with weight 0: one sigmoid channel, its loss is not reported
        loss_cls = dict(type="mmdet.CrossEntropyLoss", use_sigmoid=True, loss_weight=0.0)
        super().__init__(*args, loss_cls=loss_cls, **kwargs)
        self.loss_quality = MODELS.build(loss_quality)
        self.min_quality_iou = min_quality_iou

    def forward_single(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Quality logits (n, a, h, w) and distances (n, 4 a, h, w) of one feature map."""
        x = functional.normalize(self.rpn_conv(x).relu(), dim=1)
        return self.rpn_cls(x), self.rpn_reg(x)

    def loss_by_feat(
        self,
        cls_scores: list[Tensor],
        bbox_preds: list[Tensor],
        batch_gt_instances: InstanceList,
        batch_img_metas: list[dict],
        batch_gt_instances_ignore: InstanceList | None = None,
    ) -> dict:
        """``loss_rpn_bbox`` as in ``mmdet.RPNHead``, and ``loss_rpn_quality``."""
        boxes = super().loss_by_feat(
            cls_scores, bbox_preds, batch_gt_instances, batch_img_metas, batch_gt_instances_ignore
        )["loss_rpn_bbox"]
        sizes = [score.shape[-2:] for score in cls_scores]
        levels = self.prior_generator.grid_priors(sizes, device=cls_scores[0].device)
        anchors = get_box_tensor(torch.cat(levels))
        targets, learn = zip(
            *(
                anchor_centerness(anchors, get_box_tensor(found.bboxes), self.min_quality_iou)
                for found in batch_gt_instances
            ),
            strict=True,
        )
        learn = torch.stack(learn)
        logits = torch.cat([s.permute(0, 2, 3, 1).flatten(1) for s in cls_scores], dim=1)
        quality = self.loss_quality(
            logits[learn].sigmoid(),
            torch.stack(targets)[learn],
            avg_factor=learn.sum().clamp(min=1),
        )
        return {"loss_rpn_quality": quality, "loss_rpn_bbox": boxes}
