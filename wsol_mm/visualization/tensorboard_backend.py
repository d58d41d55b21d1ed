"""TensorBoard where it is installed."""

from typing import Any

from mmengine.visualization import TensorboardVisBackend

from wsol_mm.registry import VISBACKENDS


@VISBACKENDS.register_module()
class OptionalTensorboard(TensorboardVisBackend):
    """mmengine's ``TensorboardVisBackend`` where TensorBoard is installed, else nothing.

    Scalars, the config and the pictures of :class:`wsol_mm.WSOLVisualizationHook` go beside the
    local files: ``tensorboard --logdir work_dirs``.

    Args:
        save_dir: Folder of the event files; the visualizer gives it.
    """

    def __init__(self, save_dir: str) -> None:
        super().__init__(save_dir)

    def _init_env(self) -> None:
        try:
            super()._init_env()
        except ImportError:
            self._tensorboard = _Nothing()


class _Nothing:
    """Takes every call of a ``SummaryWriter``."""

    def __getattr__(self, name: str) -> Any:
        return _ignore


def _ignore(*args: Any, **kwargs: Any) -> None:
    del args, kwargs
