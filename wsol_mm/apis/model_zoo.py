"""Models by name: those of our metafiles, MMPretrain's, and any config."""

from __future__ import annotations

import fnmatch
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.infer import BaseInferencer
from mmengine.logging import MMLogger
from mmengine.registry import MODELS, DefaultScope
from mmengine.runner import CheckpointLoader
from torch import nn

import wsol_mm.registry  # noqa: F401 - makes `wsol_mm::...` known
from wsol_mm.apis.command import strip_pretrained
from wsol_mm.apis.published import published_threshold
from wsol_mm.engine.strict_checkpoint import use_strict_checkpoints
from wsol_mm.engine.whole_checkpoint import CheckpointError, load_whole


def list_models(pattern: str = "*") -> list[str]:
    """Names that :class:`wsol_mm.Localizer` and :func:`get_model` take.

    Args:
        pattern: Shell pattern, such as ``cam*``; any ending fits, as in MMPretrain.

    Returns:
        Sorted; ours and MMPretrain's. ``timm/<name>`` and ``torchvision/<name>`` are not listed.
    """
    from mmpretrain.apis import list_models as of_mmpretrain

    ours = fnmatch.filter(_our_models(), pattern + "*")
    return sorted({*ours, *of_mmpretrain(pattern)})


def get_model(
    model: str | Config, checkpoint: str | bool | None = None, device: str = "cpu"
) -> nn.Module:
    """Build a model of a name or config and load its weights.

    Args:
        model: A name of :func:`list_models`, a config file, ``wsol_mm::cam/...py``, or a config.
        checkpoint: Weights: a path, URL or ``package://``; None for those that the metafile or the
            config's ``load_from`` names, False for random ones.
        device: Where it goes.

    Returns:
        The model in eval mode; ``model.cfg`` is its config, ``model.classes`` the names of its
        classes, as far as they are known, else None; ``model.threshold`` the threshold of maps that
        a published checkpoint brings, else None.

    Raises:
        FileNotFoundError, ValueError: There is no such model.
        CheckpointError: No weights are known, or they do not fit.
    """
    cfg, weights = find_config(model)
    if cfg.get("data_preprocessor") is not None:
        cfg.model.setdefault("data_preprocessor", cfg.data_preprocessor)
    strip_pretrained(cfg.model)
    with DefaultScope.overwrite_default_scope(cfg.get("default_scope", "mmengine")), _quiet():
        built = MODELS.build(cfg.model)
    meta: dict[str, Any] = {}
    if checkpoint is not False:
        source = checkpoint or weights or cfg.get("load_from")
        if not isinstance(source, str):
            raise CheckpointError(
                f"{_name(model)} names no published weights: give those that tools/train.py "
                "makes by checkpoint=, or checkpoint=False for random ones"
            )
        meta = load_weights(built, source)
    built.cfg, built.classes = cfg, _classes(meta, cfg)
    built.threshold = published_threshold(meta)
    return built.to(device).eval()


def find_config(model: str | Config) -> tuple[Config, str | None]:
    """The config of a name or file, and the weights that its metafile names.

    Raises:
        FileNotFoundError: A file that does not exist.
        ValueError: An unknown name; close ones are told.
    """
    if isinstance(model, Config):
        return Config(model.to_dict()), None
    if "::" in model:
        return Config.fromfile(Config._get_cfg_path(model, "")[0]), None
    if model.endswith(".py"):
        if not Path(model).is_file():
            raise FileNotFoundError(f"config {model} does not exist")
        return Config.fromfile(model), None
    ours = _our_models()
    if model in ours:
        entry = ours[model]
        root = Path(BaseInferencer._get_repo_or_mim_dir("wsol_mm"))
        return Config.fromfile(root / entry["Config"]), entry.get("Weights")
    from mmpretrain.apis.model import ModelHub

    try:
        found = ModelHub.get(model)
    except ValueError:
        raise ValueError(f"unknown model {model!r}: {_close(model)}") from None
    return found.config, found.weights


def load_weights(network: nn.Module, source: str) -> dict[str, Any]:
    """Load weights that must fit the network, without running code of theirs.

    Args:
        network: The network.
        source: A path, URL or ``package://``.

    Returns:
        The checkpoint's ``meta``.

    Raises:
        CheckpointError: They cannot be had, or are of another network.
    """
    content = read_weights(source)
    load_whole(network, content, source)
    meta = content.get("meta") if isinstance(content, dict) else None
    return meta if isinstance(meta, dict) else {}


def read_weights(source: str) -> Any:
    """Content of a checkpoint: a path, a URL, ``package://``, or a ``.safetensors`` file."""
    if source.endswith(".safetensors"):
        from safetensors.torch import load_file

        if not Path(source).is_file():
            raise CheckpointError(f"checkpoint {source} does not exist")
        return load_file(source)
    if not hasattr(CheckpointLoader._schemes[""], "is_strict"):
        use_strict_checkpoints()
    return CheckpointLoader.load_checkpoint(source, map_location="cpu", logger="silent")


def _our_models() -> dict[str, dict[str, Any]]:
    root = BaseInferencer._get_repo_or_mim_dir("wsol_mm")
    return {entry["Name"]: entry for entry in BaseInferencer._get_models_from_metafile(root)}


def _classes(meta: dict[str, Any], cfg: Config) -> tuple[str, ...] | None:
    """From the checkpoint, else from the config or the class of its test data."""
    known = {key.lower(): value for key, value in (meta.get("dataset_meta") or meta).items()}
    if known.get("classes"):
        return tuple(known["classes"])
    dataset = cfg.get("test_dataloader", {}).get("dataset", {})
    if dataset.get("metainfo", {}).get("classes"):
        return tuple(dataset["metainfo"]["classes"])
    from mmengine.registry import DATASETS

    with DATASETS.switch_scope_and_registry(cfg.get("default_scope", "mmengine")) as registry:
        kind = registry.get(dataset["type"]) if "type" in dataset else None
    classes = getattr(kind, "METAINFO", {}).get("classes")
    if classes is None and str(dataset.get("type")).split(".")[-1] == "ILSVRC":
        classes = imagenet_classes()  # its folders are numbers, in this order
    return tuple(classes) if classes else None


def imagenet_classes() -> list[str]:
    """Names of ImageNet's 1000 classes."""
    from mmpretrain.datasets.categories import IMAGENET_CATEGORIES

    return list(IMAGENET_CATEGORIES)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the information that backbones log while they are built."""
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


def _name(model: str | Config) -> str:
    return model if isinstance(model, str) else str(model.filename or "the config")


def _close(name: str) -> str:
    import difflib

    close = difflib.get_close_matches(name, list_models(), n=3, cutoff=0.5)
    hint = f"did you mean {', '.join(close)}? " if close else ""
    return f"{hint}names are those of wsol_mm.list_models(), timm/<name> and torchvision/<name>"
