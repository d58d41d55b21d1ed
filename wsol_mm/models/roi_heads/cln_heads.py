"""CLN's second stage: a class-agnostic classifier beside a box-quality score.

UniDetector, Wang et al., CVPR 2023.
"""

import torch
from mmdet.models.roi_heads.bbox_heads import Shared2FCBBoxHead
from mmdet.models.task_modules.samplers import SamplingResult
from mmdet.structures.bbox import bbox2roi, bbox_overlaps, get_box_tensor
from mmdet.utils import InstanceList
from mmengine.config import ConfigDict
from torch import Tensor, nn

from wsol_mm.models.roi_heads.batch_roi_head import BatchRoIHead
from wsol_mm.registry import MODELS


@MODELS.register_module()
class CLNBBoxHead(Shared2FCBBoxHead):
    """``mmdet.Shared2FCBBoxHead`` with a third output, the quality of the proposal.

    Args:
        loss_quality: Loss between the quality's sigmoid and the IoU of a positive proposal with its
            box, (n,) each.
        score_exponent: ``a`` in ``p^a (o q)^(1 - a)``: foreground probability p, the RPN's quality
            o and this head's q. The default is UniDetector's.
        fc_out_channels, num_classes, ...: as in ``mmdet.Shared2FCBBoxHead``.

    Raises:
        ValueError: ``score_exponent`` is outside [0, 1].
    """

    def __init__(
        self,
        *args: object,
        loss_quality: dict,
        score_exponent: float = 0.3,
        **kwargs: object,
    ) -> None:
        if not 0 <= score_exponent <= 1:
            raise ValueError(f"CLNBBoxHead: score_exponent={score_exponent} must be in [0, 1]")
        super().__init__(*args, **kwargs)
        self.fc_quality = nn.Linear(self.reg_last_dim, 1)
        self.init_cfg.append(dict(type="Normal", std=0.01, override=dict(name="fc_quality")))
        self.loss_quality = MODELS.build(loss_quality)
        self.score_exponent = score_exponent

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Class logits (n, 2), box deltas (n, 4) and quality logits (n,) of RoI features."""
        x = x.flatten(1)
        for layer in self.shared_fcs:
            x = layer(x).relu()
        return self.fc_cls(x), self.fc_reg(x), self.fc_quality(x)[:, 0]

    def quality_loss(self, quality: Tensor, sampling_results: list[SamplingResult]) -> Tensor:
        """Loss of the positive proposals' quality, divided by all samples as the box loss is.

        Args:
            quality: (n,) logits, each image's positives before its negatives.
            sampling_results: Of each image.
        """
        positive = torch.cat(
            [
                torch.arange(len(found.priors), device=quality.device) < len(found.pos_priors)
                for found in sampling_results
            ]
        )
        targets = [
            bbox_overlaps(
                get_box_tensor(found.pos_priors),
                get_box_tensor(found.pos_gt_bboxes),
                is_aligned=True,
            )
            for found in sampling_results
        ]
        return self.loss_quality(
            quality[positive].sigmoid(), torch.cat(targets), avg_factor=max(len(quality), 1)
        )

    def scores(self, cls_score: Tensor, quality: Tensor, objectness: Tensor) -> Tensor:
        """Weighted geometric mean of what the three branches say.

        Args:
            cls_score: (n, 2) class logits.
            quality: (n,) quality logits.
            objectness: (n,) the RPN's quality, in [0, 1].

        Returns:
            (n,) in [0, 1].
        """
        foreground = cls_score.softmax(dim=1)[:, 0]
        located = objectness * quality.sigmoid()
        return foreground**self.score_exponent * located ** (1 - self.score_exponent)


@MODELS.register_module()
class CLNRoIHead(BatchRoIHead):
    """``wsol_mm.BatchRoIHead`` that trains the box quality and ranks by it.

    Args:
        bbox_head: A :class:`CLNBBoxHead`.
        bbox_roi_extractor, train_cfg, ...: as in ``mmdet.StandardRoIHead``.
    """

    def _bbox_forward(self, x: tuple[Tensor, ...], rois: Tensor) -> dict:
        features = self.bbox_roi_extractor(x[: self.bbox_roi_extractor.num_inputs], rois)
        cls_score, bbox_pred, quality = self.bbox_head(features)
        return {
            "cls_score": cls_score,
            "bbox_pred": bbox_pred,
            "quality": quality,
            "bbox_feats": features,
        }

    def bbox_loss(self, x: tuple[Tensor, ...], sampling_results: list) -> dict:
        """As the parent's, with ``loss_quality`` among the losses."""
        results = super().bbox_loss(x, sampling_results)
        quality = self.bbox_head.quality_loss(results["quality"], sampling_results)
        results["loss_bbox"]["loss_quality"] = quality
        return results

    def predict_bbox(
        self,
        x: tuple[Tensor, ...],
        batch_img_metas: list[dict],
        rpn_results_list: InstanceList,
        rcnn_test_cfg: ConfigDict,
        rescale: bool = False,
    ) -> InstanceList:
        """As the parent's, with :meth:`CLNBBoxHead.scores` for scores."""
        proposals = [found.bboxes for found in rpn_results_list]
        rois = bbox2roi(proposals)
        if not len(rois):
            return super().predict_bbox(
                x, batch_img_metas, rpn_results_list, rcnn_test_cfg, rescale
            )
        results = self._bbox_forward(x, rois)
        score = self.bbox_head.scores(
            results["cls_score"],
            results["quality"],
            torch.cat([found.scores for found in rpn_results_list]),
        )
        # the post-processing takes logits: these have (score, 1 - score) as their softmax
        logits = torch.stack([score, 1 - score], dim=1).clamp(min=torch.finfo(score.dtype).tiny)
        sizes = [len(boxes) for boxes in proposals]
        return self.bbox_head.predict_by_feat(
            rois.split(sizes),
            logits.log().split(sizes),
            results["bbox_pred"].split(sizes),
            batch_img_metas,
            rcnn_test_cfg,
            rescale,
        )
