"""The head behind most localizers: pooled linear classification whose weights also draw maps."""

from collections.abc import Sequence
from typing import Any, ClassVar

from mmcv.cnn import ConvModule
from torch import Tensor, nn

from wsol_mm.functional.alignment import norm_map, similarity_maps
from wsol_mm.functional.cam import class_activation_maps
from wsol_mm.models.heads.localizer_head import LocalizerHead
from wsol_mm.models.precision import full_precision
from wsol_mm.registry import MODELS


@MODELS.register_module()
class CAMHead(LocalizerHead):
    """Global average pooling and a linear layer; the class's row of it gives the class's map.

    Zhou et al., CVPR 2016. With ``hidden_channels`` and ``map_bias=True`` it equals the
    fully convolutional head of the reference benchmark's Inception V3, since a 1x1 convolution and
    averaging over positions commute.

    Sub-classes change the maps by overriding :meth:`draw_maps`, the classifier by overriding
    :meth:`class_scores`; both read what :meth:`pre_logits` returns.

    Args:
        num_classes: Classes K.
        in_channels: Channels of the last feature map.
        hidden_channels: Output channels of 3x3 convolutions (each with ReLU) before pooling.
        dropout: Probability of dropping a single feature value, before each hidden convolution
            and before the classifier, in training.
        map_bias: Add the class's bias to its map. It moves a map as a whole, so ``minmax``, ``pas``
            and ``ivr`` do not see it, ``max`` does.
        **kwargs: Of :class:`wsol_mm.models.heads.LocalizerHead`. ``map_kind`` is ``cam``, the
            class activation map, or one of its two factors (Kim et al., CVPR 2022): the features'
            ``norm``, the same for all classes, or their cosine ``similarity`` with the class's row.
            Negative similarity speaks for background, so it goes with the evaluator's
            ``normalization='max'``. Hidden convolutions start from Kaiming-normal weights
            (fan-out) whatever ``init_cfg`` says, unless a checkpoint fills them.
    """

    map_kinds: ClassVar[tuple[str, ...]] = ("cam", "norm", "similarity")

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        hidden_channels: Sequence[int] = (),
        dropout: float = 0.0,
        map_bias: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_classes, in_channels, **kwargs)
        self.map_bias = map_bias
        layers: list[nn.Module] = []
        for width in hidden_channels:
            layers += [nn.Dropout(dropout), ConvModule(in_channels, width, 3, padding=1)]
            in_channels = width
        layers.append(nn.Dropout(dropout))
        self.hidden = nn.Sequential(*layers)
        self.fc = nn.Linear(in_channels, num_classes)

    def pre_logits(self, feats: tuple[Tensor, ...]) -> Tensor:
        """The map (B, C, h, w) that classifier and localization read."""
        return self.hidden(self.last_map(feats))

    def class_scores(self, features: Tensor) -> Tensor:
        """Logits (B, K) of the map that :meth:`pre_logits` returned."""
        return self.fc(features.mean(dim=(2, 3)))

    def draw_maps(self, feats: tuple[Tensor, ...], features: Tensor, labels: Tensor) -> Tensor:
        """Class activation maps, or their factor ``map_kind``; ``feats`` has no part in them."""
        features, weight = features.float(), self.fc.weight.float()
        if self.map_kind == "norm":
            return norm_map(features)[:, None].expand(-1, labels.shape[1], -1, -1)
        if self.map_kind == "similarity":
            return similarity_maps(features, weight, labels)
        with full_precision(features):
            maps = class_activation_maps(features, weight, labels)
            if self.map_bias:
                maps = maps + self.fc.bias.float()[labels][:, :, None, None]
        return maps
