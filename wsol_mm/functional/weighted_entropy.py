"""Weighted entropy of a foreground probability (WEND, Xu et al., ACM MM 2023, section 3.2.2).

The loss asks a detector to be sure about each sample, foreground or background, without asking any
label. Easy samples count less, and samples between the two thresholds do not count at all.

The formulas themselves are missing from the text of the paper at hand. ``primary`` is a
reconstruction from its prose and its hyper-parameter studies; the other forms are the readings that
the prose does not exclude, kept so that they can be compared.
"""

from typing import Literal, get_args

import torch
from torch import Tensor

Form = Literal["primary", "global_alpha", "swapped_alpha", "detached", "focal_entropy", "entropy"]
FORMS: tuple[str, ...] = get_args(Form)
THRESHOLDED: tuple[str, ...] = ("primary", "global_alpha", "swapped_alpha", "detached")


def check_weighted_entropy(gamma: float, alpha: float, tau1: float, tau2: float, form: str) -> None:
    """Refuse hyper-parameters outside their range.

    Args:
        gamma: Focusing exponent, at least 0.
        alpha: Balance, in [0, 1].
        tau1: Upper end of the background side, in [0, tau2].
        tau2: Lower end of the foreground side, in [tau1, 1].
        form: One of ``FORMS``.

    Raises:
        ValueError: Naming the key, what was given and what is accepted.
    """
    if form not in FORMS:
        raise ValueError(f"form={form!r} is unknown: use one of {', '.join(FORMS)}")
    if not gamma >= 0:
        raise ValueError(f"gamma={gamma} must be at least 0")
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha={alpha} must lie in [0, 1]")
    if not 0 <= tau1 <= tau2 <= 1:
        raise ValueError(f"tau1={tau1}, tau2={tau2} must satisfy 0 <= tau1 <= tau2 <= 1")


def contributing(p: Tensor, *, tau1: float, tau2: float, form: Form = "primary") -> Tensor:
    """Which samples take part: all but those between the thresholds.

    Args:
        p: Foreground probabilities, any shape, floating.
        tau1: Samples with ``p < tau1`` are on the background side.
        tau2: Samples with ``p >= tau2`` are on the foreground side.
        form: ``focal_entropy`` and ``entropy`` have no thresholds, so every sample takes part.

    Returns:
        bool, shape of ``p``.

    Example:
        >>> contributing(torch.tensor([0.1, 0.4, 0.5]), tau1=0.3, tau2=0.5)
        tensor([ True, False,  True])
    """
    if form not in THRESHOLDED:
        return torch.ones_like(p, dtype=torch.bool)
    return (p < tau1) | (p >= tau2)


def modulating_factor(
    p: Tensor,
    *,
    gamma: float,
    alpha: float,
    tau1: float,
    tau2: float,
    form: Form = "primary",
) -> Tensor:
    """The weight w(p) of each sample's entropy, see :func:`weighted_entropy`.

    Args:
        p: Foreground probabilities in [0, 1], any shape, floating.
        gamma: Focusing exponent, at least 0.
        alpha: Balance between the sides, in [0, 1].
        tau1: Upper end of the background side.
        tau2: Lower end of the foreground side.
        form: Any but ``focal_entropy``, whose two terms have a factor each.

    Returns:
        Shape and type of ``p``.

    Raises:
        ValueError: If ``form`` has no such weight.

    Example:
        >>> p = torch.tensor([0.1, 0.3, 0.5])
        >>> modulating_factor(p, gamma=2.0, alpha=0.25, tau1=0.2, tau2=0.4)
        tensor([0.0075, 0.0000, 0.0625])
    """
    if form == "focal_entropy":
        raise ValueError("form='focal_entropy' has a factor for each term, not one weight")
    if form == "entropy":
        return torch.ones_like(p)
    on_background = {"global_alpha": alpha, "swapped_alpha": alpha}.get(form, 1 - alpha)
    on_foreground = {"swapped_alpha": 1 - alpha}.get(form, alpha)
    eps = torch.finfo(p.dtype).eps
    inner = p.clamp(eps, 1 - eps)
    factor = (p < tau1) * (on_background * inner**gamma) + (p >= tau2) * (
        on_foreground * (1 - inner) ** gamma
    )
    return factor.detach() if form == "detached" else factor


def weighted_entropy(
    p: Tensor,
    *,
    gamma: float,
    alpha: float,
    tau1: float,
    tau2: float,
    form: Form = "primary",
) -> Tensor:
    r"""Weighted binary entropy of each probability, in nats.

    With :math:`H(p) = -p\ln p - (1-p)\ln(1-p)` the primary form is :math:`w(p)H(p)` where

    .. math::
        w(p) = (1-\alpha)\,p^\gamma \text{ if } p < \tau_1,\quad
               \alpha\,(1-p)^\gamma \text{ if } p \ge \tau_2,\quad 0 \text{ otherwise.}

    =================  ==========================================================================
    form               differs from ``primary`` by
    =================  ==========================================================================
    ``global_alpha``   ``alpha`` on both sides
    ``swapped_alpha``  ``alpha`` on the background side, ``1 - alpha`` on the foreground side
    ``detached``       no gradient through ``w(p)``
    ``focal_entropy``  each term has its own factor, as in the focal loss, without thresholds:
                       ``-alpha (1-p)^gamma p ln p - (1-alpha) p^gamma (1-p) ln(1-p)``
    ``entropy``        ``w = 1``: plain entropy minimization, the paper's ablation
    =================  ==========================================================================

    Probabilities are kept one machine epsilon away from 0 and 1, so that value and gradient are
    finite there. Half precision is computed in float32.

    Args:
        p: Foreground probabilities in [0, 1], any shape, floating.
        gamma: Focusing exponent, at least 0.
        alpha: Balance between the sides, in [0, 1].
        tau1: Upper end of the background side.
        tau2: Lower end of the foreground side.
        form: See the table.

    Returns:
        Shape of ``p``; float32 or float64.

    Raises:
        TypeError: If ``p`` is not floating.
        ValueError: If a hyper-parameter is out of range.

    Example:
        >>> p = torch.tensor([0.1, 0.3, 0.5])
        >>> weighted_entropy(p, gamma=2.0, alpha=0.25, tau1=0.2, tau2=0.4)
        tensor([0.0024, 0.0000, 0.0433])
    """
    check_weighted_entropy(gamma, alpha, tau1, tau2, form)
    if not p.is_floating_point():
        raise TypeError(f"p must be a floating tensor of probabilities, got {p.dtype}")
    p = p.to(torch.promote_types(p.dtype, torch.float32))
    eps = torch.finfo(p.dtype).eps
    inner = p.clamp(eps, 1 - eps)
    self_information = -inner * inner.log(), -(1 - inner) * torch.log1p(-inner)
    if form == "focal_entropy":
        return (
            alpha * (1 - inner) ** gamma * self_information[0]
            + (1 - alpha) * inner**gamma * self_information[1]
        )
    factor = modulating_factor(p, gamma=gamma, alpha=alpha, tau1=tau1, tau2=tau2, form=form)
    return factor * (self_information[0] + self_information[1])
