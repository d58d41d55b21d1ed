"""CLN's first stage (UniDetector: Wang et al., CVPR 2023; OLN: Kim et al., RA-L 2022)."""

import torch
from mmdet.structures.bbox import bbox_overlaps, get_box_tensor
from mmdet.utils import InstanceList
from torch import Tensor
from torch.nn import functional

from wsol_mm.functional.assigning import pad_rows
from wsol_mm.models.dense_heads.batch_targets import BatchRPNHead
from wsol_mm.registry import MODELS


def anchor_centerness(
    anchors: Tensor, boxes: Tensor, present: Tensor, min_iou: float
) -> tuple[Tensor, Tensor]:
    """How central each anchor's centre lies in the box it overlaps most.

    Args:
        anchors: (n, 4) xyxy.
        boxes: (b, m, 4) xyxy of b images.
        present: (b, m) bool, False for padding, which follows the boxes.
        min_iou: Anchors below this IoU with all boxes have no target.

    Returns:
        ``(centerness, has_target)``, (b, n) float in [0, 1] and (b, n) bool. Centerness is
        ``sqrt(min(l, r) / max(l, r) * min(t, b) / max(t, b))`` of the distances to the four sides,
        0 outside the box and in images without boxes.

    Example:
        >>> anchors = torch.tensor([[0.0, 0, 10, 10], [0, 4, 10, 14], [50, 50, 60, 60]])
        >>> boxes = torch.tensor([[[0.0, 0, 10, 10]]])
        >>> anchor_centerness(anchors, boxes, torch.tensor([[True]]), 0.3)
        (tensor([[1.0000, 0.3333, 0.0000]]), tensor([[ True,  True, False]]))
    """
    overlaps = bbox_overlaps(anchors.expand(len(boxes), -1, -1), boxes)
    overlap, best = overlaps.masked_fill(~present[:, None], -1).max(dim=2)
    owner = boxes.take_along_dim(best[:, :, None], dim=1)
    centre = (anchors[:, :2] + anchors[:, 2:]) / 2
    before = (centre - owner[..., :2]).clamp(min=0)
    behind = (owner[..., 2:] - centre).clamp(min=0)
    ratios = torch.minimum(before, behind) / torch.maximum(before, behind)
    known = present.any(dim=1, keepdim=True)
    return torch.where(known, ratios.prod(dim=2).sqrt(), 0), (overlap >= min_iou) & known


@MODELS.register_module()
class CLNRPNHead(BatchRPNHead):
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
        padded = pad_rows([get_box_tensor(found.bboxes) for found in batch_gt_instances])
        targets, learn = anchor_centerness(anchors, *padded, self.min_quality_iou)
        logits = torch.cat([s.permute(0, 2, 3, 1).flatten(1) for s in cls_scores], dim=1)
        quality = self.loss_quality(
            logits[learn].sigmoid(),
            targets[learn],
            avg_factor=learn.sum().clamp(min=1),
        )
        return {"loss_rpn_quality": quality, "loss_rpn_bbox": boxes}
