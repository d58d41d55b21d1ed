"""Does a checkpoint fit the network? Loading that counts and names what does not."""

from __future__ import annotations

import logging
import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmengine.logging import print_log
from mmengine.model import BaseTTAModel, is_model_wrapper
from torch import Tensor, nn

SHOWN = 3
_SHAPES = re.compile(
    r"size mismatch for (\S+): copying a param with shape torch.Size\(\[(.*?)\]\) from checkpoint, "
    r"the shape in current model is torch.Size\(\[(.*?)\]\)"
)


class CheckpointError(RuntimeError):
    """A checkpoint cannot be used; the message is one line and names the way out."""


class UnfitCheckpointError(CheckpointError):
    """A checkpoint is of another network."""


@dataclass(frozen=True)
class Fit:
    """How the tensors of a checkpoint fit a network.

    Attributes:
        misshaped: ``key (its shape, the network's shape)``; not loaded.
        missing: Keys of the network that the checkpoint lacks.
        unexpected: Keys of the checkpoint that the network lacks.

    Examples:
        >>> print(Fit(missing=("head.fc.bias",), unexpected=("a", "b", "c", "d")))
        1 missing (head.fc.bias), 4 unexpected (a, b, c, ...)
    """

    misshaped: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether everything fits."""
        return not (self.misshaped or self.missing or self.unexpected)

    def __str__(self) -> str:
        """Counts and the first names of each kind."""
        kinds = {
            "of another shape": self.misshaped,
            "missing": self.missing,
            "unexpected": self.unexpected,
        }
        return ", ".join(
            f"{len(keys)} {kind} ({_few(keys)})" for kind, keys in kinds.items() if keys
        )

    def split(self, prefixes: Sequence[str]) -> tuple[Fit, Fit]:
        """What is left without the missing and unexpected keys of some prefixes, and those."""
        chosen = tuple(prefixes)
        kinds = [
            [[key for key in keys if key.startswith(chosen) is inside] for inside in (False, True)]
            for keys in (self.missing, self.unexpected)
        ]
        left = Fit(self.misshaped, *(tuple(kind[0]) for kind in kinds))
        return left, Fit((), *(tuple(kind[1]) for kind in kinds))


def weights_of(content: Any, name: object = "the checkpoint") -> OrderedDict[str, Tensor]:
    """The state dict of a checkpoint's content, without DDP's ``module.``.

    Args:
        content: What :func:`wsol_mm.engine.read_checkpoint` gives: a state dict, or a dict with one
            under ``state_dict``.
        name: Of the file, for the message.

    Raises:
        UnfitCheckpointError: It holds no tensors.
    """
    state = content.get("state_dict", content) if isinstance(content, Mapping) else None
    if not isinstance(state, Mapping) or not any(isinstance(v, Tensor) for v in state.values()):
        raise UnfitCheckpointError(
            f"{name} holds no weights: expected a state dict, or a dict with one under "
            "'state_dict'; give a checkpoint that tools/train.py has written"
        )
    plain = OrderedDict((key.removeprefix("module."), value) for key, value in state.items())
    plain._metadata = getattr(state, "_metadata", OrderedDict())  # type: ignore[attr-defined]
    return plain


def load_state(module: nn.Module, state: Mapping[str, Any]) -> Fit:
    """Load what fits, as mmengine's ``load_state_dict`` does, and return how it fitted.

    Each parameter that was loaded gets the attribute ``from_checkpoint``
    (:func:`initial_parameters` reads it).

    Args:
        module: Network, wrapped for several ranks or not.
        state: Its weights.
    """
    module = _bare(module)
    missing: list[str] = []
    unexpected: list[str] = []
    errors: list[str] = []
    metadata = getattr(state, "_metadata", None) or {}
    state = OrderedDict(state)  # modules may rename keys in it

    def load(part: nn.Module, own: Mapping[str, Any], prefix: str) -> None:
        part = _bare(part)
        version = metadata.get(prefix[:-1], {})
        part._load_from_state_dict(own, prefix, version, True, missing, unexpected, errors)
        for name, child in part._modules.items():
            if child is not None:
                inner = f"{prefix}{name}."
                load(child, {k: v for k, v in own.items() if k.startswith(inner)}, inner)
        for hook in part._load_state_dict_post_hooks.values():
            hook(part, nn.modules.module._IncompatibleKeys(missing, unexpected))

    load(module, state, "")
    shapes = [_SHAPES.search(error) for error in errors]
    unreadable = [error for error, shape in zip(errors, shapes, strict=True) if shape is None]
    misshaped = {shape[1]: f"{shape[1]} ({shape[2]}; here {shape[3]})" for shape in shapes if shape}
    # a counter that old checkpoints lack and that no prediction depends on
    missing = [key for key in missing if not key.endswith("num_batches_tracked")]
    for key, parameter in module.named_parameters():
        if key not in misshaped and key not in missing:
            parameter.from_checkpoint = True  # type: ignore[attr-defined]
    return Fit((*misshaped.values(), *unreadable), tuple(missing), tuple(unexpected))


def load_whole(
    module: nn.Module, content: Any, name: object, allow_missing: Sequence[str] = ()
) -> None:
    """Load weights that must be those of this network.

    Args:
        module: The network.
        content: See :func:`weights_of`.
        name: Of the file, for the message.
        allow_missing: Prefixes of keys that the checkpoint, or the network, may lack; such
            parameters keep the values they have.

    Raises:
        UnfitCheckpointError: A key is missing, unexpected or of another shape; the first of each
            kind are named.
    """
    left, allowed = load_state(module, weights_of(content, name)).split(allow_missing)
    if not left:
        raise UnfitCheckpointError(
            f"{name} is not a checkpoint of this network ({type(_bare(module)).__name__}): {left}; "
            "give the one that this config trained, or name the prefixes of keys that may be "
            "missing with --allow-missing"
        )
    if not allowed:
        print_log(f"{name}: allowed, {allowed}", logger="current", level=logging.WARNING)


def initial_parameters(module: nn.Module) -> list[str]:
    """Names of what no checkpoint has given, whole modules in place of their parameters.

    Examples:
        >>> net = nn.ModuleDict({"a": nn.Linear(2, 2), "b": nn.Linear(2, 2)})
        >>> load_state(net, {"a.weight": net["a"].weight.detach()}).missing
        ('a.bias', 'b.weight', 'b.bias')
        >>> initial_parameters(net)
        ['a.bias', 'b']
    """
    found = [
        name
        for name, parameter in module.named_parameters(recurse=False)
        if not hasattr(parameter, "from_checkpoint")
    ]
    for name, child in module.named_children():
        loaded = [hasattr(parameter, "from_checkpoint") for parameter in child.parameters()]
        if any(loaded):
            found += [f"{name}.{key}" for key in initial_parameters(child)]
        elif loaded:
            found.append(name)
    return found


def _bare(module: nn.Module) -> nn.Module:
    wrapped = is_model_wrapper(module) or isinstance(module, BaseTTAModel)
    return module.module if wrapped else module


def _few(keys: Iterable[str]) -> str:
    keys = list(keys)
    return ", ".join([*keys[:SHOWN], *(["..."] if len(keys) > SHOWN else [])])
