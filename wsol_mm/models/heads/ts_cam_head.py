"""TS-CAM: class maps of a transformer's patches, coupled with where its class token looks."""

from typing import Literal, get_args

import torch
from mmpretrain.models.heads import ClsHead
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from wsol_mm.functional.tokens import class_attention
from wsol_mm.models.heads.cam_head import set_maps, wanted_labels
from wsol_mm.registry import MODELS

CoupledMap = Literal["coupled", "semantic", "attention"]


@MODELS.register_module()
class TSCAMHead(ClsHead):
    """A 3x3 convolution of the patch map gives one map per class, its mean the class's score.

    Gao et al., ICCV 2021 (https://arxiv.org/abs/2103.14862). The map for localization is the
    product of the class's map (semantic-aware) and the class token's attention to the patches,
    mean over heads and layers (semantic-agnostic). ``wsol_mm.WSOLClassifier`` taps the layers'
    ``attn.qkv`` in front of the map of a ``mmpretrain.VisionTransformer`` with
    ``out_type='featmap'``; any number of layers.

    Args:
        num_classes: Classes K.
        in_channels: Channels of a token.
        num_heads: Attention heads of the backbone.
        map_kind: ``coupled``, or one factor alone: ``semantic`` or ``attention`` (the paper's
            ablation).
        num_maps: Predicted classes for which :meth:`predict` writes a map.
        loss: Classification loss; mmpretrain's cross entropy by default.
        topk: Top-k accuracies to log in training, with ``cal_acc``.
        cal_acc: Whether to log training accuracy.
        init_cfg: Initialisation; the convolution from a normal distribution of deviation 0.02, cut
            at two, by default.

    Raises:
        ValueError: An unknown ``map_kind``, or no positive number of maps.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        num_heads: int,
        map_kind: CoupledMap = "coupled",
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
            init_cfg=init_cfg or {"type": "TruncNormal", "layer": "Conv2d", "std": 0.02},
        )
        if map_kind not in get_args(CoupledMap):
            raise ValueError(f"map_kind must be one of {get_args(CoupledMap)}, got {map_kind!r}")
        if num_maps < 1:
            raise ValueError(f"num_maps must be positive, got {num_maps}")
        self.num_classes = num_classes
        self.num_heads = num_heads
        self.map_kind = map_kind
        self.num_maps = min(num_maps, num_classes)
        self.conv = nn.Conv2d(in_channels, num_classes, 3, padding=1)

    def pre_logits(self, feats: tuple[Tensor, ...]) -> Tensor:
        """Maps of all classes (B, K, h, w)."""
        if len(feats) < 2 or feats[-1].dim() != 4:
            raise ValueError(
                f"{type(self).__name__}: expected features (qkv of a layer, ..., map), got "
                f"{[tuple(feat.shape) for feat in feats]}; tap the layers' attn.qkv and set the "
                "backbone's out_type='featmap'"
            )
        return self.conv(feats[-1])

    def forward(self, feats: tuple[Tensor, ...]) -> Tensor:
        """Logits (B, K)."""
        return self.pre_logits(feats).mean(dim=(2, 3))

    def localization_maps(
        self, feats: tuple[Tensor, ...], semantic: Tensor, labels: Tensor
    ) -> Tensor:
        """Raw maps of the wanted classes.

        Args:
            feats: What the head gets.
            semantic: What :meth:`pre_logits` made of it.
            labels: int64 (B, k).

        Returns:
            float32 (B, k, h, w), not normalised.
        """
        chosen = semantic.float()[torch.arange(len(labels))[:, None], labels]
        if self.map_kind == "semantic":
            return chosen
        grid = tuple(semantic.shape[2:])
        layers = [class_attention(qkv, self.num_heads, grid) for qkv in feats[:-1]]
        attention = torch.stack(layers).mean(dim=0)[:, None]
        return attention.expand_as(chosen) if self.map_kind == "attention" else chosen * attention

    def predict(
        self, feats: tuple[Tensor, ...], data_samples: list[DataSample | None] | None = None
    ) -> list[DataSample]:
        """As ``CAMHead.predict``: scores, label, ``map_labels`` and ``pred_maps`` (k, h, w)."""
        semantic = self.pre_logits(feats)
        logits = semantic.mean(dim=(2, 3)).float()
        samples = self._get_predictions(logits, data_samples)
        labels = wanted_labels(logits, samples, self.num_maps)
        set_maps(samples, labels, self.localization_maps(feats, semantic, labels))
        return samples
