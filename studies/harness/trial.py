"""A trial, one training with its test, as data: its config and its key.

Trials are data of every study, so mmengine is imported where a config is read and not before.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from wsol_mm.io import atomic_write
from wsol_mm.version import __version__

if TYPE_CHECKING:
    from mmengine.config import Config

ROOT = Path(__file__).resolve().parents[2]
LOADERS = ("train_dataloader", "val_dataloader", "test_dataloader")
# Keys, at any depth, that cannot move a number.
OUTPUTS = {"work_dir", "data_root", "vis_backends", "visualizer", "visualization", "logger"}
OUTPUTS |= {"log_level", "log_processor", "launcher", "pin_memory", "experiment_name"}
# mmengine parses with ast.parse, which Python 3.11 does not bear in two threads at once: now and
# then a trial ended with "AST constructor recursion depth mismatch".
_PARSING = Lock()


@dataclass(frozen=True)
class Trial:
    """One training and its test.

    In every value of the options ``{data}`` stands for the folder of the scenes, and the name of
    an input, ``{teacher}`` say, for the file that it gives.

    Attributes:
        config: Config file, absolute or relative to the current folder or the repository.
        options: Config keys to override, as in ``--cfg-options`` but with any value.
        seed: Seed of the run and, on toy scenes, of the scenes.
        dials: Words for ``make_toy.py``; the toy scenes are drawn with them.
        data_root: Folder of a data set to use instead of toy scenes.
        test_options: Keys to override at the test only. Trials that differ in nothing else share
            the training, and the checkpoint that its own val numbers chose.
        checkpoint: The one that is tested and that inputs take: ``val`` (the best on the val split,
            by the metric of the config), ``last``, or a file or address of weights, with which
            nothing is trained.
        inputs: What other trainings give to this one, by name: a trial stands for its checkpoint,
            :class:`PseudoBoxes` for a file of boxes. They get the seed, dials and data of this
            trial.
    """

    config: str
    options: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    dials: tuple[str, ...] = ()
    data_root: str | None = None
    test_options: Mapping[str, Any] = field(default_factory=dict)
    checkpoint: str = "val"
    inputs: Mapping[str, Trial | PseudoBoxes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse dials of scenes that are not drawn, and an input with the name of the data."""
        if self.data_root is not None and self.dials:
            raise ValueError(f"Trial: data_root={self.data_root!r} takes no dials: {self.dials}")
        if self.checkpoint not in ("val", "last") and "/" not in self.checkpoint:
            raise ValueError(
                f"Trial: checkpoint={self.checkpoint!r}: expected 'val', 'last' or a file's path"
            )
        if "data" in self.inputs:
            raise ValueError("Trial: {data} is the folder of the scenes; call the input otherwise")

    @property
    def trains(self) -> bool:
        """Whether there is a training, or only a test of given weights."""
        return self.checkpoint in ("val", "last")

    @property
    def name(self) -> str:
        """Folder and name of the config, for file names."""
        path = Path(self.config)
        return f"{path.parent.name}-{path.stem}"

    def sources(self) -> dict[str, Trial]:
        """The training behind each input, on the data and with the seed of this trial."""
        return {
            name: replace(
                source.maker if isinstance(source, PseudoBoxes) else source,
                seed=self.seed,
                dials=self.dials,
                data_root=self.data_root,
            )
            for name, source in self.inputs.items()
        }


@dataclass(frozen=True)
class PseudoBoxes:
    """Boxes that a trained model draws on the training images (``tools/pseudo_boxes.py``).

    Attributes:
        maker: The localizer or detector.
        threshold: ``val``, ``otsu``, ``mean`` or a number; None for a detector, whose best box it
            is.
    """

    maker: Trial
    threshold: str | None = "val"


def config_file(trial: Trial) -> Path:
    """The config's file, absolute.

    Raises:
        FileNotFoundError: There is none.
    """
    for path in (Path(trial.config), ROOT / trial.config):
        if path.is_file():
            return path.resolve()
    raise FileNotFoundError(f"config {trial.config} does not exist")


def resolved_config(trial: Trial, *, test: bool = False) -> Config:
    """The config of a trial with its overrides and seed; data roots are the config's own.

    Args:
        trial: The trial.
        test: Apply ``test_options`` too.

    Raises:
        FileNotFoundError: There is no such config.
        KeyError: An override is for a part that the config does not have.
    """
    cfg = deepcopy(_load(config_file(trial)))
    options = {**trial.options, **(trial.test_options if test else {})}
    for key, value in {**options, "randomness.seed": trial.seed}.items():
        parent = key.rpartition(".")[0]
        if not _has(cfg, parent):
            raise KeyError(f"option {key}: {trial.config} has no {parent} to set it in")
        cfg.merge_from_dict({key: value})
    return cfg


def trial_key(trial: Trial, *, test: bool = True) -> str:
    """Hash (16 hexadecimal digits) of everything the numbers of a trial follow from.

    That is the config with all overrides, dials (or the name of the data folder) and seed; neither
    paths, logging nor versions, so results stay valid where only those change.

    Args:
        trial: The trial.
        test: Also of ``test_options``; without them the key is that of the training.

    Raises:
        FileNotFoundError, KeyError: As :func:`resolved_config`.
    """
    data = Path(trial.data_root).name if trial.data_root else list(trial.dials)
    content = [_numbers_only(resolved_config(trial).to_dict()), data, trial.seed]
    if test and trial.test_options:
        content.append(_numbers_only(resolved_config(trial, test=True).to_dict()))
    if test and trial.checkpoint != "val":
        content.append(trial.checkpoint)
    if trial.inputs:
        content.append(_input_keys(trial))
    text = json.dumps(content, sort_keys=True, default=repr)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _input_keys(trial: Trial) -> dict[str, list[str]]:
    keys = {name: [trial_key(source, test=False)] for name, source in trial.sources().items()}
    for name, source in trial.inputs.items():
        if isinstance(source, PseudoBoxes) and source.threshold is not None:
            keys[name].append(source.threshold)
        if trial.sources()[name].checkpoint != "val":
            keys[name].append(trial.sources()[name].checkpoint)
    return keys


def write_config(cfg: Config, path: Path, files: Mapping[str, Path]) -> Path:
    """Write a whole config whose loaders read ``files["data"]``; returns ``path``.

    ``{name}`` in any value becomes the file of that name. The tools are given this file instead of
    overrides, so an override may have any value.
    """
    from mmengine.config import Config

    for loader in LOADERS:
        if cfg.get(loader):
            cfg[loader] = _with_data(cfg[loader].to_dict(), files["data"])
    filled = Config(_fill(cfg.to_dict(), files))
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as temporary:
        filled.dump(temporary)
    return path


def _with_data(node: Any, data: Path) -> Any:
    if isinstance(node, dict):
        return {
            key: str(data) if key == "data_root" else _with_data(value, data)
            for key, value in node.items()
        }
    return [_with_data(item, data) for item in node] if isinstance(node, list) else node


def _fill(node: Any, files: Mapping[str, Path]) -> Any:
    if isinstance(node, dict):
        return {key: _fill(value, files) for key, value in node.items()}
    if isinstance(node, (list, tuple)):
        return type(node)(_fill(item, files) for item in node)
    if isinstance(node, str):
        for name, file in files.items():
            node = node.replace(f"{{{name}}}", str(file))
    return node


def describe(trial: Trial) -> dict[str, Any]:
    """What a result belongs to, without paths of this machine."""
    path = config_file(trial)
    inputs = {
        name: {"key": keys, "config": trial.sources()[name].config}
        for name, keys in _input_keys(trial).items()
    }
    return {
        **({"inputs": inputs} if inputs else {}),
        "config": str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path),
        "options": dict(trial.options),
        "test_options": dict(trial.test_options),
        "checkpoint": trial.checkpoint,
        "seed": trial.seed,
        "dials": list(trial.dials),
        "data": Path(trial.data_root).name if trial.data_root else "toy scenes",
        "key": trial_key(trial),
        "wsol_mm": __version__,
    }


def _numbers_only(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _numbers_only(node[key]) for key in node if key not in OUTPUTS}
    return [_numbers_only(item) for item in node] if isinstance(node, (list, tuple)) else node


@cache
def _load(path: Path) -> Config:
    """A file as it was first read: a study does not change while it runs."""
    from mmengine.config import Config

    import wsol_mm.registry  # noqa: F401 - makes `_base_ = 'wsol_mm::...'` work

    with _PARSING:
        return Config.fromfile(path)


def _has(node: Any, key: str) -> bool:
    for part in key.split(".") if key else ():
        if isinstance(node, list | tuple):
            if not (part.isdigit() and int(part) < len(node)):
                return False
            node = node[int(part)]
        elif hasattr(node, "keys") and part in node:  # a Config is no Mapping
            node = node[part]
        else:
            return False
    return True
