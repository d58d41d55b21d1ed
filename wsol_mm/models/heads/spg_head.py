"""SPG: branches that learn a foreground mask from what the network itself is sure about."""

from typing import Any

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from wsol_mm.functional.adversarial_erasing import minmax_maps
from wsol_mm.functional.cam import class_activation_maps
from wsol_mm.models.heads.cam_head import CAMHead
from wsol_mm.models.heads.localizer_head import target_labels
from wsol_mm.models.precision import full_precision
from wsol_mm.registry import MODELS


@MODELS.register_module()
class SPGHead(CAMHead):
    """Self-produced guidance (Zhang et al., ECCV 2018), as the reference benchmark has it.

    Scores and maps are those of :class:`CAMHead`; only training differs. Branches B1 and B2 (a 3x3
    convolution each, then a 3x3 and a 1x1 in common) read two inner layers, branch C the map behind
    the hidden convolutions. Each learns where another map is sure: B2 from the normalised map of
    the image's class, B1 from B2's foreground probability, C from the mean of B1's and B2's. No
    gradient passes into what supervises; all maps are compared at ``mask_size``.

    B1 and B2 read the taps ``b1`` and ``b2`` of a ``wsol_mm.WSOLClassifier``.

    Args:
        num_classes: Classes K.
        in_channels: Channels of the last feature map.
        branch_in_channels: Channels of the two inner layers.
        branch_channels: Width of the branches.
        mask_size: Pixels of a mask's side; the training images'.
        loss_b2: ``wsol_mm.SelfProducedGuidanceLoss`` of B2; the benchmark's default thresholds
            unless given. A term of weight 0 or not ``enabled`` is not computed, and with three
            weights of 0 there are no branches.
        loss_b1: That of B1.
        loss_c: That of C.
        **kwargs: Of :class:`CAMHead`.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        branch_in_channels: tuple[int, int],
        *,
        branch_channels: int = 512,
        mask_size: int = 224,
        loss_b2: dict | None = None,
        loss_b1: dict | None = None,
        loss_c: dict | None = None,
        map_bias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_classes, in_channels, map_bias=map_bias, **kwargs)
        loss = {"type": "wsol_mm.SelfProducedGuidanceLoss"}
        self.loss_b2 = MODELS.build(loss_b2 or {**loss, "high": 0.7, "low": 0.01})
        self.loss_b1 = MODELS.build(loss_b1 or {**loss, "high": 0.5, "low": 0.05})
        self.loss_c = MODELS.build(loss_c or {**loss, "high": 0.7, "low": 0.1})
        self.mask_size = mask_size
        if any(term.loss_weight for term in (self.loss_b2, self.loss_b1, self.loss_c)):
            width = branch_channels
            inner_1, inner_2 = branch_in_channels
            self.branch_1 = ConvModule(inner_1, width, 3, padding=1)
            self.branch_2 = ConvModule(inner_2, width, 3, padding=1)
            self.branch_shared = _mask_layers(width, width)
            self.branch_c = _mask_layers(self.fc.in_features, width)

    def loss(
        self, feats: tuple[Tensor, ...], data_samples: list[DataSample], **kwargs: Any
    ) -> dict[str, Tensor]:
        """The classification ``loss`` and, where they take part, ``loss_b2``, ``_b1``, ``_c``."""
        # C reads what the classifier reads, before its dropout.
        evidence = self.hidden[:-1](self.last_map(feats))
        features = self.hidden[-1](evidence)
        losses = self._get_loss(self.class_scores(features), data_samples, **kwargs)
        with_b2, with_b1, with_c = map(_active, (self.loss_b2, self.loss_b1, self.loss_c))
        if not (with_b2 or with_b1 or with_c):
            return losses
        inner = self.tapped(feats, "b2", "the later of two inner layers")
        b2 = self._resize(self.branch_shared(self.branch_2(inner)))
        if with_b2:
            label = target_labels(data_samples, features.device)[:, None]
            losses["loss_b2"] = self.loss_b2(b2, self._class_map(features, label))
        if with_b1 or with_c:
            inner = self.tapped(feats, "b1", "the earlier of two inner layers")
            b1 = self._resize(self.branch_shared(self.branch_1(inner)))
        if with_b1:
            losses["loss_b1"] = self.loss_b1(b1, b2.sigmoid())
        if with_c:
            c = self._resize(self.branch_c(evidence))
            losses["loss_c"] = self.loss_c(c, (b1.sigmoid() + b2.sigmoid()) / 2)
        return losses

    @torch.no_grad()
    def _class_map(self, features: Tensor, label: Tensor) -> Tensor:
        """The image's class map in [0, 1], at the masks' size; it does not see the bias."""
        with full_precision(features):
            maps = class_activation_maps(features.float(), self.fc.weight.float(), label)
        return minmax_maps(self._resize(maps))

    def _resize(self, maps: Tensor) -> Tensor:
        size = (self.mask_size, self.mask_size)
        return F.interpolate(maps.float(), size=size, mode="bilinear", align_corners=False)


def _mask_layers(in_channels: int, width: int) -> nn.Sequential:
    """A 3x3 convolution, then one logit per position."""
    return nn.Sequential(
        ConvModule(in_channels, width, 3, padding=1), nn.Conv2d(width, 1, kernel_size=1)
    )


def _active(loss: nn.Module) -> bool:
    return bool(loss.enabled and loss.loss_weight)
