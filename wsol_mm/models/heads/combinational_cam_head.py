"""NL-CCAM's head: one map per image, combined from the maps of all classes."""

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from wsol_mm.functional.class_map_combination import combination_weights, combine_class_maps
from wsol_mm.models.heads.cam_head import CAMHead
from wsol_mm.models.precision import full_precision
from wsol_mm.registry import MODELS

_RANKS = ("predicted", "label")


@MODELS.register_module()
class CombinationalCAMHead(CAMHead):
    """A linear classifier whose maps of all classes, ranked by score, make one map.

    Yang et al., WACV 2020 (NL-CCAM). The classifier and its loss are those of
    :class:`wsol_mm.CAMHead`.

    Args:
        combination: Arguments of
            :func:`wsol_mm.functional.class_map_combination.combination_weights`, such as
            ``dict(name='signed_quadratic', split=100)``. ``dict(name='none')`` is the best class's
            own map.
        ranks: ``predicted`` (default, as released) ranks by the scores alone: an image has one map,
            which is written for every class in ``map_labels``, so GT-known ignores the class.
            ``label`` puts the class that a map is for on the first rank: every class has its own.
        **kwargs: Of :class:`wsol_mm.CAMHead`, with neither ``map_kind`` nor ``map_bias``.

    Raises:
        ValueError: An unknown combination or rank, or one that the number of classes does not fit.
    """

    map_kinds: ClassVar[tuple[str, ...]] = ("cam",)

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        combination: dict[str, Any],
        ranks: Literal["predicted", "label"] = "predicted",
        **kwargs: Any,
    ) -> None:
        if kwargs.get("map_bias"):
            raise ValueError(f"{type(self).__name__} combines plain maps: remove map_bias")
        if ranks not in _RANKS:
            raise ValueError(f"ranks={ranks!r}: expected one of {_RANKS}")
        super().__init__(num_classes, in_channels, **kwargs)
        self.ranks = ranks
        gamma = combination_weights(num_classes=num_classes, **combination)
        self.register_buffer("gamma", torch.tensor(gamma, dtype=torch.float32), persistent=False)

    def combined_maps(
        self, features: Tensor, scores: Tensor, labels: Tensor | None = None
    ) -> Tensor:
        """Combined maps in float32, differentiable in the features and the classifier.

        Args:
            features: (B, C, h, w) the classifier has read.
            scores: (B, K) by which classes are ranked.
            labels: int64 (B, k) to be put first, each in a map of its own; None for one map.

        Returns:
            (B, k or 1, h, w), minimum 0.
        """
        with full_precision(features):
            return combine_class_maps(
                features.float(), self.fc.weight.float(), scores.float(), self.gamma, labels
            )

    def draw_maps(self, feats: tuple[Tensor, ...], features: Tensor, labels: Tensor) -> Tensor:
        """The combined map for each wanted class, minimum 0, not scaled.

        The same one for all, or with the class ranked first.
        """
        wanted = labels if self.ranks == "label" else None
        maps = self.combined_maps(features, self.class_scores(features), wanted)
        return maps.expand(-1, labels.shape[1], -1, -1)
