"""C2AM: a class-agnostic map learned by contrast across images, beside a linear probe."""

from typing import Any, ClassVar

import torch
from mmengine.dist import all_reduce
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from wsol_mm.functional.c2am import border_votes, disentangle, pull_loss, push_loss
from wsol_mm.models.heads.localizer_head import LocalizerHead
from wsol_mm.models.precision import full_precision
from wsol_mm.registry import MODELS


@MODELS.register_module()
class C2AMHead(LocalizerHead):
    """Learns one map per image without labels; a linear probe gives the classes.

    Xie et al., CVPR 2022 (https://arxiv.org/abs/2203.13505). The disentangler, a 3x3 convolution,
    batch norm and sigmoid, makes the map P; :mod:`wsol_mm.functional.c2am` its losses. Pairs are
    formed within the batch of one process.

    Which side of P is the object is not learned. Every training image votes by its border
    (:func:`wsol_mm.functional.c2am.border_votes`), over all ranks; the count is a buffer, so
    it is in the checkpoint, and the majority inverts the maps of prediction. With
    ``wsol_mm.PolarityVoteHook`` the vote is that of the last epoch, without it that of all.

    The one map serves every class (``map_labels == [-1]``). The probe reads the features without
    passing gradients on, so labels have no part in the map.

    It reads all features of the backbone side by side. A backbone that returns one takes others as
    taps named ``beside``: ``taps=dict(beside="backbone.timm_model.blocks.4")``.

    Args:
        num_classes: Classes K of the probe.
        in_channels: Channels of all feature maps together; they must have the same size and are
            concatenated (the authors: layer3 and layer4 of ResNet-50, both at stride 16).
        alpha: Decay of the rank weights; .05 for supervised initialisation and all of ILSVRC, .75
            for MoCo and DetCo on CUB.
        affine: Whether the disentangler's batch norm has scale and shift. Without (default, what
            the authors' optimiser amounts to) about half of all cells stay above .5.
        **kwargs: Of :class:`wsol_mm.models.heads.LocalizerHead`; ``loss`` is the probe's.

    Raises:
        ValueError: ``alpha`` is negative.
    """

    map_kinds: ClassVar[tuple[str, ...]] = ("disentangled",)
    # PyTorch's own for the disentangler: its batch norm takes the scale of the output away, and
    # steps shrink with the square of the weights'. By fan-out, 1, they would move nothing.
    default_init: ClassVar[dict | list[dict]] = {"type": "Normal", "layer": "Linear", "std": 0.01}

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        alpha: float = 0.05,
        affine: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_classes, in_channels, **kwargs)
        if alpha < 0:
            raise ValueError(f"C2AMHead: alpha={alpha} must not be negative")
        self.alpha = alpha
        self.disentangler = nn.Sequential(
            nn.Conv2d(in_channels, 1, 3, padding=1, bias=False),
            nn.BatchNorm2d(1, affine=affine),
            nn.Sigmoid(),
        )
        self.fc = nn.Linear(in_channels, num_classes)
        # images whose P marks the background, and all
        self.register_buffer("votes", torch.zeros(2, dtype=torch.int64))
        self.votes: Tensor

    def pre_logits(self, feats: tuple[Tensor, ...]) -> Tensor:
        """The feature maps side by side, (B, C, h, w), what was tapped ``beside`` them first."""
        beside = getattr(feats, "taps", {}).get("beside", ())
        maps = (*(beside if isinstance(beside, tuple) else (beside,)), *feats)
        shapes = [tuple(feat.shape) for feat in maps]
        if any(len(shape) != 4 or shape[2:] != shapes[0][2:] for shape in shapes) or (
            sum(shape[1] for shape in shapes) != self.in_channels
        ):
            raise ValueError(
                f"{type(self).__name__}: expected feature maps of one size with {self.in_channels} "
                f"channels together, got {shapes}; set neck=None, and strides and out_indices of "
                "the backbone or model.taps=dict(beside=...)"
            )
        return torch.cat(maps, dim=1)

    def class_scores(self, features: Tensor) -> Tensor:
        """Logits (B, K) of the probe; no gradient reaches the features."""
        return self.fc(features.detach().mean(dim=(2, 3)))

    def loss(
        self, feats: tuple[Tensor, ...], data_samples: list[DataSample], **kwargs: object
    ) -> dict[str, Tensor]:
        """The three contrastive losses, and ``loss_cls`` of the probe.

        Counts the images' votes on the way.
        """
        features = self.pre_logits(feats)
        activation = self.disentangler(features)
        self._count(border_votes(activation))
        with full_precision(features):
            foreground, background = disentangle(features.float(), activation.float())
            losses = {
                "loss_foreground": pull_loss(foreground, self.alpha),
                "loss_background": pull_loss(background, self.alpha),
                "loss_contrast": push_loss(foreground, background),
            }
        probe = self._get_loss(self.class_scores(features), data_samples, **kwargs)
        probe["loss_cls"] = probe.pop("loss")
        return {**losses, **probe}

    def _count(self, inverted: Tensor) -> None:
        votes = torch.stack([inverted.sum(), inverted.new_tensor(len(inverted), dtype=torch.int64)])
        all_reduce(votes)
        self.votes += votes

    @property
    def inverted(self) -> Tensor:
        """Whether the majority of the training images says that P marks the background; a bool."""
        background, images = self.votes
        return 2 * background > images

    @property
    def class_agnostic(self) -> bool:
        """Always: the one map is learned without classes."""
        return True

    def draw_maps(self, feats: tuple[Tensor, ...], features: Tensor, labels: Tensor) -> Tensor:
        """P, or 1 - P by the vote, for each of the k ``labels``."""
        activation = self.disentangler(features).float()
        maps = torch.where(self.inverted, 1 - activation, activation)
        return maps.expand(-1, labels.shape[1], -1, -1)
