"""TokenCut: a cut through the graph of a frozen transformer's keys, beside a linear classifier."""

from typing import Literal, get_args

import numpy as np
import torch
from mmpretrain.models.heads import ClsHead
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from wsol_mm.functional.tokencut import bipartition, second_eigenvectors, token_graphs
from wsol_mm.functional.tokens import patch_keys, patch_map, square_grid
from wsol_mm.registry import MODELS

CutMap = Literal["eigenvector", "mask"]


@MODELS.register_module()
class TokenCutHead(ClsHead):
    """Localizes without training, classifies by a linear layer on class token and mean patch.

    Wang et al., CVPR 2022 (https://arxiv.org/abs/2202.11539). Needs the tokens and the last
    block's queries, keys and values, which ``wsol_mm.WSOLClassifier`` taps::

        taps=["backbone.layers.11.attn.qkv", "backbone.ln1"]

    in front of the map of a ``mmpretrain.VisionTransformer`` with ``out_type='featmap'``; or, with
    ``mmpretrain.TIMMBackbone``, ``taps=["backbone.timm_model.blocks.11.attn.qkv"]`` in front of
    its tokens, whose images must be square.

    The one map serves every class (``map_labels == [-1]``). It exists in prediction only: the cut
    has no gradient.

    Args:
        num_classes: Classes K.
        in_channels: Channels of a token.
        tau: Cosine similarity above which two keys are alike (0.2; the authors' CUB runs 0.05).
        eps: Weight of the other edges.
        map_kind: ``eigenvector``, at token resolution, high on the object; or ``mask``, the object
            that TokenCut itself boxes (seed's component above the mean), drawn at ``mask_size``
            pixels per token so that interpolation leaves its edges where they are.
        mask_size: Pixels per token of a ``mask``.
        extra_tokens: Tokens that are not patches (class, registers), for backbones that return
            tokens rather than a map.
        loss: Classification loss; mmpretrain's cross entropy by default.
        topk: Top-k accuracies to log in training, with ``cal_acc``.
        cal_acc: Whether to log training accuracy.
        init_cfg: Initialisation; the linear layer from N(0, 0.01) by default.

    Raises:
        ValueError: An unknown ``map_kind``.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        tau: float = 0.2,
        eps: float = 1e-5,
        map_kind: CutMap = "eigenvector",
        mask_size: int = 16,
        extra_tokens: int = 1,
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
        if map_kind not in get_args(CutMap):
            raise ValueError(f"map_kind must be one of {get_args(CutMap)}, got {map_kind!r}")
        self.num_classes = num_classes
        self.tau = tau
        self.eps = eps
        self.map_kind = map_kind
        self.mask_size = mask_size
        self.extra_tokens = extra_tokens
        self.fc = nn.Linear(2 * in_channels, num_classes)

    def grid(self, feats: tuple[Tensor, ...]) -> tuple[int, int]:
        """Rows and columns of the patch tokens."""
        last = feats[-1]
        if last.dim() == 4:
            return tuple(last.shape[2:])
        return square_grid(last.shape[1], self.extra_tokens)

    def pre_logits(self, feats: tuple[Tensor, ...]) -> Tensor:
        """Class token and mean patch token side by side, (B, 2 C); alone they pass through."""
        if len(feats) == 1 and feats[0].dim() == 2:
            return feats[0]
        tokens = feats[1] if len(feats) > 1 else feats[0]
        if len(feats) < 2 or tokens.dim() != 3 or 2 * tokens.shape[2] != self.fc.in_features:
            raise ValueError(
                f"{type(self).__name__}: expected features (qkv, tokens, map) or (qkv, tokens) "
                f"with {self.fc.in_features // 2} channels, got "
                f"{[tuple(feat.shape) for feat in feats]}; tap the last block's attn.qkv and the "
                "final norm"
            )
        return torch.cat([tokens[:, 0], patch_map(tokens, self.grid(feats)).mean(dim=(2, 3))], 1)

    def forward(self, feats: tuple[Tensor, ...]) -> Tensor:
        """Logits (B, K)."""
        return self.fc(self.pre_logits(feats))

    def localization_maps(self, feats: tuple[Tensor, ...]) -> Tensor:
        """One map per image, float32 (B, 1, h, w); of a ``mask``, h and w in pixels."""
        grid = self.grid(feats)
        graphs = token_graphs(patch_keys(feats[0], grid), self.tau, self.eps)
        cuts = [bipartition(vector, grid) for vector in second_eigenvectors(graphs).vectors]
        if self.map_kind == "eigenvector":
            maps = np.stack([cut.map for cut in cuts])
        else:
            block = np.ones((self.mask_size, self.mask_size), np.float32)
            maps = np.stack([np.kron(cut.mask, block) for cut in cuts])
        return torch.from_numpy(maps)[:, None].to(feats[0].device)

    def predict(
        self, feats: tuple[Tensor, ...], data_samples: list[DataSample | None] | None = None
    ) -> list[DataSample]:
        """Scores, label and the map of each image, as ``map_labels`` [-1] and ``pred_maps``."""
        samples = self._get_predictions(self(feats).float(), data_samples)
        label = torch.full((1,), -1, device=feats[0].device)
        for sample, maps in zip(samples, self.localization_maps(feats), strict=True):
            sample.set_data({"map_labels": label, "pred_maps": maps})
        return samples
