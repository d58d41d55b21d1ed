"""WEND's weighted-entropy loss on the logits of a classification branch."""

import torch
from torch import Tensor, nn

from wsol_mm.functional.weighted_entropy import (
    Form,
    check_weighted_entropy,
    contributing,
    modulating_factor,
    weighted_entropy,
)
from wsol_mm.registry import MODELS

NORMALIZERS = ("avg_factor", "samples", "contributing", "positives", "weights")
REDUCTIONS = ("none", "mean", "sum")


@MODELS.register_module()
class WeightedEntropyLoss(nn.Module):
    """Weighted entropy of the foreground probability; needs no labels.

    WEND, Xu et al., ACM MM 2023, section 3.2.2.

    The defaults are the paper's values for CUB with Faster R-CNN.

    Args:
        gamma: Focusing exponent.
        alpha: Balance between foreground and background side.
        tau1: Samples with a foreground probability below it are on the background side.
        tau2: Samples at or above it are on the foreground side; those in between are left out.
        form: Reading of the paper, see ``wsol_mm.functional.weighted_entropy``.
        normalizer: What the sum is divided by under ``reduction='mean'``: ``avg_factor`` (as the
            classification loss beside it; the number of samples when the caller gives none),
            ``samples``, ``contributing`` (samples outside the thresholds), ``positives``, or
            ``weights``, the sum of w(p) without its gradient: the mean entropy under these weights.
        use_sigmoid: How logits become foreground probabilities. True: each channel by itself.
            False: softmax whose last channel is the background, as in mmdet's RoI heads.
        reduction: ``none``, ``mean`` or ``sum``.
        loss_weight: Factor of the result.

    Raises:
        ValueError: If a key is out of range.

    Example:
        >>> loss = WeightedEntropyLoss(gamma=2, alpha=0.25, tau1=0.3, tau2=0.3)
        >>> loss(torch.tensor([[0.0, 0.0], [9.0, 0.0]]))  # p = 0.5 and nearly 1
        tensor(0.0217)
    """

    def __init__(
        self,
        gamma: float = 6.0,
        alpha: float = 0.1,
        tau1: float = 0.3,
        tau2: float = 0.3,
        form: Form = "primary",
        normalizer: str = "avg_factor",
        use_sigmoid: bool = False,
        reduction: str = "mean",
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        check_weighted_entropy(gamma, alpha, tau1, tau2, form)
        if normalizer not in NORMALIZERS:
            raise ValueError(f"normalizer={normalizer!r}: use one of {', '.join(NORMALIZERS)}")
        if normalizer == "weights" and form == "focal_entropy":
            raise ValueError("normalizer='weights': form='focal_entropy' has no single weight")
        if reduction not in REDUCTIONS:
            raise ValueError(f"reduction={reduction!r}: use one of {', '.join(REDUCTIONS)}")
        self.gamma = gamma
        self.alpha = alpha
        self.tau1 = tau1
        self.tau2 = tau2
        self.form = form
        self.normalizer = normalizer
        self.use_sigmoid = use_sigmoid
        self.reduction = reduction
        self.loss_weight = loss_weight

    def foreground(self, cls_score: Tensor) -> Tensor:
        """Foreground probabilities of logits.

        Args:
            cls_score: (n,) or (n, C) logits; for softmax (n, C + 1), background last.

        Returns:
            float32 or float64; the shape of ``cls_score`` for sigmoid, (n,) for softmax.

        Raises:
            ValueError: If softmax logits have fewer than two channels.
        """
        cls_score = cls_score.to(torch.promote_types(cls_score.dtype, torch.float32))
        if self.use_sigmoid:
            return cls_score.sigmoid()
        if cls_score.ndim < 2 or cls_score.shape[-1] < 2:
            raise ValueError(
                f"WeightedEntropyLoss: softmax needs (n, C + 1) logits with the background last, "
                f"got {tuple(cls_score.shape)}; set use_sigmoid=True for one logit per sample"
            )
        return cls_score.softmax(dim=-1)[..., :-1].sum(dim=-1)

    def forward(
        self,
        cls_score: Tensor,
        weight: Tensor | None = None,
        avg_factor: float | Tensor | None = None,
        num_pos: float | Tensor | None = None,
        reduction_override: str | None = None,
    ) -> Tensor:
        """Loss of a batch of samples.

        Args:
            cls_score: Logits, see :meth:`foreground`.
            weight: (n,) or the shape of the probabilities; samples with weight 0 do not count.
            avg_factor: Divisor of the mean under ``normalizer='avg_factor'``.
            num_pos: Divisor of the mean under ``normalizer='positives'``.
            reduction_override: Replaces ``reduction`` for this call.

        Returns:
            Scalar, or the shape of the probabilities for ``none``.

        Raises:
            ValueError: If ``normalizer='positives'`` and ``num_pos`` is not given.
        """
        p = self.foreground(cls_score)
        loss = self.loss_weight * weighted_entropy(
            p, gamma=self.gamma, alpha=self.alpha, tau1=self.tau1, tau2=self.tau2, form=self.form
        )
        if weight is not None:
            weight = weight.reshape(weight.shape + (1,) * (loss.ndim - weight.ndim))
            loss = loss * weight
        reduction = reduction_override or self.reduction
        if reduction == "none":
            return loss
        if reduction == "sum":
            return loss.sum()
        if self.normalizer == "avg_factor" and avg_factor is not None:
            return loss.sum() / (avg_factor + torch.finfo(loss.dtype).eps)
        if self.normalizer == "positives":
            if num_pos is None:
                raise ValueError("WeightedEntropyLoss: normalizer='positives' needs num_pos")
            return loss.sum() / torch.as_tensor(num_pos, device=loss.device).clamp(min=1)
        counted = (
            torch.ones_like(p, dtype=torch.bool) if weight is None else weight.expand_as(p) > 0
        )
        keys = {"tau1": self.tau1, "tau2": self.tau2, "form": self.form}
        if self.normalizer == "weights":
            factor = modulating_factor(p.detach(), gamma=self.gamma, alpha=self.alpha, **keys)
            divisor = (factor * counted).sum()
            return loss.sum() / divisor.clamp(min=torch.finfo(loss.dtype).tiny)
        if self.normalizer == "contributing":
            counted = counted & contributing(p, **keys)
        return loss.sum() / counted.sum().clamp(min=1)
