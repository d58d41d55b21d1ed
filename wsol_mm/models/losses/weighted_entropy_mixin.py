"""Adds the key ``loss_we`` to any head that has a ``loss_cls``."""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from wsol_mm.registry import MODELS


class LossCall(NamedTuple):
    """What a classification loss was called with.

    Attributes:
        cls_score: (n, C) logits.
        target: (n,) int64 class labels, background ``num_classes``.
        weight: (n,) weights, or None.
        avg_factor: Divisor of the mean, or None.
    """

    cls_score: Tensor
    target: Tensor
    weight: Tensor | None
    avg_factor: float | Tensor | None


@contextmanager
def recorded_calls(loss: nn.Module) -> Iterator[list[LossCall]]:
    """Collect the calls of ``loss`` inside a ``with`` block, without changing what it returns."""
    calls: list[LossCall] = []
    signature = inspect.signature(loss.forward)

    def record(_module: nn.Module, args: tuple, kwargs: dict, _output: object) -> None:
        bound = signature.bind(*args, **kwargs).arguments
        cls_score, target = list(bound.values())[:2]
        calls.append(LossCall(cls_score, target, bound.get("weight"), bound.get("avg_factor")))

    handle = loss.register_forward_hook(record, with_kwargs=True)
    try:
        yield calls
    finally:
        handle.remove()


class WeightedEntropyMixin:
    """A head key ``loss_we`` beside an untouched ``loss_cls``.

    Put it before an mmdet head class. The entropy is that of the very predictions that the
    classification loss saw, over the samples it counted and with its ``avg_factor``, so RoI heads,
    anchor heads and point heads need no code of their own. Which method computes the losses is all
    that a subclass adds (:class:`wsol_mm.models.roi_heads.WEShared2FCBBoxHead`,
    :class:`wsol_mm.models.dense_heads.WERetinaHead`).

    Args:
        loss_we: Config of the entropy loss, for example
            ``dict(type='wsol_mm.WeightedEntropyLoss', gamma=6, alpha=0.1, tau1=0.3, tau2=0.3)``;
            None for the parent's losses alone. ``use_sigmoid`` follows ``loss_cls``.

    Raises:
        ValueError: If ``loss_we.use_sigmoid`` contradicts ``loss_cls``.
    """

    def __init__(self, *args: object, loss_we: dict | None = None, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self.loss_we: nn.Module | None = None
        if loss_we is None:
            return
        use_sigmoid = bool(getattr(self.loss_cls, "use_sigmoid", False))
        if loss_we.get("use_sigmoid", use_sigmoid) != use_sigmoid:
            raise ValueError(
                f"{type(self).__name__}: loss_we.use_sigmoid={loss_we['use_sigmoid']} but "
                f"loss_cls.use_sigmoid={use_sigmoid}; both read the same logits: leave it out"
            )
        self.loss_we = MODELS.build({**loss_we, "use_sigmoid": use_sigmoid})

    def with_loss_we(self, compute: object, *args: object, **kwargs: object) -> dict:
        """Losses of ``compute(*args, **kwargs)`` plus ``loss_we``.

        Args:
            compute: The parent's method that calls ``loss_cls`` and returns a dict of losses.
        """
        if self.loss_we is None:
            return compute(*args, **kwargs)
        with recorded_calls(self.loss_cls) as calls:
            losses = compute(*args, **kwargs)
        if calls:
            losses["loss_we"] = self.weighted_entropy(calls)
        return losses

    def weighted_entropy(self, calls: list[LossCall]) -> Tensor:
        """Entropy term of one forward pass; several calls are the levels of one pyramid.

        Args:
            calls: What ``loss_cls`` was called with; all share one ``avg_factor``.

        Returns:
            Scalar.

        Raises:
            ValueError: If the calls have different ``avg_factor``: the head means something else
                than levels, and this method must be overridden.
        """
        avg_factor = calls[0].avg_factor
        if any(
            call.avg_factor is not avg_factor and call.avg_factor != avg_factor for call in calls
        ):
            raise ValueError(
                f"{type(self).__name__} calls loss_cls with different avg_factor "
                f"({[call.avg_factor for call in calls]}): override weighted_entropy for it"
            )
        weight = None
        if calls[0].weight is not None:
            weight = torch.cat([(call.weight > 0).float() for call in calls])
        return self.loss_we(
            torch.cat([call.cls_score for call in calls]),
            weight=weight,
            avg_factor=avg_factor,
            num_pos=sum(self.count_positives(call) for call in calls),
        )

    def count_positives(self, call: LossCall) -> Tensor:
        """How many samples of a call have a foreground label (on this rank)."""
        return ((call.target >= 0) & (call.target < self.num_classes)).sum()
