"""A trained network that another one learns from."""

from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.hub import get_config
from mmengine.runner.checkpoint import CheckpointLoader
from torch import Tensor, nn

from wsol_mm.registry import MODELS


class FrozenTeacher:
    """Any classifier, frozen, in eval mode, with its checkpoint.

    It is no ``nn.Module``, so that a model that holds it neither saves nor trains nor averages nor
    initialises it; the holder moves it (:meth:`apply`) and loads it (:meth:`load`).

    Args:
        key: Key of the holder's config, for messages, such as ``cls_teacher``.
        config: The model's config, or the config file whose ``model`` it is
            (``mmpretrain::...`` too).
        checkpoint: Its weights, a file or an address. In the name of a local file ``*`` may stand
            for what is not known beforehand, such as the best epoch; one file must fit. None:
            whatever ``init_cfg`` of the model says.
    """

    def __init__(self, key: str, config: str | dict, checkpoint: str | None) -> None:
        self.key = key
        self.checkpoint = checkpoint
        if isinstance(config, str):
            whole = get_config(config) if "::" in config else Config.fromfile(config)
            config = whole.model.to_dict()
            if "data_preprocessor" in whole:
                config.setdefault("data_preprocessor", whole.data_preprocessor.to_dict())
        with torch.random.fork_rng(devices=[]):  # a student starts the same with any teacher
            self.module: nn.Module = MODELS.build(config)
        self.module.requires_grad_(False).eval()

    def load(self) -> None:
        """Read the weights.

        Raises:
            FileNotFoundError: No such file, or several that fit.
            ValueError: The weights are of another network.
        """
        if self.checkpoint is None:
            with torch.random.fork_rng(devices=[]):
                self.module.init_weights()
            return
        file = self._file(self.checkpoint)
        content = CheckpointLoader.load_checkpoint(file, map_location="cpu")
        state = content.get("state_dict", content)
        state = {name.removeprefix("module."): value for name, value in state.items()}
        try:
            self.module.load_state_dict(state)
        except RuntimeError as error:
            raise ValueError(
                f"model.{self.key}.checkpoint: {file} does not hold the network that "
                f"model.{self.key}.config describes: {error}"
            ) from error

    def apply(self, function: Any) -> None:
        """Move or convert all parameters and buffers, as ``nn.Module.to`` does."""
        self.module._apply(function)

    def renormalize(self, inputs: Tensor, given: nn.Module) -> Tensor:
        """Inputs as the teacher's own data preprocessor would have made them.

        Args:
            inputs: (B, 3, H, W) that the student sees.
            given: The student's data preprocessor, which made them.

        Returns:
            Inputs with the teacher's channel order, mean and standard deviation; the same tensor
            where the teacher states none.
        """
        wanted = self.module.data_preprocessor
        if getattr(wanted, "mean", None) is None:
            return inputs
        if getattr(given, "mean", None) is not None:
            same = torch.equal(given.mean, wanted.mean) and torch.equal(given.std, wanted.std)
            if same and given.to_rgb == wanted.to_rgb:
                return inputs
            inputs = inputs * given.std + given.mean
        if given.to_rgb != wanted.to_rgb:
            inputs = inputs.flip(1)
        return (inputs - wanted.mean) / wanted.std

    def _file(self, checkpoint: str) -> str:
        if "://" in checkpoint:
            return checkpoint
        path = Path(checkpoint).expanduser()
        found = sorted(path.parent.glob(path.name))
        if len(found) == 1:
            return str(found[0])
        names = ", ".join(file.name for file in found)
        raise FileNotFoundError(
            f"model.{self.key}.checkpoint={checkpoint!r}: "
            + (f"{len(found)} files fit ({names})" if found else "there is no such file")
            + f"; train the teacher first, and name its checkpoint by --cfg-options "
            f"model.{self.key}.checkpoint=FILE"
        )
