"""BridgeGap's losses on the two factors of a class activation map."""

from torch import Tensor, nn

from wsol_mm.functional.alignment import norm_loss, similarity_loss
from wsol_mm.registry import MODELS

RULES = ("general", "fine_grained")


@MODELS.register_module()
class SimilarityLoss(nn.Module):
    """Feature direction alignment (Kim et al., CVPR 2022, eq. 6).

    Heads compute it only while ``enabled`` is true (``wsol_mm.WarmStageHook``) and ``loss_weight``
    is not 0.

    Args:
        tau_fg: Positions whose normalised norm exceeds it are foreground. The default is the
            paper's value for CUB with VGG-16, as are the others here.
        tau_bg: Positions below it are background.
        loss_weight: Factor of the result.

    Raises:
        ValueError: The thresholds are not in order within [0, 1].

    Example:
        >>> import torch
        >>> SimilarityLoss()(torch.tensor([[[0.0, 1.0]]]), torch.tensor([[[-0.5, 0.5]]]))
        tensor(-0.5000)
    """

    def __init__(self, tau_fg: float = 0.6, tau_bg: float = 0.1, loss_weight: float = 0.5) -> None:
        super().__init__()
        if not 0 <= tau_bg <= tau_fg <= 1:
            raise ValueError(
                f"SimilarityLoss: tau_bg={tau_bg}, tau_fg={tau_fg} must satisfy "
                "0 <= tau_bg <= tau_fg <= 1"
            )
        self.tau_fg = tau_fg
        self.tau_bg = tau_bg
        self.loss_weight = loss_weight
        self.enabled = True

    def forward(self, norm01: Tensor, similarity: Tensor) -> Tensor:
        """Loss of normalised norm maps and the own class's similarity maps, both (B, h, w)."""
        return self.loss_weight * similarity_loss(norm01, similarity, self.tau_fg, self.tau_bg)


@MODELS.register_module()
class NormLoss(nn.Module):
    """Activation where features point to the object (Kim et al., CVPR 2022, eq. 8).

    Args:
        rule: Which classes tell the object: ``general``, the image's own; ``fine_grained``, any,
            for classes that are variants of one object, as birds are.
        loss_weight: Factor of the result; the paper's for CUB with VGG-16.

    Raises:
        ValueError: Unknown rule.

    Example:
        >>> import torch
        >>> norm01 = torch.tensor([[[0.0, 1.0]]])
        >>> NormLoss("general", loss_weight=1)(norm01, torch.tensor([[[[-0.5, 0.5]]]]))
        tensor(-1.)
    """

    def __init__(self, rule: str, loss_weight: float = 0.15) -> None:
        super().__init__()
        if rule not in RULES:
            raise ValueError(f"NormLoss: rule must be one of {RULES}, got {rule!r}")
        self.rule = rule
        self.loss_weight = loss_weight
        self.enabled = True

    def forward(self, norm01: Tensor, similarity: Tensor) -> Tensor:
        """Loss of normalised norm maps (B, h, w) and similarity maps (B, k, h, w).

        Those are of the own class alone (k = 1) for ``general``, of all for ``fine_grained``.
        """
        return self.loss_weight * norm_loss(norm01, similarity)
