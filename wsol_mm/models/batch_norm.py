"""Which batches batch norms see as one, and which of them leave a trace."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

__all__ = ["batch_norm_by_branch", "training_norms", "untracked"]


@contextmanager
def batch_norm_by_branch(model: nn.Module, count: int, mode: str) -> Iterator[None]:
    """Let batch norms treat the two halves of a doubled batch as two batches.

    Args:
        model: Whose norms, those in training mode.
        count: Images of a half; inputs of other lengths are one batch.
        mode: ``clean``: the second half leaves no trace in the running statistics; ``separate``:
            both update them in turn; ``joint``: no halves, nothing changes.
    """
    norms = [] if mode == "joint" else training_norms(model)
    for norm in norms:
        # An attribute of the instance hides the class's method until it is deleted.
        norm.forward = partial(_normalize_halves, norm, count, mode)
    try:
        yield
    finally:
        for norm in norms:
            del norm.forward


def _normalize_halves(norm: _BatchNorm, count: int, mode: str, features: Tensor) -> Tensor:
    forward = type(norm).forward
    if len(features) != 2 * count:
        return forward(norm, features)
    clean, erased = features.split(count)
    clean = forward(norm, clean)
    with untracked([norm] if mode == "clean" else []):
        return torch.cat([clean, forward(norm, erased)])


def training_norms(model: nn.Module) -> list[_BatchNorm]:
    """The batch norms of a model that are in training mode."""
    return [m for m in model.modules() if isinstance(m, _BatchNorm) and m.training]


@contextmanager
def untracked(norms: list[_BatchNorm]) -> Iterator[None]:
    """Batch norms in training use a batch's statistics and leave no trace of it, counter included.

    A momentum of 0 would still count the batch, which matters for cumulative averages.
    """
    tracked = [norm.track_running_stats for norm in norms]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm, track in zip(norms, tracked, strict=True):
            norm.track_running_stats = track
