"""CI-CAM's head: a second look at features that the pool of class contexts has enhanced."""

from typing import Any, Literal

import numpy as np
import torch
from mmengine.dist import all_reduce
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from wsol_mm.functional.cam import class_activation_maps
from wsol_mm.functional.context_pool import (
    centre_prior,
    enhance,
    resize_maps,
    sum_by_class,
    update_pool,
)
from wsol_mm.models.heads.cam_head import target_labels
from wsol_mm.models.heads.combinational_cam_head import CombinationalCAMHead
from wsol_mm.models.precision import full_precision
from wsol_mm.registry import MODELS

_CHOICES = {
    "pool": ("causal", "gaussian", "zero", "shuffled", "averaged"),
    "pool_update": ("correct", "argmax"),
    "update_order": ("after", "before"),
}


@MODELS.register_module()
class CausalCAMHead(CombinationalCAMHead):
    """Two passes through one classifier with a pool of class contexts in between.

    Shao et al., ACM MM 2021 (CI-CAM); see configs/ci_cam for where paper and released code differ.
    The first branch reads the features X and predicts a class; the context of that class (never of
    the label) enhances them; the second branch reads the result, X^e, and gives the scores and the
    maps. In training the first branch's maps update the pool, summed over all ranks, so that every
    rank holds the same pool.

    The pool is a float32 buffer of the checkpoint, zero at the start. Loading a classifier without
    its pool is refused. A model average that does not average buffers (mmengine's default) copies
    it.

    Args:
        pool_size: Height and width of the pool, or one number for both: the map's size in training.
            Maps of another size are resized to it, and contexts to the map.
        pool_rate: The paper's lambda.
        pool: ``causal``, or a control: a fixed ``gaussian`` in the middle for every class;
            ``zero``, which leaves the learned bias; ``shuffled``, where each class gets another
            one's context; ``averaged``, the mean over all classes' contexts for every image (the
            paper's eq. 6).
        pool_update: Maps that update the pool: of predictions that are ``correct`` (released code)
            or of every ``argmax`` (paper).
        update_order: Whether the pool is updated ``after`` a batch has used it (released code) or
            ``before`` (paper). ``before`` with ``correct`` lets labels into the forward pass.
        rho: Weight of the first branch's classification loss.
        **kwargs: Of :class:`wsol_mm.CombinationalCAMHead`.

    Raises:
        ValueError: An unknown choice, or a rate or size that is not positive.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        pool_size: int | tuple[int, int],
        pool_rate: float = 0.01,
        pool: Literal["causal", "gaussian", "zero", "shuffled", "averaged"] = "causal",
        pool_update: Literal["correct", "argmax"] = "correct",
        update_order: Literal["after", "before"] = "after",
        rho: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_classes, in_channels, **kwargs)
        given = {"pool": pool, "pool_update": pool_update, "update_order": update_order}
        for key, value in given.items():
            if value not in _CHOICES[key]:
                raise ValueError(f"{key}={value!r}: expected one of {_CHOICES[key]}")
        height, width = (pool_size, pool_size) if isinstance(pool_size, int) else pool_size
        if min(height, width) < 1 or pool_rate <= 0 or rho < 0:
            raise ValueError(
                f"pool_size={pool_size} and pool_rate={pool_rate} must be positive, rho={rho} not "
                "negative"
            )
        self.pool, self.pool_update, self.update_order = pool, pool_update, update_order
        self.pool_rate = pool_rate
        self.rho = rho
        # The paper's 1x1 convolution of a map that is zero but for one channel: only its weights
        # are used, one column per image.
        self.projection = nn.Conv2d(num_classes, self.fc.in_features, 1)
        start = torch.zeros(num_classes, height, width)
        if pool == "gaussian":
            start = start + centre_prior((height, width))
        self.register_buffer("context_pool", start)
        if pool == "shuffled":
            # One cycle through all classes in a random order: none keeps its own context.
            cycle = np.random.default_rng(0).permutation(num_classes)
            other = np.empty(num_classes, dtype=np.int64)
            other[cycle] = np.roll(cycle, 1)
            self.register_buffer("context_of", torch.tensor(other.tolist()))

    def enhance(self, features: Tensor, scores: Tensor) -> Tensor:
        """X^e of the features X, by the context of the class of the highest score.

        Args:
            features: (B, C, h, w).
            scores: (B, K) of the first branch.

        Returns:
            float32 (B, C, h, w).
        """
        # A copy: the backward pass needs these values after the pool has moved on.
        pool = resize_maps(self.context_pool, features.shape[2:]).clone()
        columns = self.projection.weight.flatten(1).t()
        if self.pool == "averaged":
            contexts, scale = pool[None], columns[None] / len(pool)
        else:
            predicted = scores.argmax(dim=1)
            owner = self.context_of[predicted] if self.pool == "shuffled" else predicted
            contexts, scale = pool[owner][:, None], columns[predicted][:, None]
        with full_precision(features):
            return enhance(features.float(), contexts, scale.float(), self.projection.bias.float())

    @torch.no_grad()
    def update(self, features: Tensor, scores: Tensor, labels: Tensor) -> None:
        """Let the maps of one batch, of all ranks together, into the pool.

        Args:
            features: (B, C, h, w) of the first branch.
            scores: (B, K) of the first branch.
            labels: int64 (B,).
        """
        if self.pool in ("gaussian", "zero"):
            return
        predicted = scores.argmax(dim=1)
        with full_precision(features):
            maps = class_activation_maps(
                features.float(), self.fc.weight.float(), predicted[:, None]
            )
            if self.pool_update == "correct":
                wrong = predicted != labels
                maps = maps.masked_fill(wrong[:, None, None, None], 0.0)
            maps = resize_maps(maps.squeeze(1), self.context_pool.shape[1:])
            sums = sum_by_class(maps, predicted, self.num_classes)
            all_reduce(sums)
            self.context_pool.copy_(update_pool(self.context_pool, sums, self.pool_rate))

    def first_branch(self, feats: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """Features X (B, C, h, w) and logits z (B, K), without the pool."""
        features = super().pre_logits(feats)
        return features, self.class_scores(features)

    def pre_logits(self, feats: tuple[Tensor, ...]) -> Tensor:
        """The enhanced map X^e (B, C, h, w), float32."""
        return self.enhance(*self.first_branch(feats))

    def branches(
        self, feats: tuple[Tensor, ...], labels: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Both branches of a training batch, with the update of the pool in its place.

        The pool is left alone outside of training mode.

        Args:
            feats: Of the backbone.
            labels: int64 (B,).

        Returns:
            X, z, X^e and z^e.
        """
        features, scores = self.first_branch(feats)
        if self.training and self.update_order == "before":
            self.update(features, scores, labels)
        enhanced = self.enhance(features, scores)
        if self.training and self.update_order == "after":
            self.update(features, scores, labels)
        return features, scores, enhanced, self.class_scores(enhanced)

    def loss(
        self, feats: tuple[Tensor, ...], data_samples: list[DataSample], **kwargs: Any
    ) -> dict[str, Tensor]:
        """``loss`` (and accuracies) of the second branch, ``loss_first``: rho times the first's."""
        labels = target_labels(data_samples, feats[-1].device)
        _, scores, _, enhanced_scores = self.branches(feats, labels)
        return self.branch_losses(scores, enhanced_scores, data_samples, **kwargs)

    def branch_losses(
        self,
        scores: Tensor,
        enhanced_scores: Tensor,
        data_samples: list[DataSample],
        **kwargs: Any,
    ) -> dict[str, Tensor]:
        """What :meth:`loss` returns, from the logits z and z^e of :meth:`branches`."""
        losses = self._get_loss(enhanced_scores, data_samples, **kwargs)
        if self.rho:
            first = self._get_loss(scores, data_samples, **kwargs)["loss"]
            losses["loss_first"] = self.rho * first
        return losses

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args: Any) -> None:
        # Raised here because mmengine loads checkpoints non-strictly and would only warn.
        pool = state_dict.get(f"{prefix}context_pool")
        if f"{prefix}fc.weight" in state_dict and (
            pool is None or pool.shape != self.context_pool.shape
        ):
            found = "no pool" if pool is None else f"a pool of shape {tuple(pool.shape)}"
            raise RuntimeError(
                f"the checkpoint has a classifier ({prefix}fc.weight) but {found} for it, expected "
                f"{prefix}context_pool of shape {tuple(self.context_pool.shape)}: give a "
                "checkpoint of this head, with pool_size and num_classes as in training"
            )
        super()._load_from_state_dict(state_dict, prefix, *args)
