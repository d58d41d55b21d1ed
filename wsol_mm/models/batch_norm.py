"""Which batches batch norms see as one, and which of them leave a trace.

Contexts for training. Norms in evaluation mode, and so all of them at test, are left alone.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

__all__ = ["batch_norm_by_branch", "by_running_statistics", "training_norms", "untracked"]


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
    handles = []
    for norm in norms:
        halves = _Halves(count, mode)
        handles.append(norm.register_forward_pre_hook(halves.take_first))
        handles.append(norm.register_forward_hook(halves.append_second))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class _Halves:
    """A norm's two hooks: it gets the first half, and its output is completed by the second."""

    def __init__(self, count: int, mode: str) -> None:
        self.count = count
        self.mode = mode
        self.second: Tensor | None = None

    def take_first(self, norm: nn.Module, args: tuple[Tensor]) -> tuple[Tensor] | None:
        (features,) = args
        if len(features) != 2 * self.count:
            return None
        first, self.second = features.split(self.count)
        return (first,)

    def append_second(self, norm: Any, args: tuple[Tensor], output: Tensor) -> Tensor | None:
        if self.second is None:
            return None
        second, self.second = self.second, None
        with untracked([norm] if self.mode == "clean" else []):
            # past the hooks, this one among them
            return torch.cat([output, norm.forward(second)])


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


@contextmanager
def by_running_statistics(norms: list[_BatchNorm]) -> Iterator[None]:
    """Batch norms in training normalise as at test: no image's result depends on the batch."""
    for norm in norms:
        norm.training = False
    try:
        yield
    finally:
        for norm in norms:
            norm.training = True
