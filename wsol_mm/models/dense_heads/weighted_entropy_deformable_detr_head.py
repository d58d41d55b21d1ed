"""mmdet's Deformable DETR head with WEND's weighted-entropy term."""

from mmdet.models.dense_heads import DeformableDETRHead
from torch import Tensor

from wsol_mm.models.dense_heads.batch_targets import BatchQueryTargets
from wsol_mm.models.dense_heads.weighted_entropy_dense_heads import WeightedEntropyDenseMixin
from wsol_mm.models.losses.weighted_entropy_mixin import LossCall
from wsol_mm.registry import MODELS


@MODELS.register_module()
class WEDeformableDETRHead(WeightedEntropyDenseMixin, BatchQueryTargets, DeformableDETRHead):
    """``mmdet.DeformableDETRHead`` that also takes ``loss_we``.

    ``loss_we`` is the sum over all decoder stages, as mmdet sums their other losses; each stage
    counts every query and is divided as its classification loss is.

    Args:
        loss_we: See :class:`wsol_mm.models.losses.WeightedEntropyMixin`.
        num_classes, embed_dims, ...: as in ``mmdet.DeformableDETRHead``.
    """

    def weighted_entropy(self, calls: list[LossCall]) -> Tensor:
        """Entropy of every decoder stage, summed.

        Args:
            calls: One for each decoder stage, then, with ``as_two_stage``, one for the encoder's
                proposals, which are left out.

        Returns:
            Scalar.
        """
        stages = calls[:-1] if self.as_two_stage else calls
        return sum(super(WEDeformableDETRHead, self).weighted_entropy([call]) for call in stages)
