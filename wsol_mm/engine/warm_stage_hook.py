"""A first stage of training in which some losses rest."""

from __future__ import annotations

from collections.abc import Sequence

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import nn

from wsol_mm.registry import HOOKS


@HOOKS.register_module()
class WarmStageHook(Hook):
    """Switch losses on after a number of epochs, and change the batch size with them.

    The switch is set from the epoch alone before each one, so a resumed run stands where it was.

    Args:
        epochs: Epochs of the warm stage, from the start of training.
        losses: Modules with an ``enabled`` attribute, named as in ``model.named_modules()``:
            ``['head.loss_sim', 'head.loss_norm']``. They rest during the warm stage.
        batch_size: Images per step and process in and after the warm stage; what the data loader
            says without. A scheduler with ``convert_to_iter_based`` counts the loader's steps
            before training and does not know of a change.

    Raises:
        ValueError: Before training: an impossible number, a name the model does not have, a module
            that cannot be switched, or a data loader without a batch size to change.
    """

    def __init__(
        self, epochs: int, losses: Sequence[str], batch_size: tuple[int, int] | None = None
    ) -> None:
        if epochs < 0:
            raise ValueError(f"WarmStageHook: epochs must be at least 0, got {epochs}")
        if batch_size is not None and (len(batch_size) != 2 or min(batch_size) < 1):
            raise ValueError(
                f"WarmStageHook: batch_size must be two positive numbers, in and after the warm "
                f"stage, got {batch_size}"
            )
        self.epochs = epochs
        self.losses = list(losses)
        self.batch_size = batch_size

    def before_train(self, runner: Runner) -> None:
        """Check the names before time is spent."""
        self._modules(runner)
        sampler = runner.train_dataloader.batch_sampler
        if self.batch_size is not None and not hasattr(sampler, "batch_size"):
            raise ValueError(
                f"WarmStageHook: train_dataloader's {type(sampler).__name__} has no batch_size to "
                "change; leave out the hook's batch_size"
            )

    def before_train_epoch(self, runner: Runner) -> None:
        """Set the switches, and the batch size, for the epoch that starts."""
        over = runner.epoch >= self.epochs
        for module in self._modules(runner):
            module.enabled = over
        if self.batch_size is not None:
            runner.train_dataloader.batch_sampler.batch_size = self.batch_size[over]

    def _modules(self, runner: Runner) -> list[nn.Module]:
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        known = dict(model.named_modules())
        for name in self.losses:
            if not hasattr(known.get(name), "enabled"):
                switchable = [key for key, module in known.items() if hasattr(module, "enabled")]
                raise ValueError(
                    f"WarmStageHook: losses names '{name}', which is no loss of the model that can "
                    f"be switched; it has {switchable}. To train without a loss give it "
                    "loss_weight=0, or take its name out here as well"
                )
        return [known[name] for name in self.losses]
