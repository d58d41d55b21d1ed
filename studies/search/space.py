"""Ranges of hyper-parameters as data, and the config file of a choice from them.

A space is a YAML file beside a method's configs. Each entry has a name, the config keys it sets
and one range::

    lr: {keys: optim_wrapper.optimizer.lr, log_uniform: [1.0e-5, 1.0]}
    drop: {keys: "model.layers.*.layer.drop_prob", uniform: [0, 1]}
    grid: {keys: "train_dataloader.dataset.pipeline.*.grid_size", int: [4, 224]}
    taus: {keys: [model.head.tau_bg, model.head.tau_fg], ordered: [0, 1]}
    loss: {keys: model.erasing.loss, choice: [consistency, classification]}

``*`` stands for all items of a list that have the rest of the key. Several keys get one value
together; with ``ordered`` each gets its own uniform draw, in ascending order of the keys.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from mmengine.config import Config

KINDS = ("log_uniform", "uniform", "int", "ordered", "choice")


@dataclass(frozen=True)
class Parameter:
    """One entry of a space.

    Attributes:
        name: Its name in tables and plots.
        groups: Config keys, without ``*``, for each key of the entry; all of a group get one value.
        kind: One of ``KINDS``.
        bounds: Lowest and highest value, or all values of a ``choice``.
    """

    name: str
    groups: tuple[tuple[str, ...], ...]
    kind: str
    bounds: tuple[Any, ...]

    @property
    def draws(self) -> tuple[str, ...]:
        """Names of the single numbers to draw."""
        if self.kind != "ordered":
            return (self.name,)
        return tuple(f"{self.name}_{index}" for index in range(len(self.groups)))

    def numbers(self, drawn: Mapping[str, Any]) -> dict[str, Any]:
        """Its numbers among those drawn, ``ordered`` ones in ascending order.

        >>> taus = Parameter("taus", (("m.bg",), ("m.fg",)), "ordered", (0.0, 1.0))
        >>> taus.numbers({"taus_0": 0.7, "taus_1": 0.2, "lr": 0.1})
        {'taus_0': 0.2, 'taus_1': 0.7}
        """
        found = [drawn[name] for name in self.draws]
        found = sorted(found) if self.kind == "ordered" else found
        return dict(zip(self.draws, found, strict=True))

    def values(self, drawn: Mapping[str, Any]) -> dict[str, Any]:
        """Config keys and values of what was drawn.

        >>> taus = Parameter("taus", (("m.bg",), ("m.fg",)), "ordered", (0.0, 1.0))
        >>> taus.values({"taus_0": 0.7, "taus_1": 0.2})
        {'m.bg': 0.2, 'm.fg': 0.7}
        """
        found = list(self.numbers(drawn).values())
        found = found if self.kind == "ordered" else found * len(self.groups)
        return {
            key: number for group, number in zip(self.groups, found, strict=True) for key in group
        }


def load_space(paths: Sequence[str | os.PathLike[str]], cfg: Config) -> list[Parameter]:
    """Read a space and resolve its keys in a config.

    Args:
        paths: YAML files; an entry replaces that of the same name in the files before.
        cfg: The config to search; every key must be there, so that a slip cannot go unnoticed.

    Returns:
        The parameters, in the order of the files.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: An entry is malformed, or one of its keys is not in the config.
    """
    entries: dict[str, tuple[str, Any]] = {}
    for path in map(str, paths):
        try:
            content = yaml.safe_load(Path(path).read_text())
        except yaml.YAMLError as error:
            raise ValueError(f"{path}: not valid YAML: {error}") from None
        if not isinstance(content, dict) or not content:
            raise ValueError(f"{path}: expected names of parameters with their keys and ranges")
        entries |= {str(name): (path, entry) for name, entry in content.items()}
    parameters = [_parameter(name, *found, cfg) for name, found in entries.items()]
    owners: dict[str, str] = {}
    for parameter in parameters:
        for key in (key for group in parameter.groups for key in group):
            if key in owners:
                raise ValueError(f"{owners[key]} and {parameter.name} both set {key}: remove one")
            owners[key] = parameter.name
    return parameters


def config_text(base: str, cfg: Config, values: Mapping[str, Any]) -> str:
    """Source of a config that inherits ``base`` and sets ``values``, nothing else.

    Args:
        base: The ``_base_`` entry.
        cfg: The config that ``base`` names.
        values: Config keys, with indices of lists, and their values.

    >>> from mmengine.config import Config
    >>> cfg = Config(dict(lr=0.1, model=dict(layers=[dict(type="A"), dict(type="B", p=0.5)])))
    >>> print(config_text("./cam.py", cfg, {"lr": 0.01, "model.layers.1.p": 0.2}))
    _base_ = './cam.py'
    <BLANKLINE>
    lr = 0.01
    model = dict(layers=[*_base_.model.layers[:1], dict(_base_.model.layers[1], p=0.2)])
    <BLANKLINE>
    """
    tree: dict[str, Any] = {}
    for key, value in values.items():
        *parents, last = key.split(".")
        node = tree
        for part in parents:
            node = node.setdefault(part, _Changes())
        node[last] = value
    lines = [
        f"{name} = {_expression(cfg[name], change, f'_base_.{name}', inherited=True)}"
        for name, change in tree.items()
    ]
    return "\n".join([f"_base_ = {base!r}", "", *lines, ""])


class _Changes(dict):
    """Changes below a key; a value that is a dict is none."""


def _expression(node: Any, change: Any, path: str, *, inherited: bool) -> str:
    """The changed value of one key; ``inherited`` where mmengine merges it with the base's."""
    if not isinstance(change, _Changes):
        return repr(change)
    if isinstance(node, dict):
        words = [] if inherited else [path]
        for key, value in change.items():
            text = _expression(node[key], value, f"{path}.{key}", inherited=inherited)
            words.append(f"{key}={text}")
        return f"dict({', '.join(words)})"
    items, start = [], 0  # lists replace those of the base, so the rest is taken from there
    for index in sorted(map(int, change)):
        if index > start:
            items.append(f"*{path}[{start or ''}:{index}]")
        place = f"{path}[{index}]"
        items.append(_expression(node[index], change[str(index)], place, inherited=False))
        start = index + 1
    if start < len(node):
        items.append(f"*{path}[{start}:]")
    return f"[{', '.join(items)}]"


def _parameter(name: str, path: str, entry: Any, cfg: Config) -> Parameter:
    """Check one entry."""
    where = f"{path}: {name}"
    kinds = [key for key in entry if key != "keys"] if isinstance(entry, dict) else []
    if len(kinds) != 1 or kinds[0] not in KINDS or "keys" not in entry:
        raise ValueError(f"{where}: expected 'keys' and one of {', '.join(KINDS)}, got {entry}")
    kind = kinds[0]
    keys = [entry["keys"]] if isinstance(entry["keys"], str) else entry["keys"]
    if not isinstance(keys, list) or not keys or not all(isinstance(key, str) for key in keys):
        raise ValueError(f"{where}.keys: expected a config key or a list of them, got {keys!r}")
    if kind == "ordered" and len(keys) < 2:
        raise ValueError(f"{where}.keys: 'ordered' needs two keys or more, got {keys}")
    groups = tuple(tuple(_resolve(cfg, key.split("."))) for key in keys)
    for key, group in zip(keys, groups, strict=True):
        if not group:
            raise ValueError(
                f"{where}.keys: {key} is not in the config {cfg.filename}; a default that no "
                "config names must be written there first"
            )
    return Parameter(name, groups, kind, _bounds(f"{where}.{kind}", kind, entry[kind]))


def _bounds(where: str, kind: str, value: Any) -> tuple[Any, ...]:
    """Check a range; numbers may be text, since YAML reads 1e-5 (without a point) as such."""
    if kind == "choice":
        plain = isinstance(value, list) and all(
            isinstance(item, str | int | float | bool | None) for item in value
        )
        if not plain or not value:
            raise ValueError(f"{where}: expected a list of numbers, words or null, got {value!r}")
        return tuple(value)
    kind_of_number = int if kind == "int" else float
    try:
        low, high = (kind_of_number(str(item)) for item in value)
    except (TypeError, ValueError):
        word = "integers" if kind == "int" else "numbers"
        raise ValueError(f"{where}: expected two {word} [lowest, highest], got {value!r}") from None
    if not low < high < float("inf") or not low > float("-inf"):
        raise ValueError(f"{where}: expected lowest < highest, got {value!r}")
    if kind == "log_uniform" and low <= 0:
        raise ValueError(f"{where}: expected a lowest value above 0, got {value!r}")
    return low, high


def _resolve(node: Any, parts: Sequence[str], prefix: str = "") -> Iterator[str]:
    """The keys of a config that a key with ``*`` stands for."""
    if not parts:
        yield prefix.removesuffix(".")
        return
    part, rest = parts[0], parts[1:]
    if isinstance(node, list | tuple):
        wanted = range(len(node)) if part == "*" else [int(part)] if part.isdigit() else []
        for index in wanted:
            if index < len(node):
                yield from _resolve(node[index], rest, f"{prefix}{index}.")
    elif hasattr(node, "keys") and part in node:  # a Config is no Mapping
        yield from _resolve(node[part], rest, f"{prefix}{part}.")
