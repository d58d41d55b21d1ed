"""A classification loss whose calls can be read afterwards."""

from typing import NamedTuple

from torch import Tensor, nn


class LossCall(NamedTuple):
    """What a classification loss was called with.

    Attributes:
        cls_score: (n, C) logits.
        target: (n,) int64 class labels, background ``num_classes``; for losses of mmdet's quality
            focal kind a pair with the (n,) quality of each sample.
        weight: (n,) weights, or None.
    """

    cls_score: Tensor
    target: Tensor | tuple[Tensor, Tensor]
    weight: Tensor | None


class RecordedLoss(nn.Module):
    """Stands in the place of a head's ``loss_cls``, gives the same and keeps what it was asked.

    What a head reads from its loss (``use_sigmoid``, ``custom_cls_channels``, ...) is that of the
    loss inside. It adds no weights, so state dicts stay as they are.

    Args:
        loss: Any of mmdet's classification losses.
    """

    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.loss = loss
        self.calls: list[LossCall] = []

    def __getattr__(self, name: str) -> object:
        """A key of this module, or of the loss inside."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("loss"), name)

    def forward(
        self,
        cls_score: Tensor,
        target: Tensor | tuple[Tensor, Tensor],
        weight: Tensor | None = None,
        avg_factor: float | Tensor | None = None,
        **kwargs: object,
    ) -> Tensor:
        """The loss; arguments as in mmdet's classification losses."""
        self.calls.append(LossCall(cls_score, target, weight))
        return self.loss(cls_score, target, weight, avg_factor=avg_factor, **kwargs)

    def take(self) -> list[LossCall]:
        """The calls since the last time, in order; they are forgotten here."""
        calls, self.calls = self.calls, []
        return calls
