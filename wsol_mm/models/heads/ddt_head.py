"""DDT: maps by projection on each class's own component, beside a linear classifier."""

from typing import Any, ClassVar, get_args

import torch
from torch import Tensor

from wsol_mm.functional.ddt import SignRule, ddt_maps
from wsol_mm.models.heads.cam_head import CAMHead
from wsol_mm.models.precision import full_precision
from wsol_mm.registry import MODELS


@MODELS.register_module()
class DDTHead(CAMHead):
    """Localizes by the direction in which a class's features vary most; nothing of that is trained.

    Wei et al., Pattern Recognition 2019 (DDT), as PSOL uses it. The means and components are
    buffers, so a checkpoint holds them; ``wsol_mm.FitDDTHook`` computes them from the training
    images of each class, or from those of the test. Until then all maps are zero; weights without
    them, a pretrained classifier's, load as not fitted. The linear layer of the parent is an
    ordinary classifier of the pooled features, without influence on the maps.

    A map is a projection: positive on the object, negative beside it. So it goes with the
    evaluator's ``normalization='max'``, under which the threshold 0 is DDT's own rule.

    Args:
        num_classes: Classes K.
        in_channels: Channels C of the feature map.
        sign: How a component's sign is chosen, see :func:`wsol_mm.functional.ddt.oriented`.
            ``extreme`` is what PSOL's boxes were made with, and reads the images twice;
            ``border`` once.
        **kwargs: Of :class:`CAMHead`, but hidden layers and other maps.

    Raises:
        ValueError: An unknown ``sign``, or an argument that would change the features or maps.
    """

    map_kinds: ClassVar[tuple[str, ...]] = ("projection",)

    def __init__(
        self, num_classes: int, in_channels: int, sign: SignRule = "extreme", **kwargs: Any
    ) -> None:
        if sign not in get_args(SignRule):
            raise ValueError(f"DDTHead: sign must be one of {get_args(SignRule)}, got {sign!r}")
        for key in ("hidden_channels", "map_bias"):
            if key in kwargs:
                raise ValueError(f"DDTHead: {key} has no meaning, the maps are projections")
        super().__init__(num_classes, in_channels, **kwargs)
        self.sign = sign
        self.register_buffer("means", torch.zeros(num_classes, in_channels))
        self.register_buffer("components", torch.zeros(num_classes, in_channels))
        # SHA-256 of the features' origin (network, views, images); zeros before the fit
        self.register_buffer("fitted", torch.zeros(32, dtype=torch.uint8))
        self.means: Tensor
        self.components: Tensor
        self.fitted: Tensor

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args: Any) -> None:
        own = {f"{prefix}{name}": buffer for name, buffer in self.named_buffers()}
        if not own.keys() & state_dict.keys():  # a classifier's weights, not half of a DDT head
            state_dict.update((name, torch.zeros_like(buffer)) for name, buffer in own.items())
        super()._load_from_state_dict(state_dict, prefix, *args)

    def draw_maps(self, feats: tuple[Tensor, ...], features: Tensor, labels: Tensor) -> Tensor:
        """Projections on the wanted classes' components, float32 (B, k, h, w)."""
        with full_precision(features):
            return ddt_maps(features.float(), self.means, self.components, labels)
