"""SPG's supervision of one branch by a map of the same network."""

from torch import Tensor, nn

from wsol_mm.functional.self_produced_guidance import guidance_loss, guidance_mask
from wsol_mm.registry import MODELS


@MODELS.register_module()
class SelfProducedGuidanceLoss(nn.Module):
    """Binary cross entropy of a branch where another map is sure (Zhang et al., ECCV 2018).

    Args:
        high: Scores above it are foreground.
        low: Scores below it are background; those in between are left out.
        loss_weight: Factor of the result. With 0 the loss is not computed.

    Raises:
        ValueError: The thresholds are not ``0 <= low <= high <= 1``.
    """

    def __init__(self, high: float, low: float, loss_weight: float = 1.0) -> None:
        super().__init__()
        if not 0 <= low <= high <= 1:
            raise ValueError(
                "SelfProducedGuidanceLoss: thresholds must satisfy 0 <= low <= high <= 1, got "
                f"high={high}, low={low}"
            )
        self.high = high
        self.low = low
        self.loss_weight = loss_weight
        self.enabled = True

    def forward(self, logits: Tensor, scores: Tensor) -> Tensor:
        """Loss of a batch.

        Args:
            logits: Of the branch that learns, (B, 1, H, W).
            scores: In [0, 1], same shape; no gradient reaches them.

        Returns:
            Scalar.
        """
        return self.loss_weight * guidance_loss(logits, guidance_mask(scores, self.high, self.low))
