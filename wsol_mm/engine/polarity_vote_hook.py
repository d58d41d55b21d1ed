"""Lets every epoch of C2AM vote anew on which side of the map is the object."""

from __future__ import annotations

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from wsol_mm.registry import HOOKS


@HOOKS.register_module()
class PolarityVoteHook(Hook):
    """Clear the votes of a ``wsol_mm.C2AMHead`` before each training epoch.

    The head (C2AM, Xie et al., CVPR 2022) counts every training image's vote, so that after an
    epoch the whole set has voted once, with the weights of that epoch. The result of the last epoch
    stays in the checkpoint.

    Raises:
        ValueError: Before training, if the model's head does not vote.
    """

    def before_train(self, runner: Runner) -> None:
        """Check the head before time is spent."""
        self._head(runner)

    def before_train_epoch(self, runner: Runner) -> None:
        """Begin a new count."""
        self._head(runner).votes.zero_()

    def after_train_epoch(self, runner: Runner) -> None:
        """Log the result."""
        background, images = self._head(runner).votes.tolist()
        runner.logger.info(
            f"polarity: {background} of {images} training images have an active border; maps are "
            + ("inverted" if 2 * background > images else "taken as they are")
        )

    def _head(self, runner: Runner) -> object:
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        if not hasattr(model.head, "votes"):
            raise ValueError(
                f"PolarityVoteHook: {type(model.head).__name__} does not vote; set "
                "model.head.type='wsol_mm.C2AMHead' or leave out the hook"
            )
        return model.head
