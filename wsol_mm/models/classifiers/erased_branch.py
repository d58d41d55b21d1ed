"""A second half of the batch, erased in the middle of the network, and the loss made of it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from mmpretrain.models.heads import ClsHead
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from wsol_mm.models.batch_norm import batch_norm_by_branch, training_norms, untracked
from wsol_mm.models.classifiers.followers import Follower
from wsol_mm.models.heads.localizer_head import TappedFeatures
from wsol_mm.registry import MODELS

_LOSSES = ("consistency", "classification")
_BATCH_NORMS = ("clean", "separate", "joint")

Features = tuple[Tensor, ...]


class ErasedBranch(Follower):
    """Doubles the batch behind a module with what a layer makes of it, while it is open.

    Only the layers behind the module run on both halves.

    Args:
        module: The module where the branch begins.
        after: Its name, for messages.
        layer: Config of the layer that erases.
        loss: ``consistency`` is the mean absolute difference of the two maps that the head's
            linear layer reads, its ``pre_logits`` (Kim et al., CVPR 2022, F of eq. 9; mean over
            elements, as their code has it), with gradients into both; ``classification`` the
            head's classification loss of the erased features (Mai et al., CVPR 2020).
        loss_weight: Its factor. With 0 there is no second half.
        batch_norm: What the erased half does to batch norms: ``clean`` normalises it by its own
            statistics and leaves the running ones, which the test uses, to the images as they are;
            ``separate`` updates the running statistics with both in turn, as two passes do;
            ``joint`` takes statistics over both halves at once.

    Raises:
        ValueError: An unknown ``loss`` or ``batch_norm``.
    """

    def __init__(
        self,
        module: nn.Module,
        after: str,
        layer: dict,
        loss: Literal["consistency", "classification"] = "consistency",
        loss_weight: float = 1.0,
        batch_norm: Literal["clean", "separate", "joint"] = "clean",
    ) -> None:
        super().__init__(module)
        for key, value, known in (
            ("loss", loss, _LOSSES),
            ("batch_norm", batch_norm, _BATCH_NORMS),
        ):
            if value not in known:
                raise ValueError(f"erasing.{key} must be one of {known}, got {value!r}")
        self.layer = MODELS.build(layer)
        self.after = after
        self.loss = loss
        self.loss_weight = loss_weight
        self.batch_norm = batch_norm
        self.open = False

    def follow(self, module: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor | None:
        """Both halves, (2 B, ...), while the branch is open."""
        return torch.cat([output, self.layer(output)]) if self.open else None

    @contextmanager
    def doubling(self, model: nn.Module, count: int) -> Iterator[None]:
        """Open the branch for the time of a ``with`` block.

        Args:
            model: Whose batch norms treat the halves as ``batch_norm`` says.
            count: Images B of the batch.
        """
        self.open = True
        try:
            with batch_norm_by_branch(model, count, self.batch_norm):
                yield
        finally:
            self.open = False

    def split(self, feats: Features, count: int) -> tuple[Features, Features]:
        """Features of the images as they are, and of the erased ones.

        Both halves share what was computed before the branch begins.

        Args:
            feats: Of the doubled batch.
            count: Images B of the batch.

        Raises:
            ValueError: The branch begins behind the last feature.
        """
        if len(feats[-1]) != 2 * count:
            raise ValueError(
                f"erasing.after='{self.after}' does not stand before the backbone's last feature"
            )
        clean = _each(feats, lambda feature: feature[:count])
        return clean, _each(feats, lambda feature: feature[-count:])

    def branch_loss(
        self, head: ClsHead, clean: Features, erased: Features, data_samples: list[DataSample]
    ) -> Tensor:
        """The loss between the two halves of :meth:`split`, or of the erased one, weighted."""
        norms = training_norms(head)
        if self.loss == "consistency":
            with untracked(norms):  # the head's own loss has tracked the clean images
                unchanged = head.pre_logits(clean)
        with untracked(norms if self.batch_norm == "clean" else []):
            if self.loss == "consistency":
                loss = (unchanged.float() - head.pre_logits(erased).float()).abs().mean()
            else:
                loss = head._get_loss(head(erased), data_samples)["loss"]
        return self.loss_weight * loss


def _each(feats: Features, function: Callable[[Tensor], Tensor]) -> Features:
    """A function of every feature and every tapped one."""
    changed = tuple(map(function, feats))
    if not isinstance(feats, TappedFeatures):
        return changed
    taps = {
        name: tuple(map(function, tap)) if isinstance(tap, tuple) else function(tap)
        for name, tap in feats.taps.items()
    }
    return TappedFeatures(changed, taps)
