"""A trained network that another one learns from."""

from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.hub import get_config
from mmengine.runner.checkpoint import CheckpointLoader
from torch import Tensor, nn

from wsol_mm.engine.whole_checkpoint import load_whole
from wsol_mm.registry import MODELS


class FrozenTeacher(nn.Module):
    """Any classifier, frozen, in eval mode, with its checkpoint.

    A submodule like others, found by name, moved, copied and hooked, but always in eval mode,
    without gradients, and no part of a ``state_dict``: none is saved, and loading one leaves it as
    it is.

    Args:
        key: Key of the holder's config, for messages, such as ``cls_teacher``.
        config: The model's config, or the config file whose ``model`` it is
            (``mmpretrain::...`` too).
        checkpoint: Its weights, a file or an address. In the name of a local file ``*`` may stand
            for what is not known beforehand, such as the best epoch; one file must fit. None:
            whatever ``init_cfg`` of the model says.

    Attributes:
        network: The classifier.
    """

    def __init__(self, key: str, config: str | dict, checkpoint: str | None) -> None:
        super().__init__()
        self.key = key
        self.checkpoint = checkpoint
        if isinstance(config, str):
            whole = get_config(config) if "::" in config else Config.fromfile(config)
            config = whole.model.to_dict()
            if "data_preprocessor" in whole:
                config.setdefault("data_preprocessor", whole.data_preprocessor.to_dict())
        with torch.random.fork_rng(devices=[]):  # a student starts the same with any teacher
            self.network: nn.Module = MODELS.build(config)
        self.network.requires_grad_(False)
        self.train(False)
        self._register_state_dict_hook(_leave_out)

    def init_weights(self) -> None:
        """Read the weights; the holder's ``init_weights`` calls it.

        Raises:
            FileNotFoundError: No such file, or several that fit.
            ValueError: The weights are of another network.
        """
        if self.checkpoint is None:
            with torch.random.fork_rng(devices=[]):
                self.network.init_weights()
            return
        file = self._file(self.checkpoint)
        content = CheckpointLoader.load_checkpoint(file, map_location="cpu")
        try:
            load_whole(self.network, content, file)
        except RuntimeError as error:
            raise ValueError(
                f"model.{self.key}.checkpoint: {file} does not hold the network that "
                f"model.{self.key}.config describes: {error}"
            ) from error

    def train(self, mode: bool = True) -> "FrozenTeacher":
        """Stay in eval mode."""
        return super().train(False)

    def renormalize(self, inputs: Tensor, given: nn.Module) -> Tensor:
        """Inputs as the teacher's own data preprocessor would have made them.

        Args:
            inputs: (B, 3, H, W) that the student sees.
            given: The student's data preprocessor, which made them.

        Returns:
            Inputs with the teacher's channel order, mean and standard deviation; the same tensor
            where the teacher states none.
        """
        wanted = self.network.data_preprocessor
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

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args: Any) -> None:
        # Its children find their own values, so that nothing is missing.
        for name, value in self.network.state_dict(prefix=f"{prefix}network.").items():
            state_dict.setdefault(name, value)
        super()._load_from_state_dict(state_dict, prefix, *args)

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


def _leave_out(_module: nn.Module, state: dict, prefix: str, _metadata: dict) -> None:
    """Take a teacher's entries out of the state of the model that holds it."""
    for name in [name for name in state if name.startswith(prefix)]:
        del state[name]
