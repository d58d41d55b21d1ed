"""What a student is taught by a teacher: class probabilities and class activation maps."""

from torch import Tensor, nn

from wsol_mm.functional.distillation import (
    KLInput,
    Squash,
    activation_guidance,
    logits_guidance,
)
from wsol_mm.registry import MODELS


@MODELS.register_module()
class LogitsGuidanceLoss(nn.Module):
    """Divergence of the student's class probabilities from the teacher's.

    Shao et al., KG-CI-CAM, eq. 9.

    Args:
        temperature: T, by which logits are divided; the paper's for CUB with VGG-16.
        kl_input: See :func:`wsol_mm.functional.distillation.logits_guidance`.
        loss_weight: Factor of the result. Hinton's T^2, which the paper leaves out, goes here.

    Raises:
        ValueError: An unknown choice or a temperature that is not positive.

    Example:
        >>> import torch
        >>> logits = torch.tensor([[0.0, 1.0]])
        >>> LogitsGuidanceLoss(temperature=2.0)(logits, logits)
        tensor(0.)
    """

    def __init__(
        self,
        temperature: float = 15.0,
        kl_input: KLInput = "log_probabilities",
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.temperature = temperature
        self.kl_input = kl_input
        self.loss_weight = loss_weight
        _try(self, (1, 2))

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Mean over the images of logits (B, K) each, a scalar; the teacher's learn nothing."""
        each = logits_guidance(student, teacher.detach(), self.temperature, kl_input=self.kl_input)
        return self.loss_weight * each.mean()


@MODELS.register_module()
class ActivationGuidanceLoss(nn.Module):
    """Mean squared difference of the softened class activation maps of student and teacher.

    Shao et al., KG-CI-CAM, eq. 10.

    Args:
        temperature: T, by which maps are divided; the paper's for CUB with VGG-16.
        squash: See :func:`wsol_mm.functional.distillation.activation_guidance`.
        loss_weight: Factor of the result.

    Raises:
        ValueError: An unknown choice or a temperature that is not positive.

    Example:
        >>> import torch
        >>> maps = torch.rand(1, 2, 3, 3)
        >>> ActivationGuidanceLoss()(maps, maps)
        tensor(0.)
    """

    def __init__(
        self, temperature: float = 15.0, squash: Squash = "softmax", loss_weight: float = 1.0
    ) -> None:
        super().__init__()
        self.temperature = temperature
        self.squash = squash
        self.loss_weight = loss_weight
        _try(self, (1, 2, 1, 1))

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Mean over the images of raw maps (B, K, h, w) each, a scalar; the teacher's are fixed."""
        each = activation_guidance(student, teacher.detach(), self.temperature, squash=self.squash)
        return self.loss_weight * each.mean()


def _try(loss: nn.Module, shape: tuple[int, ...]) -> None:
    """Refuse wrong settings when the loss is built, not in the first step."""
    sample = Tensor(*shape).zero_()
    loss(sample, sample)
