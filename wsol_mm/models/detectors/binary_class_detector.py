"""WEND's binary-class detector (Xu et al., ACM MM 2023): any detector, eta, weighted entropy."""

import torch
from mmdet.models.detectors.base import BaseDetector
from mmdet.models.utils import reweight_loss_dict
from mmdet.structures import OptSampleList, SampleList
from mmdet.utils import reduce_mean
from torch import Tensor, nn

from wsol_mm.functional.geometry import to_original_frame
from wsol_mm.models.detectors.entropy_sources import Samples, entropy_source
from wsol_mm.registry import MODELS


def chosen(images: Tensor, samples: SampleList, indices: list[int]) -> tuple[Tensor, SampleList]:
    """These images of a batch and their samples; the first image where there are none."""
    if len(indices) == len(samples):
        return images, samples
    indices = indices or [0]
    return images[indices], [samples[index] for index in indices]


def joined(stage: Samples, logits: Tensor) -> Samples:
    """A stage with further samples, which no box teaches: (m, C) logits."""
    counted = torch.cat([stage.counted, stage.counted.new_ones(len(logits))])
    return Samples(torch.cat([stage.logits, logits]), counted, stage.positives)


@MODELS.register_module()
class BinaryClassDetector(BaseDetector):
    """A detector trained on pseudo boxes of one class: ``eta * L_sup + L_unsup`` (eq. 4).

    Every loss of the detector is supervised and is multiplied by ``eta``; the entropy is computed
    here, from the logits that its ``loss_cls`` saw, and reported as ``loss_we``.

    Args:
        detector: Config of any detector of mmdet, its ``data_preprocessor`` included.
        eta: Weight of all supervised losses together; positive.
        loss_we: Config of the entropy, for example
            ``dict(type='wsol_mm.WeightedEntropyLoss', gamma=6, alpha=0.1, tau1=0.3, tau2=0.3)``;
            None for the detector's own losses. ``use_sigmoid`` follows ``loss_cls``. The heads that
            it knows are listed in ``wsol_mm.models.detectors.entropy_sources``.
        frozen_backbone: Keep the detector's backbone as its weights are, statistics of batch norm
            included (Table 6), whether or not it has ``frozen_stages`` of its own.
        init_cfg: As in ``mmengine.model.BaseModule``.

    Raises:
        ValueError: If ``eta`` is not positive, ``loss_we.use_sigmoid`` contradicts ``loss_cls``, or
            ``loss_we`` is asked of a head that is not in the list.
    """

    def __init__(
        self,
        detector: dict,
        eta: float = 1.0,
        loss_we: dict | None = None,
        frozen_backbone: bool = False,
        init_cfg: dict | list | None = None,
    ) -> None:
        if not eta > 0:
            raise ValueError(f"BinaryClassDetector: eta={eta} must be positive")
        detector = dict(detector)
        super().__init__(detector.pop("data_preprocessor", None), init_cfg)
        self.detector = MODELS.build(detector)
        if hasattr(self.detector, "level_embed"):
            # mmdet leaves raw memory here until init_weights
            nn.init.normal_(self.detector.level_embed)
        self.eta = eta
        self.frozen_backbone = frozen_backbone
        if frozen_backbone:
            self.detector.backbone.requires_grad_(False)
        self.loss_we: nn.Module | None = None
        if loss_we is None:
            return
        self.source = entropy_source(self.detector)
        use_sigmoid = bool(self.source.recorded.use_sigmoid)
        if loss_we.get("use_sigmoid", use_sigmoid) != use_sigmoid:
            raise ValueError(
                f"BinaryClassDetector: loss_we.use_sigmoid={loss_we['use_sigmoid']} but the "
                f"detector's loss_cls.use_sigmoid={use_sigmoid}; both read the same logits: leave "
                f"it out"
            )
        self.loss_we = MODELS.build({**loss_we, "use_sigmoid": use_sigmoid})

    def train(self, mode: bool = True) -> "BinaryClassDetector":
        """As of the parent, a frozen backbone always in evaluation mode."""
        super().train(mode)
        if self.frozen_backbone:
            self.detector.backbone.eval()
        return self

    def extract_feat(self, batch_inputs: Tensor) -> tuple[Tensor, ...]:
        """The detector's features."""
        return self.detector.extract_feat(batch_inputs)

    def _forward(self, batch_inputs: Tensor, batch_data_samples: OptSampleList = None) -> tuple:
        return self.detector._forward(batch_inputs, batch_data_samples)

    def loss(self, batch_inputs: Tensor, batch_data_samples: SampleList) -> dict:
        """The detector's losses times ``eta``, and ``loss_we``.

        Images marked ``entropy_only`` (:class:`wsol_mm.BoxCrop`) enter ``loss_we`` alone. Whatever
        its images are, a process makes the passes that the others make and exchanges as many
        numbers: where it has no image for a pass, one that counts nothing.

        Args:
            batch_inputs: (n, 3, h, w) normalised images.
            batch_data_samples: Their boxes and meta information.
        """
        only = [bool(sample.get("entropy_only", False)) for sample in batch_data_samples]
        taught = [index for index, value in enumerate(only) if not value]
        unseen = [index for index, value in enumerate(only) if value]
        images, samples = chosen(batch_inputs, batch_data_samples, taught)
        losses = reweight_loss_dict(
            self.detector.loss(images, samples), self.eta if taught else 0.0
        )
        if self.loss_we is None:
            return losses
        stages = self.source.taught()
        if not taught:
            stages = [Samples(s.logits[:0], s.counted[:0], 0 * s.positives) for s in stages]
        boxed = sum(len(sample.gt_instances) > 0 for sample in batch_data_samples)
        counts = batch_inputs.new_tensor([stages[0].positives, boxed, len(only), len(unseen)])
        positives, boxed, total, elsewhere = reduce_mean(counts).tolist()
        if elsewhere:
            images, samples = chosen(batch_inputs, batch_data_samples, unseen)
            logits = self.source.unseen(self.extract_feat(images), samples)
            stages = [
                joined(stage, rows if unseen else rows[:0])
                for stage, rows in zip(stages, logits, strict=True)
            ]
        expected = max(positives, 1.0) * total / boxed if boxed else None
        return {**losses, "loss_we": self.entropy(stages, expected)}

    def entropy(self, stages: list[Samples], expected: float | None) -> Tensor:
        """``loss_we``, summed over stages.

        An image without boxes has samples but no positives; where the loss is divided by positives
        it is held to have as many as the mean image with boxes of all processes. Where no process
        has a box, samples are counted instead.

        Args:
            stages: All samples of this process.
            expected: Positives of all its images, those without boxes held to have some; None
                where there is no box.

        Returns:
            Scalar.
        """
        terms = [
            self.loss_we(
                stage.logits,
                weight=stage.counted,
                avg_factor=expected if self.source.per_positive else None,
                num_pos=stage.counted.sum() if expected is None else expected,
            )
            for stage in stages
        ]
        return torch.stack(terms).sum()

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
            return self.detector.predict(batch_inputs, batch_data_samples, rescale=rescale)
        samples = self.detector.predict(batch_inputs, batch_data_samples, rescale=False)
        for sample in samples:
            boxes = sample.pred_instances.bboxes
            moved = to_original_frame(
                boxes.cpu().numpy(), sample.homography_matrix, sample.ori_shape[:2]
            )
            sample.pred_instances.bboxes = boxes.new_tensor(moved)
        return samples
