"""Dropout of the positions that a network attends to most."""

from torch import Tensor, nn

from wsol_mm.functional.alignment import attentive_drop_mask
from wsol_mm.registry import MODELS


@MODELS.register_module()
class AttentiveDropout(nn.Module):
    """Drop positions of high attention by chance, in training only.

    Kim et al., CVPR 2022, section 4.2: behind ``WSOLClassifier(erasing=...)`` as BridgeGap has it,
    or as one of its ``layers``. Attention is the channel mean; a dropped position loses all its
    channels and the rest is not scaled up. ``drop_prob=1`` erases every position above the
    threshold, as EIL does.

    Args:
        threshold: Attention above which a position may be dropped.
        drop_prob: Probability of dropping it.
        relative: Measure the threshold in the image's largest attention, as the authors' code does;
            False compares with ``threshold`` itself, as the paper says.

    Raises:
        ValueError: A negative threshold, a relative one above 1, or an impossible probability.
    """

    def __init__(
        self, threshold: float = 0.8, drop_prob: float = 0.5, relative: bool = True
    ) -> None:
        super().__init__()
        if threshold < 0 or (relative and threshold > 1):
            raise ValueError(
                f"AttentiveDropout: threshold={threshold} must lie in [0, 1], or above 0 with "
                "relative=False"
            )
        if not 0 <= drop_prob <= 1:
            raise ValueError(f"AttentiveDropout: drop_prob={drop_prob} must lie in [0, 1]")
        self.threshold = threshold
        self.drop_prob = drop_prob
        self.relative = relative

    def forward(self, features: Tensor) -> Tensor:
        """Features (B, C, h, w) with positions set to 0; as they are at test."""
        if not self.training:
            return features
        mask = attentive_drop_mask(features, self.threshold, self.drop_prob, relative=self.relative)
        return features.masked_fill(mask, 0.0)

    def extra_repr(self) -> str:
        """Settings, for printing the model."""
        return f"{self.threshold}, drop_prob={self.drop_prob}, relative={self.relative}"
