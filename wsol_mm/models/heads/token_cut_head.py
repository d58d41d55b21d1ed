"""TokenCut: a cut through the graph of a frozen transformer's keys, beside a linear classifier."""

from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from wsol_mm.functional.tokencut import bipartition, second_eigenvectors, token_graphs
from wsol_mm.functional.tokens import patch_keys, patch_map, square_grid
from wsol_mm.models.heads.localizer_head import LocalizerHead
from wsol_mm.registry import MODELS


@MODELS.register_module()
class TokenCutHead(LocalizerHead):
    """Localizes without training, classifies by a linear layer on class token and mean patch.

    Wang et al., CVPR 2022 (https://arxiv.org/abs/2202.11539). Needs the last block's queries, keys
    and values, and the tokens, which ``wsol_mm.WSOLClassifier`` taps beside the map of a
    ``mmpretrain.VisionTransformer`` with ``out_type='featmap'``::

        taps=dict(qkv="backbone.layers.11.attn.qkv", tokens="backbone.ln1")

    With ``mmpretrain.TIMMBackbone``, which returns tokens, ``qkv`` is enough
    (``taps=dict(qkv="backbone.timm_model.blocks.11.attn.qkv")``), and images must be square.

    Positions of a convolutional network are tokens as well: tap the map whose positions are the
    keys, of the size of the last one (``taps=dict(key_map="backbone.layer3")``). There is no class
    token then; the mean over the last map's positions stands in its place too. So the network's own
    linear classifier of that mean, ``fc.weight`` (K, C), can be loaded, half of it for each place:
    a pretrained classifier then localizes without any training.

    The one map serves every class (``map_labels == [-1]``). It exists in prediction only: the cut
    has no gradient.

    Args:
        num_classes: Classes K.
        in_channels: Channels of a token.
        tau: Cosine similarity above which two keys are alike (0.2; the authors' CUB runs 0.05).
        eps: Weight of the other edges.
        mask_size: Pixels per token of a ``mask``.
        extra_tokens: Tokens that are not patches (class, registers), for backbones that return
            tokens rather than a map.
        **kwargs: Of :class:`wsol_mm.models.heads.LocalizerHead`; ``map_kind`` is ``eigenvector``,
            at token resolution, high on the object; or ``mask``, the object that TokenCut itself
            boxes (seed's component above the mean), drawn at ``mask_size`` pixels per token so that
            interpolation leaves its edges where they are.
    """

    map_kinds: ClassVar[tuple[str, ...]] = ("eigenvector", "mask")

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        tau: float = 0.2,
        eps: float = 1e-5,
        mask_size: int = 16,
        extra_tokens: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_classes, in_channels, **kwargs)
        self.tau = tau
        self.eps = eps
        self.mask_size = mask_size
        self.extra_tokens = extra_tokens
        self.fc = nn.Linear(2 * in_channels, num_classes)
        self.reads_mean = False  # a classifier of the mean alone was loaded

    def grid(self, feats: tuple[Tensor, ...]) -> tuple[int, int]:
        """Rows and columns of the patch tokens."""
        last = feats[-1]
        if last.dim() == 4:
            return tuple(last.shape[2:])
        return square_grid(last.shape[1], self.extra_tokens)

    @property
    def class_agnostic(self) -> bool:
        """The cut knows no classes."""
        return True

    def patches(self, feats: tuple[Tensor, ...]) -> Tensor:
        """The patch tokens as a map (B, C, h, w)."""
        if self._key_map(feats) is not None:
            return feats[-1]
        return patch_map(self._tokens(feats), self.grid(feats))

    def pre_logits(self, feats: tuple[Tensor, ...]) -> Tensor:
        """Class token and mean patch token side by side, (B, 2 C).

        What has that shape already, from a cache, passes through.
        """
        if feats[-1].dim() == 2:
            return feats[-1]
        mean = self.patches(feats).mean(dim=(2, 3))
        if self.reads_mean and self._key_map(feats) is None:
            raise ValueError(
                f"{type(self).__name__}: the loaded classifier reads one vector of an image, but "
                "this backbone has class and patch tokens, and the head reads both: train the head"
            )
        first = mean if self._key_map(feats) is not None else self._tokens(feats)[:, 0]
        return torch.cat([first, mean], dim=1)

    def class_scores(self, features: Tensor) -> Tensor:
        """Logits (B, K)."""
        return self.fc(features)

    def cut_maps(self, feats: tuple[Tensor, ...]) -> Tensor:
        """One map per image, float32 (B, 1, h, w); of a ``mask``, h and w in pixels.

        Of keys that are not finite a map of NaN: a comparison would hide them, and cut.
        """
        grid = self.grid(feats)
        keys = self._keys(feats, grid)
        graphs = token_graphs(keys, self.tau, self.eps)
        cuts = [bipartition(vector, grid) for vector in second_eigenvectors(graphs).vectors]
        if self.map_kind == "mask":
            block = np.ones((self.mask_size, self.mask_size), np.float32)
            maps = np.stack([np.kron(cut.mask, block) for cut in cuts])
        else:
            maps = np.stack([cut.map for cut in cuts])
        maps[~keys.isfinite().flatten(1).all(dim=1).cpu().numpy()] = np.nan
        return torch.from_numpy(maps)[:, None].to(feats[-1].device)

    def draw_maps(self, feats: tuple[Tensor, ...], features: Tensor, labels: Tensor) -> Tensor:
        """The one map of each image, for each of the k ``labels``."""
        return self.cut_maps(feats).expand(-1, labels.shape[1], -1, -1)

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args: Any) -> None:
        """Take a classifier of the mean alone as one of the mean in both places."""
        weight = state_dict.get(f"{prefix}fc.weight")
        if weight is not None:
            self.reads_mean = 2 * weight.shape[-1] == self.fc.in_features
            if self.reads_mean:
                state_dict[f"{prefix}fc.weight"] = torch.cat([weight, weight], dim=-1) / 2
        super()._load_from_state_dict(state_dict, prefix, *args)

    def _keys(self, feats: tuple[Tensor, ...], grid: tuple[int, int]) -> Tensor:
        """Keys of the patches (B, h * w, C)."""
        key_map = self._key_map(feats)
        if key_map is None:
            return patch_keys(self.tapped(feats, "qkv", "the last block's attn.qkv"), grid)
        if tuple(key_map.shape[2:]) != grid:
            raise ValueError(
                f"{type(self).__name__}: the tap 'key_map' is a map of {tuple(key_map.shape[2:])}, "
                f"expected that of the last feature, {grid}; tap a later module"
            )
        return key_map.flatten(2).mT

    @staticmethod
    def _key_map(feats: tuple[Tensor, ...]) -> Tensor | None:
        """The tapped map of a convolutional network, if there is one."""
        return getattr(feats, "taps", {}).get("key_map")

    def _tokens(self, feats: tuple[Tensor, ...]) -> Tensor:
        """Tokens (B, N, C): the backbone's last feature, or what was tapped."""
        tokens = feats[-1]
        if tokens.dim() == 4:
            tokens = self.tapped(feats, "tokens", "the final norm, whose output has all tokens")
        if tokens.dim() != 3 or tokens.shape[2] != self.in_channels:
            raise ValueError(
                f"{type(self).__name__}: expected tokens (B, N, {self.in_channels}), got "
                f"{tuple(tokens.shape)}; tap the final norm as 'tokens', with in_channels its width"
            )
        return tokens
