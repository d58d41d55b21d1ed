"""CI-CAM's head: a second look at features that the pool of class contexts has enhanced."""

from typing import Any, NamedTuple

import torch
from mmpretrain.structures import DataSample
from torch import Tensor

from wsol_mm.functional.cam import class_activation_maps
from wsol_mm.functional.context_pool import map_correlation, relative_change
from wsol_mm.models.heads.combinational_cam_head import CombinationalCAMHead
from wsol_mm.models.heads.localizer_head import target_labels
from wsol_mm.models.precision import full_precision
from wsol_mm.registry import MODELS


class Branches(NamedTuple):
    """What the two branches of one batch are made of.

    Attributes:
        features: X, (B, C, h, w).
        scores: z, logits (B, K) of the first branch.
        enhanced: X^e, float32 (B, C, h, w).
        enhanced_scores: z^e, logits (B, K) of the second branch.
    """

    features: Tensor
    scores: Tensor
    enhanced: Tensor
    enhanced_scores: Tensor


@MODELS.register_module()
class CausalCAMHead(CombinationalCAMHead):
    """Two passes through one classifier with a pool of class contexts in between.

    Shao et al., ACM MM 2021 (CI-CAM); see configs/ci_cam for where paper and released code differ.
    The first branch reads the features X and predicts a class; the context of that class (never of
    the label) enhances them; the second branch reads the result, X^e, and gives the scores and the
    maps. In training the first branch's maps update the pool.

    Loading a classifier without the buffers of its pool is refused. A model average that does not
    average buffers (mmengine's default) copies them.

    Args:
        num_classes: Classes K.
        in_channels: Channels of the backbone's last map.
        context_pool: ``dict(type='wsol_mm.CausalContextPool', size=...)``, one of its controls
            (:mod:`wsol_mm.models.layers.context_pool_controls`) or a pool of one's own; it is built
            with ``num_classes`` and ``channels``.
        rho: Weight of the first branch's classification loss.
        **kwargs: Of :class:`wsol_mm.CombinationalCAMHead`.

    Raises:
        ValueError: ``rho`` is negative.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        context_pool: dict[str, Any],
        rho: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_classes, in_channels, **kwargs)
        if not rho >= 0:
            raise ValueError(f"rho={rho}: expected 0 or more")
        self.rho = rho
        shapes = {"num_classes": num_classes, "channels": self.fc.in_features}
        self.context_pool = MODELS.build({**context_pool, **shapes})

    def first_branch(self, feats: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """Features X (B, C, h, w) and logits z (B, K), without the pool."""
        features = super().pre_logits(feats)
        return features, self.class_scores(features)

    def pre_logits(self, feats: tuple[Tensor, ...]) -> Tensor:
        """The enhanced map X^e (B, C, h, w), float32."""
        return self.context_pool(*self.first_branch(feats))

    def branches(self, feats: tuple[Tensor, ...], labels: Tensor) -> Branches:
        """Both branches of a training batch, with the update of the pool in its place.

        The pool is left alone outside of training mode.

        Args:
            feats: Of the backbone.
            labels: int64 (B,).
        """
        features, scores = self.first_branch(feats)
        order = self.context_pool.update_order if self.training else None
        if order == "before":
            self.update_pool(features, scores, labels)
        enhanced = self.context_pool(features, scores)
        if order == "after":
            self.update_pool(features, scores, labels)
        return Branches(features, scores, enhanced, self.class_scores(enhanced))

    @torch.no_grad()
    def update_pool(self, features: Tensor, scores: Tensor, labels: Tensor) -> None:
        """Let the maps of a batch into the pool.

        Args:
            features: (B, C, h, w) of the first branch.
            scores: (B, K) of the first branch.
            labels: int64 (B,).
        """
        predicted = scores.argmax(dim=1)
        with full_precision(features):
            maps = class_activation_maps(
                features.float(), self.fc.weight.float(), predicted[:, None]
            )
            self.context_pool.update(maps[:, 0], predicted, labels)

    def loss(
        self, feats: tuple[Tensor, ...], data_samples: list[DataSample], **kwargs: Any
    ) -> dict[str, Tensor]:
        """``loss`` (and accuracies) of the second branch, ``loss_first``: rho times the first's.

        ``enhancement`` and ``map_correlation`` are logged only, see :meth:`pool_effect`.
        """
        labels = target_labels(data_samples, feats[-1].device)
        return self.branch_losses(self.branches(feats, labels), data_samples, **kwargs)

    def branch_losses(
        self, branches: Branches, data_samples: list[DataSample], **kwargs: Any
    ) -> dict[str, Tensor]:
        """What :meth:`loss` returns, of :meth:`branches`."""
        losses = self._get_loss(branches.enhanced_scores, data_samples, **kwargs)
        if self.rho:
            first = self._get_loss(branches.scores, data_samples, **kwargs)["loss"]
            losses["loss_first"] = self.rho * first
        return {**losses, **self.pool_effect(branches)}

    @torch.no_grad()
    def pool_effect(self, branches: Branches) -> dict[str, Tensor]:
        """What the pool did to a batch, as means over its images.

        Returns:
            ``enhancement``: the relative size of the change from X to X^e. ``map_correlation``: of
            the combined maps H(M) and H(M^e) of the two branches. 1 says that the pool moved no
            box.
        """
        before = self.combined_maps(branches.features, branches.scores)[:, 0]
        after = self.combined_maps(branches.enhanced, branches.enhanced_scores)[:, 0]
        change = relative_change(branches.features, branches.enhanced)
        return {
            "enhancement": change.mean(),
            "map_correlation": map_correlation(before, after).mean(),
        }

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args: Any) -> None:
        # Raised here because mmengine loads checkpoints non-strictly and would only warn.
        if f"{prefix}fc.weight" in state_dict:
            for name, buffer in self.context_pool.named_buffers():
                key = f"{prefix}context_pool.{name}"
                found = state_dict.get(key)
                if found is None or found.shape != buffer.shape:
                    shape = "none" if found is None else f"one of shape {tuple(found.shape)}"
                    raise RuntimeError(
                        f"the checkpoint has a classifier ({prefix}fc.weight) but for {key} {shape}"
                        f", expected shape {tuple(buffer.shape)}: give a checkpoint of this head, "
                        "with context_pool and num_classes as in training"
                    )
        super()._load_from_state_dict(state_dict, prefix, *args)
