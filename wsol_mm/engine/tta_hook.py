"""Puts a model behind its test-time augmentation, for the test and the validation before it."""

from mmengine.hooks import PrepareTTAHook
from mmengine.runner import Runner
from torch import nn

from wsol_mm.registry import HOOKS


@HOOKS.register_module()
class TTAHook(PrepareTTAHook):
    """mmengine's ``PrepareTTAHook`` that also covers validation, and takes the wrapper off again.

    Checkpoints and the other hooks meet the bare model. ``tools/test.py --tta`` adds it.

    Args:
        tta_cfg: Config of the wrapper, a subclass of ``mmengine.model.BaseTTAModel``.
    """

    priority = "LOWEST"

    def __init__(self, tta_cfg: dict) -> None:
        super().__init__(dict(tta_cfg))
        self._bare: nn.Module | None = None

    def before_test(self, runner: Runner) -> None:
        """Wrap the model."""
        self._bare = runner.model
        super().before_test(runner)

    def after_test(self, runner: Runner) -> None:
        """Unwrap it."""
        runner.model = self._bare

    before_val, after_val = before_test, after_test
