"""mmdet's RoI head with the targets of a batch found at once."""

from mmdet.models.roi_heads import StandardRoIHead
from mmdet.models.utils import unpack_gt_instances
from mmdet.structures import SampleList
from mmdet.structures.bbox import bbox2roi
from mmdet.utils import InstanceList
from torch import Tensor

from wsol_mm.functional.assigning import pad_rows
from wsol_mm.models.task_modules import BatchSamplingResult, can_batch, sample_batch
from wsol_mm.registry import MODELS


@MODELS.register_module()
class BatchRoIHead(StandardRoIHead):
    """``mmdet.StandardRoIHead`` that assigns and samples the proposals of all images at once.

    Covers what :func:`wsol_mm.models.task_modules.can_batch` accepts, and boxes without masks; the
    rest is left to the parent. Losses are means over the batch, whose RoIs stand in another order:
    positives first.

    Args:
        bbox_roi_extractor, bbox_head, train_cfg, ...: as in ``mmdet.StandardRoIHead``.
    """

    def loss(
        self, x: tuple[Tensor, ...], rpn_results_list: InstanceList, batch_data_samples: SampleList
    ) -> dict:
        """Losses of the second stage; arguments as in ``mmdet.StandardRoIHead``."""
        if self.with_mask or not can_batch(self.bbox_assigner, self.bbox_sampler):
            return super().loss(x, rpn_results_list, batch_data_samples)
        boxes, ignored, _ = unpack_gt_instances(batch_data_samples)
        priors, present = pad_rows([found.bboxes for found in rpn_results_list])
        found = sample_batch(self.bbox_assigner, self.bbox_sampler, priors, boxes, ignored, present)
        return self.bbox_loss(x, [found])["loss_bbox"]

    def bbox_loss(self, x: tuple[Tensor, ...], sampling_results: list) -> dict:
        """Outputs of the box head, and its losses under ``loss_bbox``.

        Args:
            x: Feature maps.
            sampling_results: mmdet's, one for each image, or one ``BatchSamplingResult``.
        """
        first = sampling_results[0]
        if isinstance(first, BatchSamplingResult):
            rois = first.rois
        else:
            rois = bbox2roi([found.priors for found in sampling_results])
        results = self._bbox_forward(x, rois)
        found = self.bbox_head.loss_and_target(
            results["cls_score"], results["bbox_pred"], rois, sampling_results, self.train_cfg
        )
        return {**results, "loss_bbox": found["loss_bbox"]}
