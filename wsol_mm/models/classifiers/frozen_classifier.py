"""A classifier of which the head alone trains, on images or on what was kept of them."""

import torch
from mmpretrain.structures import DataSample
from torch import Tensor

from wsol_mm.models.classifiers.wsol_classifier import WSOLClassifier
from wsol_mm.registry import MODELS


@MODELS.register_module()
class FrozenClassifier(WSOLClassifier):
    """``wsol_mm.WSOLClassifier`` with a frozen backbone, always in evaluation mode.

    Its head learns from ``head.pre_logits`` of the features, which must not have parameters of its
    own and must pass what it returns through: vectors (B, C), as of :class:`wsol_mm.TokenCutHead`
    and :class:`wsol_mm.SDCAMHead`, or maps (B, C, h, w), as of :class:`wsol_mm.C2AMHead`. Where
    data samples carry vectors as ``tokens``, from a cache (:class:`wsol_mm.FixedViews`), no image
    is needed and the backbone does not run.

    Args:
        **kwargs: Of :class:`wsol_mm.WSOLClassifier`, but ``erasing``.

    Raises:
        ValueError: There is an ``erasing``, which would train the backbone.
    """

    def __init__(self, **kwargs) -> None:
        if kwargs.get("erasing") is not None:
            raise ValueError("FrozenClassifier: erasing would train the backbone; leave it out")
        super().__init__(**kwargs)
        self.backbone.requires_grad_(False)
        self.train()

    def train(self, mode: bool = True) -> "FrozenClassifier":
        """As of the parent, without the backbone."""
        super().train(mode)
        self.backbone.eval()
        return self

    def pooled_tokens(self, inputs: Tensor) -> Tensor:
        """What the head learns from, (B, C) or (B, C, h, w), without gradient."""
        with torch.no_grad():
            return self.head.pre_logits(self.extract_feat(inputs))

    def loss(self, inputs: Tensor, data_samples: list[DataSample]) -> dict[str, Tensor]:
        """Losses of the head."""
        if "tokens" in data_samples[0]:
            pooled = torch.stack([sample.tokens for sample in data_samples]).to(inputs.device)
        else:
            pooled = self.pooled_tokens(inputs)
        return self.head.loss((pooled,), data_samples)
