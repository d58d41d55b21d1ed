"""Where the weighted entropy finds a detector's foreground logits: one class per kind of head."""

from typing import ClassVar, NamedTuple

import torch
from mmdet.models.dense_heads import (
    ATSSHead,
    DeformableDETRHead,
    DINOHead,
    FCOSHead,
    RetinaHead,
    RTMDetHead,
    RTMDetSepBNHead,
)
from mmdet.models.losses import CrossEntropyLoss, FocalLoss, QualityFocalLoss
from mmdet.models.roi_heads import StandardRoIHead
from mmdet.models.roi_heads.bbox_heads import (
    BBoxHead,
    ConvFCBBoxHead,
    Shared2FCBBoxHead,
    Shared4Conv1FCBBoxHead,
)
from mmdet.structures import SampleList
from mmdet.structures.bbox import bbox2roi
from torch import Tensor, nn

from wsol_mm.models.dense_heads import BatchDeformableDETRHead, BatchFCOSHead
from wsol_mm.models.losses import LossCall, RecordedLoss
from wsol_mm.models.roi_heads import BatchRoIHead, CLNBBoxHead, CLNRoIHead


class Samples(NamedTuple):
    """Samples that one classification loss has seen.

    Attributes:
        logits: (n, C).
        counted: (n,) float, 1 for those that the loss counted and 0 for those it left out.
        positives: Scalar tensor, how many have a foreground label; the sum of their qualities
            where the loss learns a quality, as that is what mmdet divides by there.
    """

    logits: Tensor
    counted: Tensor
    positives: Tensor


class EntropySource:
    """Base of the kinds; records the head's ``loss_cls``.

    Args:
        detector: The detector; its head's ``loss_cls`` becomes a :class:`RecordedLoss`.

    Attributes:
        heads: The types of head that are covered, by themselves and not their children: a child
            may call its loss in another order, or for something else.
        losses: The types of ``loss_cls`` that are covered.
        per_positive: Whether ``loss_cls`` is divided by the number of positives, and not by that of
            samples.
    """

    heads: ClassVar[tuple[type, ...]]
    losses: ClassVar[tuple[type, ...]] = (CrossEntropyLoss, FocalLoss)
    per_positive: ClassVar[bool] = True

    def __init__(self, detector: nn.Module) -> None:
        self.detector = detector
        self.head = self.head_of(detector)
        self.recorded = RecordedLoss(self.head.loss_cls)
        self.head.loss_cls = self.recorded

    @classmethod
    def head_of(cls, detector: nn.Module) -> nn.Module | None:
        """The module whose ``loss_cls`` sees the logits, or None if the detector has none."""
        return getattr(detector, "bbox_head", None)

    @classmethod
    def covers(cls, detector: nn.Module) -> bool:
        """Whether this kind knows the detector's head and its loss."""
        head = cls.head_of(detector)
        return type(head) in cls.heads and type(head.loss_cls) in cls.losses

    def taught(self) -> list[Samples]:
        """Samples of the supervised pass that has just been made, for each stage."""
        raise TypeError(f"{type(self).__name__} must define taught")

    def unseen(self, feats: tuple[Tensor, ...], samples: SampleList) -> list[Tensor]:
        """(n, C) logits of images that no box teaches, for each stage.

        Args:
            feats: Their features, as ``extract_feat`` gives them.
            samples: Their meta information.
        """
        raise TypeError(f"{type(self).__name__} must define unseen")

    def samples(self, calls: list[LossCall]) -> Samples:
        """Join calls that share a stage, as the levels of a pyramid do."""
        logits, counted, positives = [], [], []
        for call in calls:
            labels, quality = call.target if isinstance(call.target, tuple) else (call.target, None)
            positive = (labels >= 0) & (labels < self.head.num_classes)
            weight = torch.ones_like(labels) if call.weight is None else call.weight > 0
            logits.append(call.cls_score)
            counted.append(weight.float())
            positives.append(positive.sum() if quality is None else quality[positive].sum())
        return Samples(torch.cat(logits), torch.cat(counted), torch.stack(positives).sum())


class DenseSource(EntropySource):
    """Anchor and point heads: every anchor or point, all levels together."""

    heads = (ATSSHead, BatchFCOSHead, FCOSHead, RetinaHead, RTMDetHead, RTMDetSepBNHead)
    losses = (CrossEntropyLoss, FocalLoss, QualityFocalLoss)

    def taught(self) -> list[Samples]:
        """One stage; anchors that the assigner leaves out do not count."""
        return [self.samples(self.recorded.take())]

    def unseen(self, feats: tuple[Tensor, ...], samples: SampleList) -> list[Tensor]:
        """One stage, every anchor or point."""
        channels = self.head.cls_out_channels
        levels = self.head(feats)[0]
        return [torch.cat([lv.permute(0, 2, 3, 1).reshape(-1, channels) for lv in levels])]


class QuerySource(EntropySource):
    """DETR's family: every query at every decoder stage."""

    heads = (BatchDeformableDETRHead, DeformableDETRHead, DINOHead)

    def taught(self) -> list[Samples]:
        """The decoder's stages; an encoder's proposals and denoising queries come after them."""
        stages = self.recorded.take()[: self.detector.decoder.num_layers]
        return [self.samples([call]) for call in stages]

    def unseen(self, feats: tuple[Tensor, ...], samples: SampleList) -> list[Tensor]:
        """The decoder's stages."""
        found = self.detector.forward_transformer(feats, samples)
        scores = self.head(found["hidden_states"], found["references"])[0]
        # denoising queries stand in front
        return [stage[:, -self.detector.num_queries :].flatten(0, 1) for stage in scores]


class RoISource(EntropySource):
    """Two-stage detectors: the sampled RoIs of the second stage."""

    heads = (BBoxHead, CLNBBoxHead, ConvFCBBoxHead, Shared2FCBBoxHead, Shared4Conv1FCBBoxHead)
    roi_heads: ClassVar[tuple[type, ...]] = (BatchRoIHead, CLNRoIHead, StandardRoIHead)
    per_positive = False

    @classmethod
    def head_of(cls, detector: nn.Module) -> nn.Module | None:
        """The RoI head's box head, where there is one stage."""
        roi_head = getattr(detector, "roi_head", None)
        known = type(roi_head) in cls.roi_heads and detector.with_rpn
        return roi_head.bbox_head if known else None

    def taught(self) -> list[Samples]:
        """One stage."""
        return [self.samples(self.recorded.take())]

    def unseen(self, feats: tuple[Tensor, ...], samples: SampleList) -> list[Tensor]:
        """One stage, of each image as many random proposals as are sampled with boxes."""
        detector, number = self.detector, self.detector.roi_head.bbox_sampler.num
        cfg = detector.train_cfg.get("rpn_proposal", detector.test_cfg.rpn)
        with torch.no_grad():
            found = detector.rpn_head.predict_by_feat(
                *detector.rpn_head(feats),
                batch_img_metas=[sample.metainfo for sample in samples],
                cfg=cfg,
            )
        drawn = [boxes.bboxes[torch.randperm(len(boxes))[:number]] for boxes in found]
        return [detector.roi_head._bbox_forward(feats, bbox2roi(drawn))["cls_score"]]


KINDS: tuple[type[EntropySource], ...] = (DenseSource, QuerySource, RoISource)


def entropy_source(detector: nn.Module) -> EntropySource:
    """The kind of a detector's head.

    Args:
        detector: Built from mmdet's or this package's parts.

    Raises:
        ValueError: If no kind covers its head, or its head's ``loss_cls``.
    """
    for kind in KINDS:
        if kind.covers(detector):
            return kind(detector)
    heads = [kind.head_of(detector) for kind in KINDS]
    head = next((found for found in heads if found is not None), detector)
    loss = type(getattr(head, "loss_cls", None)).__name__
    known = sorted(owner.__name__ for kind in KINDS for owner in kind.heads)
    raise ValueError(
        f"BinaryClassDetector: where the entropy of {type(head).__name__} with {loss} as loss_cls "
        f"comes from is not known; use one of {', '.join(known)} with mmdet's own loss_cls, "
        f"or loss_we=None"
    )
