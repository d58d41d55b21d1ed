"""Merged groups have MMEngine's options for every parameter, and a step changes no number."""

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from torch import nn

from wsol_mm.apis.command import build_runner
from wsol_mm.engine import merge_groups
from wsol_mm.engine.strict_checkpoint import check_groups
from wsol_mm.registry import OPTIM_WRAPPER_CONSTRUCTORS

GROUPED = {"constructor": "wsol_mm.GroupedOptimWrapperConstructor"}
RULES = {
    "custom_keys": {"head": {"lr_mult": 10}, "head.norm": {"lr_mult": 2, "decay_mult": 0}},
    "bias_lr_mult": 2,
    "norm_decay_mult": 0,
    "dwconv_decay_mult": 0.5,
}


def network():
    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3, groups=4))
    head = nn.ModuleDict({"norm": nn.BatchNorm2d(4), "fc": nn.Linear(4, 2)})
    return nn.ModuleDict({"body": body, "head": head})


def wrapper(model, kind, **keys):
    optimizer = {"type": kind, "lr": 0.1, "weight_decay": 0.01}
    return build_optim_wrapper(model, {"optimizer": optimizer, "paramwise_cfg": RULES, **keys})


def options(model, optimizer):
    names = {parameter: name for name, parameter in model.named_parameters()}
    return {
        names[parameter]: {key: value for key, value in group.items() if key != "params"}
        for group in optimizer.param_groups
        for parameter in group["params"]
    }


@pytest.mark.parametrize("kind", ["SGD", "AdamW"])
def test_every_parameter_keeps_its_options_and_its_step(kind):
    models = [network(), network()]
    wrappers = [wrapper(models[0], kind), wrapper(models[1], kind, **GROUPED)]
    theirs, ours = (each.optimizer for each in wrappers)
    assert options(models[1], ours) == options(models[0], theirs)
    assert len(ours.param_groups) == 7 < len(theirs.param_groups) == 10
    for model, each in zip(models, wrappers, strict=True):
        loss = sum((p * torch.arange(p.numel()).reshape(p.shape)).sum() for p in model.parameters())
        for _ in range(2):
            each.update_params(loss + sum((p**2).sum() for p in model.parameters()))
            loss = 0.0
    for one, other in zip(*(model.parameters() for model in models), strict=True):
        assert torch.equal(one, other)


def test_what_is_frozen_has_no_group():
    model = network()
    model["body"].requires_grad_(False)
    optimizer = wrapper(model, "SGD", **GROUPED).optimizer
    assert set(options(model, optimizer)) == {n for n, _ in model["head"].named_parameters("head")}


def test_a_shared_parameter_is_refused_unless_it_is_passed_over():
    model = nn.ModuleDict({"a": nn.Linear(2, 2), "b": nn.Linear(2, 2)})
    model["b"].weight = model["a"].weight
    with pytest.raises(ValueError, match="bypass_duplicate=True"):
        wrapper(model, "SGD", **GROUPED)
    cfg = {"optimizer": {"type": "SGD", "lr": 0.1}, "paramwise_cfg": {"bypass_duplicate": True}}
    (group,) = build_optim_wrapper(model, {**cfg, **GROUPED}).optimizer.param_groups
    assert len(group["params"]) == 3


def test_without_rules_there_is_one_group():
    model = network()
    optimizer = build_optim_wrapper(model, {"optimizer": {"type": "SGD", "lr": 0.1}, **GROUPED})
    assert len(optimizer.optimizer.param_groups) == 1
    assert merge_groups([]) == []


@pytest.mark.parametrize(
    ("named", "built"),
    [
        ({}, "wsol_mm.GroupedOptimWrapperConstructor"),
        ({"constructor": "Mine"}, "Mine"),
    ],
)
def test_the_tools_take_it_where_a_config_names_none(named, built, monkeypatch):
    cfg = Config({"model": {}, "optim_wrapper": {"optimizer": {"type": "SGD"}, **named}})
    found = []

    def stop(cfg):
        found.append(cfg.optim_wrapper.constructor)
        raise KeyboardInterrupt

    monkeypatch.setattr("mmengine.runner.Runner.from_cfg", stop)
    with pytest.raises(KeyboardInterrupt):
        build_runner(cfg)
    assert found == [built]


def test_a_state_of_other_groups_is_refused_with_the_way_out():
    model = network()
    theirs, ours = wrapper(model, "SGD"), wrapper(model, "SGD", **GROUPED)
    saved = {"optimizer": theirs.optimizer.state_dict()}
    check_groups(theirs, saved, "epoch_1.pth")
    check_groups(ours, {"state_dict": {}}, "epoch_1.pth")
    with pytest.raises(ValueError, match=r"epoch_1.pth: .* 10 groups .* has 7: .*DefaultOptim"):
        check_groups(ours, saved, "epoch_1.pth")


def test_it_is_found_by_its_name():
    assert OPTIM_WRAPPER_CONSTRUCTORS.get("wsol_mm.GroupedOptimWrapperConstructor") is not None
