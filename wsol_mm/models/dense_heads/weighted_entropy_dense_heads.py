"""mmdet's dense heads with WEND's weighted-entropy term."""

from mmdet.models.dense_heads import FCOSHead, RetinaHead

from wsol_mm.models.dense_heads.batch_targets import BatchAnchorTargets, BatchPointTargets
from wsol_mm.models.losses import WeightedEntropyMixin
from wsol_mm.registry import MODELS


class WeightedEntropyDenseMixin(WeightedEntropyMixin):
    """For dense heads of mmdet: entropy of every anchor or point, all levels together."""

    def loss_by_feat(self, *args: object, **kwargs: object) -> dict:
        """The parent's losses plus ``loss_we``; arguments as in the parent's method."""
        return self.with_loss_we(super().loss_by_feat, *args, **kwargs)


@MODELS.register_module()
class WERetinaHead(WeightedEntropyDenseMixin, BatchAnchorTargets, RetinaHead):
    """``mmdet.RetinaHead`` that also takes ``loss_we``.

    Anchors that the assigner leaves out of the classification loss are left out here too.

    Args:
        loss_we: See :class:`wsol_mm.models.losses.WeightedEntropyMixin`.
        num_classes, in_channels, ...: as in ``mmdet.RetinaHead``.
    """


@MODELS.register_module()
class WEFCOSHead(WeightedEntropyDenseMixin, BatchPointTargets, FCOSHead):
    """``mmdet.FCOSHead`` that also takes ``loss_we`` (WEND's FCOS).

    Args:
        loss_we: See :class:`wsol_mm.models.losses.WeightedEntropyMixin`.
        num_classes, in_channels, ...: as in ``mmdet.FCOSHead``.
    """
