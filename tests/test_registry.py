"""Registries find every part by its full name, under any scope, without custom imports."""

import importlib

import pytest
from mmengine.config import Config
from mmengine.registry import DefaultScope

import wsol_mm.registry
from wsol_mm.registry import DATASETS, HOOKS, METRICS, MODELS, TRANSFORMS

REGISTRIES = [getattr(wsol_mm.registry, name) for name in wsol_mm.registry.__all__]


@pytest.mark.parametrize("registry", REGISTRIES, ids=lambda registry: registry.name)
def test_locations_import(registry):
    # mmengine hides an ImportError raised inside registry.py: import everything in the open
    assert registry.scope == "wsol_mm"
    for location in registry._locations:
        assert importlib.import_module(location)


@pytest.mark.parametrize("scope", ["mmpretrain", "mmdet", "mmengine"])
def test_parts_are_found_from_every_scope(scope):
    with DefaultScope.overwrite_default_scope(scope):
        for registry, name in [
            (MODELS, "wsol_mm.CAMHead"),
            (MODELS, "wsol_mm.WeightedEntropyLoss"),
            (DATASETS, "wsol_mm.CUB"),
            (TRANSFORMS, "wsol_mm.PackWSOLInputs"),
            (METRICS, "wsol_mm.WSOLMetric"),
            (HOOKS, "wsol_mm.WSOLVisualizationHook"),
            (HOOKS, "wsol_mm.SeedHook"),
        ]:
            assert registry.parent.get(name) is not None, name


def test_our_configs_are_bases_for_others(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        '_base_ = "wsol_mm::cam/resnet18_toy.py"\nmodel = dict(head=dict(num_maps=2))\n'
    )
    cfg = Config.fromfile(path)
    assert cfg.model.head.type == "wsol_mm.CAMHead"
    assert cfg.model.head.num_maps == 2
    # unprefixed types keep resolving under the parent's default scope
    assert cfg.default_scope == "mmpretrain"
    assert "_scope_" not in cfg.train_dataloader.sampler
