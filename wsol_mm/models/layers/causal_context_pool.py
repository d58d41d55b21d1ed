"""CI-CAM's causal context pool as a module: the contexts, their update and their projection."""

from typing import Literal, get_args

import torch
from mmengine.dist import all_reduce
from torch import Tensor, nn

from wsol_mm.functional.context_pool import enhance, resize_maps, sum_by_class, update_pool
from wsol_mm.models.precision import full_precision
from wsol_mm.registry import MODELS

UpdateOn = Literal["correct", "argmax"]
UpdateOrder = Literal["after", "before"]

# The released convolution starts within 200^-.5, torch's default for CUB's 200 classes. Kept for
# any number of classes: the default would be .41 for 6, so that noise drowned the features.
PROJECTION_BOUND = 200**-0.5


@MODELS.register_module()
class CausalContextPool(nn.Module):
    """One standardised context map per class, and a projection by which it enhances features.

    Shao et al., ACM MM 2021, section 3.4. ``contexts`` is a float32 buffer of the checkpoint, zero
    at the start, the same on all ranks; ``projection`` is the paper's 1x1 convolution. Subclasses
    choose other contexts (:meth:`chosen`) or other updates.

    A head calls ``pool(features, scores)``, and in training :meth:`update` once for each batch,
    ``before`` or ``after`` that call as ``update_order`` says. Any module with these three can
    stand in its place.

    Args:
        num_classes: Classes n.
        channels: Channels C of the features.
        size: Height and width of the contexts, or one number for both: the map's size in training.
            Maps of another size are resized to it, and contexts to the map.
        rate: The paper's lambda. A class remembers about 1 / rate of its updates.
        update_on: Maps that enter: those of ``correct`` predictions (released code) or of every
            ``argmax`` (paper, eq. 7).
        update_order: Whether a batch uses the pool and updates it ``after``wards (released code),
            or the pool is updated ``before`` (paper).

    Raises:
        ValueError: An unknown choice, a rate or size that is not positive, or ``before`` with
            ``correct``, which would let a batch's labels into its forward pass.
    """

    contexts: Tensor

    def __init__(
        self,
        num_classes: int,
        channels: int,
        size: int | tuple[int, int],
        rate: float = 0.01,
        update_on: UpdateOn = "correct",
        update_order: UpdateOrder = "after",
    ) -> None:
        super().__init__()
        height, width = (size, size) if isinstance(size, int) else size
        if min(height, width) < 1 or not rate > 0:
            raise ValueError(f"context_pool: size={size} and rate={rate} must be positive")
        if update_on not in get_args(UpdateOn):
            raise ValueError(f"context_pool.update_on={update_on!r}: one of {get_args(UpdateOn)}")
        if update_order not in get_args(UpdateOrder):
            raise ValueError(
                f"context_pool.update_order={update_order!r}: one of {get_args(UpdateOrder)}"
            )
        if (update_order, update_on) == ("before", "correct"):
            raise ValueError(
                "context_pool: update_order='before' with update_on='correct' lets labels into the "
                "forward pass; use update_on='argmax' or update_order='after'"
            )
        self.rate = rate
        self.update_on = update_on
        self.update_order = update_order
        self.register_buffer("contexts", torch.zeros(num_classes, height, width))
        # A convolution of maps that are zero but for one channel uses one column per image.
        self.projection = nn.Conv2d(num_classes, channels, 1)
        for parameter in self.projection.parameters():
            nn.init.uniform_(parameter, -PROJECTION_BOUND, PROJECTION_BOUND)

    def forward(self, features: Tensor, scores: Tensor) -> Tensor:
        """X^e of the features X, by the context of the class of the highest score.

        Args:
            features: (B, C, h, w).
            scores: (B, n) of the first branch.

        Returns:
            float32 (B, C, h, w).
        """
        contexts, scale = self.chosen(scores.argmax(dim=1), features.shape[2:])
        with full_precision(features):
            return enhance(features.float(), contexts, scale.float(), self.projection.bias.float())

    def chosen(self, predicted: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """The contexts that enter, and their weights in each channel.

        Both must be copies of the buffer's values: the backward pass needs them after the pool has
        moved on.

        Args:
            predicted: int64 (B,), classes.
            size: Height and width of the features.

        Returns:
            (B or 1, m, h, w) and (B or 1, m, C).
        """
        return self.resized(size)[predicted][:, None], self.columns()[predicted][:, None]

    def resized(self, size: tuple[int, int]) -> Tensor:
        """All contexts (n, *size)."""
        return resize_maps(self.contexts, size)

    def columns(self) -> Tensor:
        """Weights of the projection, (n, C)."""
        return self.projection.weight.flatten(1).t()

    @torch.no_grad()
    def update(self, maps: Tensor, predicted: Tensor, labels: Tensor) -> None:
        """Let the maps of one batch, of all ranks together, in.

        Args:
            maps: float32 (B, h, w), of the predicted class, of features that are not enhanced.
            predicted: int64 (B,), classes.
            labels: int64 (B,), the true ones.
        """
        if self.update_on == "correct":
            maps = maps.masked_fill((predicted != labels)[:, None, None], 0.0)
        maps = resize_maps(maps, self.contexts.shape[1:])
        sums = sum_by_class(maps, predicted, len(self.contexts))
        all_reduce(sums)
        self.contexts.copy_(update_pool(self.contexts, sums, self.rate))

    def extra_repr(self) -> str:
        """Settings, for printing the model."""
        return f"rate={self.rate}, update_on={self.update_on}, update_order={self.update_order}"
