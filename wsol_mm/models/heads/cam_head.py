"""The head behind most localizers: pooled linear classification whose weights also draw maps."""

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from mmcv.cnn import ConvModule
from mmpretrain.models.heads import ClsHead
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from wsol_mm.functional.alignment import norm_map, similarity_maps
from wsol_mm.functional.cam import class_activation_maps
from wsol_mm.registry import MODELS

MapKind = Literal["cam", "norm", "similarity"]


def target_labels(data_samples: list[DataSample], device: torch.device | str) -> Tensor:
    """The one class of each training image, as int64 (B,).

    Mixed images (CutMix, Mixup) carry a soft ``gt_score``: their class is the larger share, the
    original image's at a draw.
    """
    labels = []
    for sample in data_samples:
        label = sample.gt_label.flatten()[0].to(device)
        if "gt_score" in sample:
            score = sample.gt_score.to(device)
            label = label if score[label] >= score.max() else score.argmax()
        labels.append(label)
    return torch.stack(labels).long()


def wanted_labels(logits: Tensor, samples: list[DataSample], num_maps: int) -> Tensor:
    """Classes that get a map: ``gt_label``, then the best predicted ones, best first.

    Args:
        logits: Class scores (B, K).
        samples: Of the B images; without ``gt_label`` the best class stands in its place.
        num_maps: Predicted classes wanted, at most K.

    Returns:
        int64 (B, 1 + num_maps). The first class may come again; :func:`set_maps` undoes it.
    """
    ranked = logits.topk(num_maps).indices
    first = [
        sample.gt_label.to(row) if "gt_label" in sample else row[:1]
        for sample, row in zip(samples, ranked, strict=True)
    ]
    return torch.cat([torch.stack(first), ranked], dim=1)


def set_maps(samples: list[DataSample], labels: Tensor, maps: Tensor) -> None:
    """Write ``map_labels`` and ``pred_maps`` into the samples, no class twice.

    Args:
        samples: Of the B images.
        labels: What :func:`wanted_labels` returned, (B, k).
        maps: Their maps (B, k, h, w).
    """
    for sample, row, row_maps in zip(samples, labels, maps, strict=True):
        keep = row != row[0]
        keep[0] = True
        sample.set_data({"map_labels": row[keep], "pred_maps": row_maps[keep]})


@MODELS.register_module()
class CAMHead(ClsHead):
    """Global average pooling and a linear layer; the class's row of it gives the class's map.

    Zhou et al., CVPR 2016. With ``hidden_channels`` and ``map_bias=True`` it equals the
    fully convolutional head of the reference benchmark's Inception V3, since a 1x1 convolution and
    averaging over positions commute.

    Sub-classes change the maps by overriding :meth:`localization_maps`, the classifier by
    overriding :meth:`class_scores`; both read what :meth:`pre_logits` returns.

    Args:
        num_classes: Classes K.
        in_channels: Channels of the last feature map.
        hidden_channels: Output channels of 3x3 convolutions (each with ReLU) before pooling.
        dropout: Probability of dropping a single feature value, before each hidden convolution
            and before the classifier, in training.
        map_bias: Add the class's bias to its map. It moves a map as a whole, so ``minmax``, ``pas``
            and ``ivr`` do not see it, ``max`` does.
        map_kind: What is localized from: the class activation map, or one of its two factors (Kim
            et al., CVPR 2022): the features' ``norm``, the same for all classes, or their cosine
            ``similarity`` with the class's row. Negative similarity speaks for background, so it
            goes with the evaluator's ``normalization='max'``.
        num_maps: Predicted classes for which :meth:`predict` writes a map.
        loss: Classification loss; mmpretrain's cross entropy by default.
        topk: Top-k accuracies to log in training, with ``cal_acc``.
        cal_acc: Whether to log training accuracy.
        init_cfg: Initialisation; the linear layer from N(0, 0.01) by default. Hidden convolutions
            always start from Kaiming-normal weights (fan-out), unless a checkpoint fills them.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        hidden_channels: Sequence[int] = (),
        dropout: float = 0.0,
        map_bias: bool = False,
        map_kind: MapKind = "cam",
        num_maps: int = 5,
        loss: dict | None = None,
        topk: int | tuple[int, ...] = (1,),
        cal_acc: bool = False,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(
            loss=loss or {"type": "mmpretrain.CrossEntropyLoss"},
            topk=topk,
            cal_acc=cal_acc,
            init_cfg=init_cfg or {"type": "Normal", "layer": "Linear", "std": 0.01},
        )
        if num_classes < 1 or num_maps < 1:
            raise ValueError(
                f"CAMHead: num_classes and num_maps must be positive, got {num_classes}, {num_maps}"
            )
        if map_kind not in get_args(MapKind):
            raise ValueError(f"map_kind must be one of {get_args(MapKind)}, got {map_kind!r}")
        self.num_classes = num_classes
        self.in_channels = in_channels
        self.map_bias = map_bias
        self.map_kind = map_kind
        self.num_maps = min(num_maps, num_classes)
        layers: list[nn.Module] = []
        for width in hidden_channels:
            layers += [nn.Dropout(dropout), ConvModule(in_channels, width, 3, padding=1)]
            in_channels = width
        layers.append(nn.Dropout(dropout))
        self.hidden = nn.Sequential(*layers)
        self.fc = nn.Linear(in_channels, num_classes)

    def pre_logits(self, feats: tuple[Tensor, ...]) -> Tensor:
        """The map (B, C, h, w) that classifier and localization read."""
        return self.hidden(self._last_map(feats))

    def _last_map(self, feats: tuple[Tensor, ...]) -> Tensor:
        if feats[-1].dim() != 4:
            raise ValueError(
                f"{type(self).__name__}: expected feature maps (B, C, h, w), got shape "
                f"{tuple(feats[-1].shape)}; a neck that pools must be removed (neck=None)"
            )
        return feats[-1]

    def class_scores(self, features: Tensor) -> Tensor:
        """Logits (B, K) of the map that :meth:`pre_logits` returned."""
        return self.fc(features.mean(dim=(2, 3)))

    def localization_maps(self, features: Tensor, labels: Tensor) -> Tensor:
        """Raw maps of the wanted classes, in float32 whatever the surrounding precision.

        Args:
            features: What :meth:`pre_logits` returned.
            labels: int64 (B, k).

        Returns:
            float32 (B, k, h, w), low resolution, not normalised.
        """
        features, weight = features.float(), self.fc.weight.float()
        if self.map_kind == "norm":
            return norm_map(features)[:, None].expand(-1, labels.shape[1], -1, -1)
        if self.map_kind == "similarity":
            return similarity_maps(features, weight, labels)
        with torch.autocast(features.device.type, enabled=False):
            maps = class_activation_maps(features, weight, labels)
            if self.map_bias:
                maps = maps + self.fc.bias.float()[labels][:, :, None, None]
        return maps

    def forward(self, feats: tuple[Tensor, ...]) -> Tensor:
        """Logits (B, K)."""
        return self.class_scores(self.pre_logits(feats))

    def predict(
        self, feats: tuple[Tensor, ...], data_samples: list[DataSample | None] | None = None
    ) -> list[DataSample]:
        """Scores, label and maps for each image.

        Besides mmpretrain's ``pred_score`` and ``pred_label`` every sample gets ``map_labels``
        (k,) int64 and ``pred_maps`` (k, h, w) float32: first the class ``gt_label``, where the
        sample has one, then the best predicted classes, best first, no class twice.
        """
        features = self.pre_logits(feats)
        logits = self.class_scores(features).float()
        samples = self._get_predictions(logits, data_samples)
        labels = wanted_labels(logits, samples, self.num_maps)
        set_maps(samples, labels, self.localization_maps(features, labels))
        return samples
