"""DDT: the direction in which the features of one class's images vary most, and what lies along it.

Wei et al., *Unsupervised object discovery and co-localization by deep descriptor transforming*,
Pattern Recognition 2019, as PSOL (Zhang et al., CVPR 2020) makes its pseudo boxes by it. Every
position of a feature map is one descriptor. Descriptors are added up as they come, so the memory
does not grow with the number of images: (C, C) numbers for one class at a time.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

SignRule = Literal["extreme", "border"]

__all__ = [
    "Extent",
    "Moments",
    "SignRule",
    "ddt_maps",
    "oriented",
    "principal_component",
    "update_extent",
    "update_moments",
]


@dataclass(frozen=True)
class Moments:
    """Sums over the descriptors of one class, float64, and over those at the images' borders.

    Attributes:
        count: Number of descriptors.
        total: Their sum, (C,).
        outer: Sum of their outer products, (C, C).
        border_count: Number of descriptors in first and last rows and columns.
        border_total: Their sum, (C,).
    """

    count: int
    total: Tensor
    outer: Tensor
    border_count: int
    border_total: Tensor

    @classmethod
    def empty(cls, channels: int, device: torch.device | str = "cpu") -> "Moments":
        """No descriptor yet."""
        zeros = torch.zeros(channels, dtype=torch.float64, device=device)
        return cls(0, zeros, zeros.new_zeros(channels, channels), 0, zeros)


@dataclass(frozen=True)
class Extent:
    """Least and largest projection of a class's descriptors on its component."""

    low: float = 0.0
    high: float = 0.0


def update_moments(moments: Moments, features: Tensor) -> Moments:
    """Add the descriptors of some images.

    Args:
        moments: So far.
        features: (B, C, h, w), any floating dtype; widened to float64, in which the difference of
            large sums is exact enough.

    Returns:
        The sums with these descriptors.

    Example:
        >>> moments = update_moments(Moments.empty(2), torch.tensor([[[[1.0, 3.0]], [[0.0, 2.0]]]]))
        >>> moments.count, moments.total.tolist(), moments.outer.tolist()
        (2, [4.0, 2.0], [[10.0, 6.0], [6.0, 4.0]])
    """
    values = features.double()
    rows = values.movedim(1, -1).flatten(0, 2)
    inner = values[:, :, 1:-1, 1:-1]
    total, inner_total = rows.sum(dim=0), inner.sum(dim=(0, 2, 3))
    return Moments(
        moments.count + len(rows),
        moments.total + total,
        moments.outer + rows.T @ rows,
        moments.border_count + len(rows) - inner.numel() // rows.shape[1],
        moments.border_total + total - inner_total,
    )


def principal_component(moments: Moments) -> tuple[Tensor, Tensor]:
    """Mean of the descriptors and the unit eigenvector of their covariance's largest eigenvalue.

    The eigenvector's sign is undetermined here; :func:`oriented` chooses it.

    Args:
        moments: Of one class.

    Returns:
        Mean and component, (C,) float64 each; a zero component where all descriptors are alike.

    Raises:
        ValueError: There is no descriptor, or one is not finite.

    Example:
        >>> features = torch.tensor([[[[1.0, 3.0, 5.0]], [[2.0, 2.0, 2.0]]]])
        >>> mean, component = principal_component(update_moments(Moments.empty(2), features))
        >>> mean.tolist(), component.abs().tolist()
        ([3.0, 2.0], [1.0, 0.0])
    """
    if moments.count == 0:
        raise ValueError("no descriptors: a component needs at least one image")
    if not moments.outer.isfinite().all():
        raise ValueError("the descriptors are not finite: check the network's weights")
    mean = moments.total / moments.count
    covariance = moments.outer / moments.count - torch.outer(mean, mean)
    # on the CPU, where the solver's result does not depend on the device
    values, vectors = torch.linalg.eigh(covariance.cpu())
    # what rounding alone makes of descriptors without any variance
    if values[-1] <= 1e-12 * mean.square().sum().cpu():
        return mean, torch.zeros_like(mean)
    return mean, vectors[:, -1].to(mean.device)


def update_extent(extent: Extent, features: Tensor, mean: Tensor, component: Tensor) -> Extent:
    """Extend the range of projections by the descriptors of some images.

    Args:
        extent: So far.
        features: (B, C, h, w).
        mean: Of the class, (C,).
        component: Of the class, (C,).

    Returns:
        The range with these descriptors.

    Example:
        >>> features = torch.tensor([[[[0.0, 5.0]]]])
        >>> update_extent(Extent(), features, torch.tensor([1.0]), torch.tensor([1.0]))
        Extent(low=-1.0, high=4.0)
    """
    projections = torch.einsum("bchw,c->bhw", features.double(), component.double())
    projections = projections - mean.double() @ component.double()
    return Extent(
        min(extent.low, float(projections.min())), max(extent.high, float(projections.max()))
    )


def oriented(
    component: Tensor, moments: Moments, extent: Extent | None, rule: SignRule = "extreme"
) -> Tensor:
    """The component with the sign that makes the object positive.

    An eigenvector has no sign. PSOL's code relied on what its version of scikit-learn did, the
    ``extreme`` rule; newer versions choose by another one, and the background may turn positive.

    Args:
        component: (C,) of :func:`principal_component`.
        moments: Of the class; read by ``border``.
        extent: Of the class, with the component as given; read by ``extreme``.
        rule: ``extreme``: the projection of largest magnitude is positive (a draw keeps the sign
            that makes the component's own largest entry positive). ``border``: descriptors at the
            images' borders project negatively in the mean, since objects seldom lie there.

    Returns:
        ``component`` or ``-component``.

    Raises:
        ValueError: An unknown rule, or ``extreme`` without an extent.

    Example:
        >>> component = torch.tensor([1.0, 0.0])
        >>> oriented(component, Moments.empty(2), Extent(low=-3.0, high=2.0)).tolist()
        [-1.0, -0.0]
    """
    if rule == "extreme":
        if extent is None:
            raise ValueError("sign rule 'extreme' needs the extent of the projections")
        balance = extent.high + extent.low
    elif rule == "border":
        mean = moments.total / max(moments.count, 1)
        border = moments.border_total / max(moments.border_count, 1)
        balance = -float((border - mean) @ component)
    else:
        raise ValueError(f"sign rule {rule!r}: expected 'extreme' or 'border'")
    if balance == 0:
        balance = float(component[component.abs().argmax()])
    return component if balance >= 0 else -component


def ddt_maps(features: Tensor, means: Tensor, components: Tensor, labels: Tensor) -> Tensor:
    """Projections on the components of chosen classes: positive on the object.

    Args:
        features: (B, C, h, w) float32.
        means: (K, C).
        components: (K, C), oriented.
        labels: Classes wanted for each image, int64 (B, k).

    Returns:
        (B, k, h, w), raw; zero for a class whose component is zero.

    Example:
        >>> features = torch.tensor([[[[1.0, 3.0]], [[0.0, 4.0]]]])
        >>> means, components = torch.tensor([[2.0, 0.0]]), torch.tensor([[1.0, 0.0]])
        >>> ddt_maps(features, means, components, torch.tensor([[0]])).tolist()
        [[[[-1.0, 1.0]]]]
    """
    wanted = components[labels]
    offsets = (means[labels] * wanted).sum(dim=-1)
    return torch.einsum("bkc,bchw->bkhw", wanted, features) - offsets[:, :, None, None]
