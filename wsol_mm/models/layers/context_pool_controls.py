"""Controls for CI-CAM's pool: each takes one thing away that could explain its gain.

Shao et al., ACM MM 2021 (CI-CAM), has the mean over classes; the others are ours. The last one
takes nothing away: it is an upper bound.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from mmengine.dist import all_reduce
from mmpretrain.structures import DataSample
from torch import Tensor

from wsol_mm.functional.context_pool import centre_prior, standardize_maps
from wsol_mm.models.layers.causal_context_pool import CausalContextPool
from wsol_mm.models.true_box_masks import true_box_masks
from wsol_mm.registry import MODELS


@MODELS.register_module()
class ZeroContextPool(CausalContextPool):
    """A pool that stays zero, which leaves the learned bias of its projection.

    Args:
        num_classes: Classes n.
        channels: Channels C of the features.
        size: Height and width, or one number for both.
    """

    def __init__(self, num_classes: int, channels: int, size: int | tuple[int, int]) -> None:
        super().__init__(num_classes, channels, size)

    def update(self, maps: Tensor, predicted: Tensor, labels: Tensor) -> None:
        """Nothing enters."""


@MODELS.register_module()
class GaussianContextPool(ZeroContextPool):
    """The same fixed bump in the middle for every class, which trained pools are close to.

    Args:
        num_classes: Classes n.
        channels: Channels C of the features.
        size: Height and width, or one number for both.
    """

    def __init__(self, num_classes: int, channels: int, size: int | tuple[int, int]) -> None:
        super().__init__(num_classes, channels, size)
        self.contexts += centre_prior(tuple(self.contexts.shape[1:])).to(self.contexts)


@MODELS.register_module()
class ShuffledContextPool(CausalContextPool):
    """Every class is enhanced by the context of another one, always the same.

    Args:
        num_classes: Classes n, at least 2.
        channels: Channels C of the features.
        **kwargs: Of :class:`CausalContextPool`.
    """

    owner: Tensor

    def __init__(self, num_classes: int, channels: int, **kwargs: Any) -> None:
        super().__init__(num_classes, channels, **kwargs)
        # One cycle through all classes in a random order: none keeps its own context.
        cycle = np.random.default_rng(0).permutation(num_classes)
        owner = np.empty(num_classes, dtype=np.int64)
        owner[cycle] = np.roll(cycle, 1)
        self.register_buffer("owner", torch.tensor(owner.tolist()))

    def chosen(self, predicted: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """The other class's context, with the weights of the class's own column."""
        return self.resized(size)[self.owner[predicted]][:, None], self.columns()[predicted][
            :, None
        ]


@MODELS.register_module()
class AveragedContextPool(CausalContextPool):
    """The mean over all classes' contexts for every image: the 1/n sum of the paper's eq. 6.

    Args:
        **kwargs: Of :class:`CausalContextPool`.
    """

    def chosen(self, predicted: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """All contexts, with an nth of their weights each."""
        return self.resized(size)[None].clone(), self.columns()[None] / len(self.contexts)


@MODELS.register_module()
class OracleContextPool(ZeroContextPool):
    """An upper bound that READS TRUE BOXES, no weakly supervised method.

    The context of a class is the standardised mean of the box masks of its training images,
    fixed through training. :class:`wsol_mm.OracleContextHook` makes it before the first epoch; it
    is a buffer of the checkpoint, and no boxes are read at test.

    Args:
        num_classes: Classes n.
        channels: Channels C of the features.
        size: Height and width, or one number for both.

    Raises:
        ValueError: In training, when nobody has made the contexts.
    """

    @torch.no_grad()
    def fill(self, batches: Iterable[list[DataSample]]) -> None:
        """Make the contexts, of the images of all ranks together.

        Args:
            batches: Training images with their true boxes, as augmented: contexts are in the frame
                that the network sees.
        """
        sums = torch.zeros_like(self.contexts)
        for samples in batches:
            masks = true_box_masks(samples, self.contexts.shape[1:])[:, 0]
            labels = torch.cat([sample.gt_label.flatten()[:1] for sample in samples])
            sums.index_add_(0, labels.to(sums.device), masks.to(sums))
        all_reduce(sums)
        self.contexts.copy_(standardize_maps(sums))

    def update(self, maps: Tensor, predicted: Tensor, labels: Tensor) -> None:
        """Nothing enters."""
        if not self.contexts.any():
            raise ValueError(
                "OracleContextPool: contexts are empty; set "
                "custom_hooks=[dict(type='wsol_mm.OracleContextHook')] and "
                "train_dataloader.dataset.supervision='boxes'"
            )
