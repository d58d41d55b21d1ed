"""Makes the contexts of the upper bound of CI-CAM from true boxes."""

from __future__ import annotations

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from wsol_mm.registry import HOOKS


@HOOKS.register_module()
class OracleContextHook(Hook):
    """Fill a ``wsol_mm.OracleContextPool``: an upper bound that READS TRUE BOXES, no method.

    One pass over the training loader before the first epoch. A resumed training has its contexts
    from the checkpoint.

    Raises:
        ValueError: The model has no such pool, or the training data do not say that they read true
            boxes.
    """

    def before_train(self, runner: Runner) -> None:
        """Make the contexts unless they are there."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        pool = getattr(model.head, "context_pool", None)
        if not hasattr(pool, "fill"):
            raise ValueError(
                f"OracleContextHook: {type(model.head).__name__} has nothing to fill; set "
                "model.head.context_pool.type='wsol_mm.OracleContextPool' or leave out the hook"
            )
        if not pool.contexts.any():
            runner.logger.warning("OracleContextHook reads true boxes: an upper bound, no method")
            pool.fill(batch["data_samples"] for batch in runner.train_dataloader)
