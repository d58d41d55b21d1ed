"""Checkpoints are data: loading one must not run code that it carries."""

from __future__ import annotations

import logging
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import barrier, get_rank, get_world_size
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import BaseLoop, CheckpointLoader, Runner
from mmengine.runner import checkpoint as mmengine_checkpoint
from torch import nn
from tqdm import tqdm

from wsol_mm.engine.checkpoint_file import UnavailableCheckpointError, read_checkpoint
from wsol_mm.engine.class_check import check_names, check_sizes, data_classes
from wsol_mm.engine.package_checkpoint import load_from_package
from wsol_mm.engine.whole_checkpoint import (
    CheckpointError,
    initial_parameters,
    load_state,
    load_whole,
)
from wsol_mm.io import atomic_write
from wsol_mm.registry import HOOKS

NETWORK_TIMEOUT = 20.0


def fetch_checkpoint(name: str, map_location: Any = None, *, trust: bool = False) -> Any:
    """As :func:`read_checkpoint`, of a file, an http(s) address or an alias of the parents.

    Args:
        name: Path, address, or ``package://...``, or ``torchvision://``, ``openmmlab://`` or
            ``mmcls://`` and a name.
        map_location: As in :func:`torch.load`.
        trust: Unpickle anything.

    Raises:
        CheckpointError: It is missing, damaged, refused, or cannot be downloaded.
    """
    scheme = name.split("://", 1)[0] + "://" if "://" in name else ""
    if scheme in _ALIASES:
        content = fetch_checkpoint(_resolve_alias(name), map_location, trust=trust)
        if scheme == "mmcls://":
            content = mmengine_checkpoint._process_mmcls_checkpoint(content)
        return content
    if scheme == "package://":
        return load_from_package(name, map_location)
    if scheme in ("http://", "https://"):
        return read_checkpoint(_download(name), map_location, trust=trust)
    if scheme:
        raise UnavailableCheckpointError(
            f"{name}: this storage is not read directly; download the file and give its path"
        )
    return read_checkpoint(name, map_location, trust=trust)


def load_checkpoint(
    model: nn.Module, name: str, *, allow_missing: Sequence[str] = (), trust: bool = False
) -> Any:
    """Load the weights of a trained network, which must be those of this one.

    Args:
        model: The network.
        name: See :func:`fetch_checkpoint`.
        allow_missing: Prefixes of keys that the checkpoint, or the network, may lack.
        trust: Unpickle anything.

    Returns:
        The content of the checkpoint.

    Raises:
        CheckpointError: It cannot be read, or keys are missing, unexpected or of another shape.
    """
    content = fetch_checkpoint(name, "cpu", trust=trust)
    load_whole(model, content, name, allow_missing)
    return content


def use_strict_checkpoints(*, trust: bool = False) -> None:
    """Replace mmengine's checkpoint loaders by strict ones in this process.

    mmengine falls back to plain unpickling when safe loading is refused, and always unpickles
    downloads. Afterwards all go through :func:`fetch_checkpoint`. What a checkpoint of which only a
    part is wanted (pretrained weights) does not fit is said in one line instead of several.

    Args:
        trust: Let these loaders unpickle anything.
    """

    def load(filename: str, map_location: Any = None) -> Any:
        return fetch_checkpoint(filename, map_location, trust=trust)

    load.is_strict = True  # type: ignore[attr-defined]
    for prefix in list(CheckpointLoader._schemes):
        CheckpointLoader.register_scheme(prefix, load, force=True)
    mmengine_checkpoint.load_state_dict = _load_partly


def _load_partly(
    module: nn.Module, state_dict: Mapping[str, Any], strict: bool = False, logger: Any = None
) -> None:
    """Stand-in for mmengine's ``load_state_dict``."""
    fit = load_state(module, state_dict)
    if strict and not fit:
        raise CheckpointError(f"the checkpoint does not fit {type(module).__name__}: {fit}")
    if not fit:
        print_log(f"loaded into {type(module).__name__} what fits; {fit}", logger, logging.WARNING)


@HOOKS.register_module()
class StrictCheckpointHook(Hook):
    """Load checkpoints strictly in runs started by any tool.

    No code in them runs (:func:`use_strict_checkpoints`; the tools do so themselves, where
    ``--trust-checkpoint`` is an explicit choice, which the hook leaves alone). A test, a validation
    and a resumed training need all weights of this network and no others; a training that starts
    from other weights takes what fits, and the log says in one line what it does not. Before the
    first step the classes of the data are compared with the network's, with those that the
    checkpoint was trained on and, in training, with those of the validation data.

    Args:
        allow_missing: Prefixes of keys that the checkpoint, or the network, may lack.

    Raises:
        UnfitCheckpointError: Keys are missing, unexpected or of another shape.
        ValueError: Classes differ in number or order.
    """

    priority = "HIGHEST"

    def __init__(self, allow_missing: Sequence[str] = ()) -> None:
        self.allow_missing = tuple(allow_missing)
        self._trained: tuple[str, ...] = ()

    def before_run(self, runner: Runner) -> None:
        """Install the strict loaders unless they are in place."""
        if not hasattr(CheckpointLoader._schemes[""], "is_strict"):
            use_strict_checkpoints()

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Refuse a checkpoint that does not fit, unless a training starts from it."""
        starts = isinstance(runner._train_loop, BaseLoop) and not runner._resume
        if not starts:
            name = runner._load_from or "the checkpoint"
            load_whole(runner.model, checkpoint, name, self.allow_missing)
            if runner._resume:
                check_groups(runner.optim_wrapper, checkpoint, name)
            meta = (checkpoint.get("meta") or {}).get("dataset_meta") or {}
            self._trained = tuple(meta.get("classes") or meta.get("CLASSES") or ())

    def check_data(self, runner: Runner, dataset: Any, split: str) -> None:
        """Refuse data whose classes are not those of the network and of its checkpoint."""
        classes = data_classes(dataset)
        check_sizes(runner.model, classes, split)
        check_names(classes, self._trained, split, "the checkpoint")

    def before_val(self, runner: Runner) -> None:
        """Compare the classes of the validation data."""
        self.check_data(runner, runner.val_dataloader.dataset, "validation")

    def before_test(self, runner: Runner) -> None:
        """Compare the classes of the test data."""
        self.check_data(runner, runner.test_dataloader.dataset, "test")

    def before_train(self, runner: Runner) -> None:
        """Compare the classes of the data; say what no checkpoint has given."""
        training = runner.train_dataloader.dataset
        self.check_data(runner, training, "training")
        if runner.val_loop is not None:
            classes = data_classes(runner.val_dataloader.dataset)
            check_sizes(runner.model, classes, "validation")
            check_names(classes, data_classes(training), "validation", "the training data")
        if runner._resume and runner.iter:
            return
        initial = initial_parameters(runner.model)
        parameters = list(runner.model.parameters())
        loaded = sum(hasattr(parameter, "from_checkpoint") for parameter in parameters)
        runner.logger.info(
            f"{loaded} of {len(parameters)} parameters come from checkpoints"
            + (f"; with initial values: {', '.join(initial)}" if loaded and initial else "")
        )


def check_groups(optim_wrapper: Any, checkpoint: Mapping[str, Any], name: str) -> None:
    """Refuse to go on with an optimizer whose parameters were grouped in another way.

    Raises:
        ValueError: The numbers of groups differ.
    """
    saved = (checkpoint.get("optimizer") or {}).get("param_groups")
    mine = getattr(getattr(optim_wrapper, "optimizer", None), "param_groups", None)
    if saved is None or mine is None or len(saved) == len(mine):
        return
    raise ValueError(
        f"{name}: its optimizer has {len(saved)} groups of parameters and this training's has "
        f"{len(mine)}: resume with the paramwise_cfg and the optim_wrapper.constructor that it was "
        "trained with (DefaultOptimWrapperConstructor for a checkpoint of MMEngine's own tools)"
    )


def _openmmlab_table() -> dict[str, str]:
    table = dict(mmengine_checkpoint.get_external_models())
    for old, new in mmengine_checkpoint.get_deprecated_model_names().items():
        if new in table:
            table[old] = table[new]
    return table


_ALIASES: dict[str, Callable[[], dict[str, str]]] = {
    "modelzoo://": mmengine_checkpoint.get_torchvision_models,
    "torchvision://": mmengine_checkpoint.get_torchvision_models,
    "open-mmlab://": _openmmlab_table,
    "openmmlab://": _openmmlab_table,
    "mmcls://": mmengine_checkpoint.get_mmcls_models,
}


def _resolve_alias(filename: str) -> str:
    """``torchvision://resnet50`` -> its URL."""
    scheme, name = filename.split("://", 1)
    table = _ALIASES[f"{scheme}://"]()
    if name not in table:
        raise UnavailableCheckpointError(f"{filename}: {scheme} knows no checkpoint of that name")
    address = table[name]
    if address.startswith(("http://", "https://")):
        return address
    return str(Path(mmengine_checkpoint._get_mmengine_home()) / address)


def _download(url: str) -> Path:
    """Fetch ``url`` once into torch's cache; the first rank fetches, the others wait."""
    name = Path(urllib.parse.urlparse(url).path).name
    target = Path(torch.hub.get_dir()) / "checkpoints" / name
    if get_rank() == 0:
        _fetch(url, target)
    if get_world_size() > 1:
        barrier()
        _fetch(url, target)  # nodes without a shared cache
    return target


def _fetch(url: str, target: Path) -> None:
    if target.is_file():
        return
    try:
        with (
            urllib.request.urlopen(url, timeout=NETWORK_TIMEOUT) as source,
            atomic_write(target) as temporary,
            temporary.open("wb") as sink,
            tqdm(
                total=int(source.headers.get("Content-Length") or 0) or None,
                desc=target.name,
                unit="B",
                unit_scale=True,
            ) as bar,
        ):
            while block := source.read(1 << 20):
                sink.write(block)
                bar.update(len(block))
    except OSError as error:  # urllib's and socket's errors are OSErrors
        raise UnavailableCheckpointError(
            f"cannot download {url} ({getattr(error, 'reason', error)}): put the file at {target}, "
            "name a local one in the config (e.g. --cfg-options "
            "model.backbone.init_cfg.checkpoint=FILE), or start from random weights by "
            "--no-pretrained"
        ) from error
