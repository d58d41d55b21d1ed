"""TS-CAM: class maps of a transformer's patches, coupled with where its class token looks."""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from wsol_mm.functional.tokens import class_attention
from wsol_mm.models.heads.localizer_head import LocalizerHead
from wsol_mm.registry import MODELS


@MODELS.register_module()
class TSCAMHead(LocalizerHead):
    """A 3x3 convolution of the patch map gives one map per class, its mean the class's score.

    Gao et al., ICCV 2021 (https://arxiv.org/abs/2103.14862). The map for localization is the
    product of the class's map (semantic-aware) and the class token's attention to the patches,
    mean over heads and layers (semantic-agnostic). ``wsol_mm.WSOLClassifier`` taps the ``attn.qkv``
    of any number of layers beside the map of a ``mmpretrain.VisionTransformer`` with
    ``out_type='featmap'``::

        taps=dict(qkv=["backbone.layers.0.attn.qkv", "backbone.layers.1.attn.qkv"])

    Args:
        num_classes: Classes K.
        in_channels: Channels of a token.
        num_heads: Attention heads of the backbone.
        **kwargs: Of :class:`wsol_mm.models.heads.LocalizerHead`; ``map_kind`` is ``coupled`` or one
            factor alone: ``semantic`` or ``attention`` (the paper's ablation).
    """

    map_kinds: ClassVar[tuple[str, ...]] = ("coupled", "semantic", "attention")
    default_init: ClassVar[dict | list[dict]] = {
        "type": "TruncNormal",
        "layer": "Conv2d",
        "std": 0.02,
    }

    def __init__(self, num_classes: int, in_channels: int, num_heads: int, **kwargs: Any) -> None:
        super().__init__(num_classes, in_channels, **kwargs)
        self.num_heads = num_heads
        self.conv = nn.Conv2d(in_channels, num_classes, 3, padding=1)

    def pre_logits(self, feats: tuple[Tensor, ...]) -> Tensor:
        """Maps of all classes (B, K, h, w)."""
        return self.conv(self.last_map(feats))

    def class_scores(self, features: Tensor) -> Tensor:
        """Logits (B, K), the maps' means."""
        return features.mean(dim=(2, 3))

    def draw_maps(self, feats: tuple[Tensor, ...], features: Tensor, labels: Tensor) -> Tensor:
        """The wanted classes' maps of :meth:`pre_logits`, coupled as ``map_kind`` says."""
        chosen = features.float()[torch.arange(labels.shape[0])[:, None], labels]
        if self.map_kind == "semantic":
            return chosen
        grid = tuple(features.shape[2:])
        taps = self.tapped(feats, "qkv", "a list of the layers' attn.qkv")
        layers = [class_attention(qkv, self.num_heads, grid) for qkv in taps]
        attention = torch.stack(layers).mean(dim=0)[:, None]
        return attention.expand_as(chosen) if self.map_kind == "attention" else chosen * attention
