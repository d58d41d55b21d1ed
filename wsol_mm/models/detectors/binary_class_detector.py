"""WEND's binary-class detector (Xu et al., ACM MM 2023): eta and boxes in the original frame."""

import torch
from mmdet.models.detectors import DeformableDETR, FasterRCNN, SingleStageDetector
from mmdet.structures import SampleList
from torch import Tensor, nn

from wsol_mm.functional.geometry import to_original_frame
from wsol_mm.registry import MODELS

UNSUPERVISED = "loss_we"


def scale_supervised(losses: dict, eta: float) -> dict:
    """Multiply every supervised loss by ``eta`` (eq. 4: ``eta * L_sup + L_unsup``).

    Args:
        losses: Tensors or lists of tensors, as mmdet's ``loss`` returns them. Supervised is every
            key that holds ``loss``, except ``loss_we`` itself and a stage's ``d0.loss_we``;
            other keys (``acc``) are only logged and stay as they are.
        eta: Factor.

    Returns:
        A new dict with the same keys.

    Example:
        >>> scale_supervised({"loss_rpn_cls": [2.0, 4.0], "loss_we": 1.0, "acc": 90.0}, 0.5)
        {'loss_rpn_cls': [1.0, 2.0], 'loss_we': 1.0, 'acc': 90.0}
    """
    scaled = {}
    for key, value in losses.items():
        if "loss" not in key or key.split(".")[-1] == UNSUPERVISED:
            scaled[key] = value
        elif isinstance(value, list | tuple):
            scaled[key] = [eta * item for item in value]
        else:
            scaled[key] = eta * value
    return scaled


def join_losses(parts: list[tuple[dict, float]]) -> dict:
    """Add the losses of the parts of one batch, supervised ones first.

    Args:
        parts: Losses of each part, scaled, and its share of the images. Supervised terms are added
            as they are, ``loss_we`` by share, other keys are the first part's.

    Returns:
        A dict with the first part's keys.

    Example:
        >>> whole, only = {"loss_cls": 2.0, "loss_we": 1.0}, {"loss_cls": 0.0, "loss_we": 5.0}
        >>> join_losses([(whole, 0.75), (only, 0.25)])
        {'loss_cls': 2.0, 'loss_we': 2.0}
    """
    first = parts[0][0]
    joined = {key: value for key, value in first.items() if "loss" not in key}
    for key in first:
        if key in joined:
            continue
        unsupervised = key.split(".")[-1] == UNSUPERVISED
        shares = [share if unsupervised else 1.0 for _, share in parts]
        values = [losses[key] for losses, _ in parts]
        if isinstance(values[0], list | tuple):
            joined[key] = [
                sum(share * value for share, value in zip(shares, row, strict=True))
                for row in zip(*values, strict=True)
            ]
        else:
            joined[key] = sum(share * v for share, v in zip(shares, values, strict=True))
    return {key: joined[key] for key in first}


class BinaryClassDetectorMixin:
    """What an mmdet detector needs to become WEND's; put it before the detector class.

    Args:
        eta: Weight of all supervised losses together, beside the heads' ``loss_we``; positive.

    Raises:
        ValueError: If ``eta`` is not positive.
    """

    def __init__(self, *args: object, eta: float = 1.0, **kwargs: object) -> None:
        if not eta > 0:
            raise ValueError(f"{type(self).__name__}: eta={eta} must be positive")
        super().__init__(*args, **kwargs)
        self.eta = eta

    def loss(self, batch_inputs: Tensor, batch_data_samples: SampleList) -> dict:
        """The parent's losses, the supervised ones times ``eta``.

        Images marked ``entropy_only`` (:class:`wsol_mm.BoxCrop`) enter ``loss_we`` alone: they
        make a pass of their own, whose supervised losses count nothing. Each pass's ``loss_we``
        weighs as many images as it saw.
        """
        only = [bool(sample.get("entropy_only", False)) for sample in batch_data_samples]
        if not any(only):
            return scale_supervised(super().loss(batch_inputs, batch_data_samples), self.eta)
        parts = []
        for wanted, eta in ((False, self.eta), (True, 0.0)):
            chosen = [index for index, value in enumerate(only) if value is wanted]
            if chosen:
                samples = [batch_data_samples[index] for index in chosen]
                losses = scale_supervised(super().loss(batch_inputs[chosen], samples), eta)
                parts.append((losses, len(chosen) / len(only)))
        return join_losses(parts)

    def predict(
        self, batch_inputs: Tensor, batch_data_samples: SampleList, rescale: bool = True
    ) -> SampleList:
        """Detections, by default in the original image's frame.

        mmdet undoes the resize only; here the recorded ``homography_matrix`` is undone, so a crop
        is too. Boxes are clipped to the image. Samples of a pipeline that records no homography
        are left to mmdet.

        Args:
            batch_inputs: (n, 3, h, w) normalised images.
            batch_data_samples: Their meta information.
            rescale: False keeps the boxes in the input frame.
        """
        recorded = all("homography_matrix" in sample for sample in batch_data_samples)
        if not (rescale and recorded):
            return super().predict(batch_inputs, batch_data_samples, rescale=rescale)
        samples = super().predict(batch_inputs, batch_data_samples, rescale=False)
        for sample in samples:
            boxes = sample.pred_instances.bboxes
            moved = to_original_frame(
                boxes.cpu().numpy(), sample.homography_matrix, sample.ori_shape[:2]
            )
            sample.pred_instances.bboxes = boxes.new_tensor(moved)
        return samples


@MODELS.register_module()
class BCDFasterRCNN(BinaryClassDetectorMixin, FasterRCNN):
    """``mmdet.FasterRCNN`` as a binary-class detector.

    Args:
        eta: See :class:`BinaryClassDetectorMixin`.
        backbone, rpn_head, roi_head, ...: as in ``mmdet.FasterRCNN``.
    """


@MODELS.register_module()
class BCDSingleStageDetector(BinaryClassDetectorMixin, SingleStageDetector):
    """Any single-stage detector of mmdet (RetinaNet, FCOS, ...) as a binary-class detector.

    With ``wsol_mm.SingleClassRegressionHead`` it is SCR, the baseline with one box per image.

    Args:
        eta: See :class:`BinaryClassDetectorMixin`.
        backbone, neck, bbox_head, ...: as in ``mmdet.SingleStageDetector``.
    """


@MODELS.register_module()
class BCDDeformableDETR(BinaryClassDetectorMixin, DeformableDETR):
    """``mmdet.DeformableDETR`` as a binary-class detector.

    Args:
        eta: See :class:`BinaryClassDetectorMixin`.
        backbone, neck, encoder, ...: as in ``mmdet.DeformableDETR``.
    """

    def _init_layers(self) -> None:
        super()._init_layers()
        # mmdet leaves raw memory here until init_weights, and on the CPU whatever the device
        self.level_embed = nn.Parameter(torch.randn(self.num_feature_levels, self.embed_dims))
