"""Registries of ``wsol_mm``: children of the mmengine root, one per kind of part.

A config names a part as ``type='wsol_mm.Name'`` under any default scope, and the ``locations``
below import the module that holds it on first use, so no config needs ``custom_imports``.
"""

from functools import cache

from mmengine.config import Config
from mmengine.config import utils as _config_utils
from mmengine.registry import DATA_SAMPLERS as ROOT_DATA_SAMPLERS
from mmengine.registry import DATASETS as ROOT_DATASETS
from mmengine.registry import HOOKS as ROOT_HOOKS
from mmengine.registry import METRICS as ROOT_METRICS
from mmengine.registry import MODELS as ROOT_MODELS
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS as ROOT_OPTIM_WRAPPER_CONSTRUCTORS
from mmengine.registry import TRANSFORMS as ROOT_TRANSFORMS
from mmengine.registry import VISBACKENDS as ROOT_VISBACKENDS
from mmengine.registry import Registry

MODELS = Registry("model", parent=ROOT_MODELS, locations=["wsol_mm.models"])
DATASETS = Registry("dataset", parent=ROOT_DATASETS, locations=["wsol_mm.datasets"])
TRANSFORMS = Registry("transform", parent=ROOT_TRANSFORMS, locations=["wsol_mm.datasets"])
DATA_SAMPLERS = Registry("data sampler", parent=ROOT_DATA_SAMPLERS, locations=["wsol_mm.datasets"])
METRICS = Registry("metric", parent=ROOT_METRICS, locations=["wsol_mm.evaluation"])
HOOKS = Registry("hook", parent=ROOT_HOOKS, locations=["wsol_mm.engine", "wsol_mm.visualization"])
OPTIM_WRAPPER_CONSTRUCTORS = Registry(
    "optimizer wrapper constructor",
    parent=ROOT_OPTIM_WRAPPER_CONSTRUCTORS,
    locations=["wsol_mm.engine"],
)
VISBACKENDS = Registry("vis_backend", parent=ROOT_VISBACKENDS, locations=["wsol_mm.visualization"])

# mmengine resolves `_base_ = 'pkg::path'` through this fixed table (mmengine issue 1410); with our
# name in it, other people's configs can inherit `wsol_mm::cam/resnet50_cub.py`.
_config_utils.MODULE2PACKAGE.setdefault("wsol_mm", "wsol_mm")
_get_cfg_path = Config._get_cfg_path


def _without_our_scope(cfg_path: str, filename: str) -> tuple[str, str | None]:
    """Path of a base config; no scope for ours.

    mmengine writes the package of an external base into its dicts as ``_scope_``, so that its
    unprefixed types resolve there. Our configs prefix our types and leave the rest to the default
    scope, which is MMPretrain's or MMDetection's and never ours.
    """
    path, scope = _external(cfg_path) if "::" in cfg_path else _get_cfg_path(cfg_path, filename)
    return path, None if scope == "wsol_mm" else scope


@cache
def _external(cfg_path: str) -> tuple[str, str | None]:
    """Path and scope of ``package::file``.

    mmengine reads all metafiles of the package each time: four fifths of the time of a config.
    """
    return _get_cfg_path(cfg_path, "")


Config._get_cfg_path = staticmethod(_without_our_scope)

__all__ = [
    "DATASETS",
    "DATA_SAMPLERS",
    "HOOKS",
    "METRICS",
    "MODELS",
    "OPTIM_WRAPPER_CONSTRUCTORS",
    "TRANSFORMS",
    "VISBACKENDS",
]
