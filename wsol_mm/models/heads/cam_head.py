"""The head behind most localizers: pooled linear classification whose weights also draw maps."""

from collections.abc import Sequence

import torch
from mmcv.cnn import ConvModule
from mmpretrain.models.heads import ClsHead
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from wsol_mm.functional.cam import class_activation_maps
from wsol_mm.registry import MODELS


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
        self.num_classes = num_classes
        self.in_channels = in_channels
        self.map_bias = map_bias
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
        if feats[-1].dim() != 4:
            raise ValueError(
                f"{type(self).__name__}: expected feature maps (B, C, h, w), got shape "
                f"{tuple(feats[-1].shape)}; a neck that pools must be removed (neck=None)"
            )
        return self.hidden(feats[-1])

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
        with torch.autocast(features.device.type, enabled=False):
            maps = class_activation_maps(features.float(), self.fc.weight.float(), labels)
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
        ranked = logits.topk(self.num_maps).indices
        # Without ground truth the best class stands twice, which the mask below undoes.
        first = [
            sample.gt_label.to(row) if "gt_label" in sample else row[:1]
            for sample, row in zip(samples, ranked, strict=True)
        ]
        labels = torch.cat([torch.stack(first), ranked], dim=1)
        maps = self.localization_maps(features, labels)
        for sample, row, row_maps in zip(samples, labels, maps, strict=True):
            keep = row != row[0]
            keep[0] = True
            sample.set_data({"map_labels": row[keep], "pred_maps": row_maps[keep]})
        return samples
