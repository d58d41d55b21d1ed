"""ACoL: a second classifier that learns from what the first one does not look at."""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from mmpretrain.structures import DataSample
from torch import Tensor

from wsol_mm.functional.adversarial_erasing import erase_salient, merge_maps, minmax_maps
from wsol_mm.models.heads.cam_head import CAMHead
from wsol_mm.models.heads.localizer_head import target_labels
from wsol_mm.registry import MODELS


@MODELS.register_module()
class ACoLHead(CAMHead):
    """Adversarial complementary learning (Zhang et al., CVPR 2018), as the benchmark has it.

    Head A is a :class:`CAMHead`; its map of the image's class, normalised and without gradient,
    erases the features that head B, its equal, sees. Scores are A's, maps the larger of both.

    At test the map of class ``k`` erases with A's own map of ``k``. The benchmark draws one map, of
    the true class; erasing with it for other classes too would tell their maps the ground truth.
    So B's convolutions run once for each map (2048 channels, 14 x 14: 5.6 G multiply-adds): one
    batch of all classes spares calls, not work, and a smaller ``num_maps`` is what spares work.

    Args:
        num_classes: Classes K.
        in_channels: Channels of the last feature map.
        threshold: Features are erased where A's normalised map reaches it; in (0, 1].
        hidden_channels: As in :class:`CAMHead`, for A and B each.
        map_bias: As in :class:`CAMHead`.
        second_loss_weight: Factor of B's classification loss. With 0 there is no head B, and this
            is :class:`CAMHead`.
        **kwargs: Of :class:`CAMHead`.

    Raises:
        ValueError: The threshold is out of range, or ``map_kind`` is not ``cam``.
    """

    map_kinds: ClassVar[tuple[str, ...]] = ("cam",)

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        threshold: float = 0.7,
        *,
        hidden_channels: Sequence[int] = (1024, 1024),
        map_bias: bool = True,
        second_loss_weight: float = 1.0,
        **kwargs: Any,
    ) -> None:
        if not 0 < threshold <= 1:
            raise ValueError(f"ACoLHead: threshold must lie in (0, 1], got {threshold}")
        kwargs |= {"hidden_channels": hidden_channels, "map_bias": map_bias}
        super().__init__(num_classes, in_channels, **kwargs)
        self.threshold = threshold
        self.second_loss_weight = second_loss_weight
        self.second = CAMHead(num_classes, in_channels, **kwargs) if second_loss_weight else None

    def pre_logits(self, feats: tuple[Tensor, ...]) -> Tensor:
        """The map (B, C, h, w) that both heads read, before their hidden convolutions."""
        return self.last_map(feats)

    def class_scores(self, features: Tensor) -> Tensor:
        """Head A's logits (B, K)."""
        return super().class_scores(self.hidden(features))

    def draw_maps(self, feats: tuple[Tensor, ...], features: Tensor, labels: Tensor) -> Tensor:
        """Elementwise maximum of both heads' normalised maps.

        Head B sees the features once for each of the k labels of an image, in one batch.
        """
        first = super().draw_maps(feats, self.hidden(features), labels)
        if self.second is None:
            return first
        masks = minmax_maps(first).flatten(0, 1)[:, None]
        copies = features[:, None].expand(-1, labels.shape[1], -1, -1, -1).flatten(0, 1)
        rest = self.second.hidden(erase_salient(copies, masks, self.threshold))
        second = self.second.draw_maps(feats, rest, labels.reshape(-1, 1))
        return merge_maps(first, second.view_as(first))

    def loss(
        self, feats: tuple[Tensor, ...], data_samples: list[DataSample], **kwargs: Any
    ) -> dict[str, Tensor]:
        """``loss`` of head A and, from the features that it leaves, ``loss_second`` of head B."""
        features = self.pre_logits(feats)
        seen = self.hidden(features)
        losses = self._get_loss(super().class_scores(seen), data_samples, **kwargs)
        if self.second is None:
            return losses
        with torch.no_grad():
            label = target_labels(data_samples, features.device)[:, None]
            map01 = minmax_maps(super().draw_maps(feats, seen, label))
        rest = (erase_salient(features, map01, self.threshold),)
        erased = self.second.loss(rest, data_samples, **kwargs)["loss"]
        return {**losses, "loss_second": self.second_loss_weight * erased}
