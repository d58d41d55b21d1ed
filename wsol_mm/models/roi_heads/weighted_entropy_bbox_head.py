"""mmdet's box head with WEND's weighted-entropy term."""

from mmdet.models.roi_heads.bbox_heads import Shared2FCBBoxHead

from wsol_mm.models.losses import WeightedEntropyMixin
from wsol_mm.registry import MODELS


class WeightedEntropyBBoxMixin(WeightedEntropyMixin):
    """For any ``mmdet.BBoxHead``: entropy of the sampled RoIs' class scores."""

    def loss(self, *args: object, **kwargs: object) -> dict:
        """The parent's losses plus ``loss_we``; arguments as in ``mmdet.BBoxHead.loss``."""
        return self.with_loss_we(super().loss, *args, **kwargs)


@MODELS.register_module()
class WEShared2FCBBoxHead(WeightedEntropyBBoxMixin, Shared2FCBBoxHead):
    """``mmdet.Shared2FCBBoxHead`` that also takes ``loss_we`` (WEND's Faster R-CNN).

    Args:
        loss_we: See :class:`wsol_mm.models.losses.WeightedEntropyMixin`.
        fc_out_channels, num_classes, ...: as in ``mmdet.Shared2FCBBoxHead``.
    """
