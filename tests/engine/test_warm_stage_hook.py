"""WarmStageHook: switches by epoch, batch size, exact resume, and what it refuses."""

from types import SimpleNamespace

import pytest
import toy_training
from mmengine.hooks import Hook
from mmengine.model import MMDistributedDataParallel
from mmengine.registry import MODELS
from mmengine.runner import Runner
from torch import nn

from wsol_mm.engine import WarmStageHook


@MODELS.register_module()
class MarginLoss(nn.Module):
    """A second loss that can be switched."""

    def __init__(self):
        super().__init__()
        self.enabled = True

    def forward(self, logits):
        return 0.1 * logits.square().mean()


@MODELS.register_module()
class WarmNet(toy_training.ToyNet):
    """ToyNet with a loss that rests in the warm stage."""

    def __init__(self):
        super().__init__()
        self.loss_margin = MarginLoss()

    def forward(self, image, label, mode="tensor"):
        output = super().forward(image, label, mode)
        if mode == "loss" and self.loss_margin.enabled:
            output["loss_margin"] = self.loss_margin(self.layers(image))
        return output


class Notes(Hook):
    """What each training step saw; stops the run after an epoch."""

    priority = "LOWEST"

    def __init__(self, last):
        self.steps = []
        self.last = last

    def after_train_epoch(self, runner):
        runner.train_loop.stop_training = runner.epoch + 1 == self.last

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        size = len(data_batch["label"])
        self.steps.append((runner.epoch, size, "loss_margin" in outputs))


def run(folder, name, *, last=3, hook=None, **changes):
    cfg = toy_training.config(folder, model={"type": "WarmNet"}, **changes)
    cfg["train_dataloader"]["num_workers"] = 0
    notes = Notes(last)
    warm = hook or WarmStageHook(epochs=1, losses=["loss_margin"], batch_size=(4, 8))
    runner = Runner(**cfg, experiment_name=name, custom_hooks=[warm, notes])
    runner.train()
    return runner, notes.steps


def test_losses_rest_and_batches_grow_by_epoch(tmp_path):
    _, steps = run(tmp_path, "warm_whole")
    assert steps == [(0, 4, False)] * 4 + [(1, 8, True)] * 2 + [(2, 8, True)] * 2


def test_a_resumed_run_is_the_same(tmp_path):
    whole, steps = run(tmp_path / "whole", "warm_reference")
    for first in (1, 2):
        folder = tmp_path / f"after_{first}"
        _, early = run(folder, f"warm_first_{first}", last=first)
        resumed, late = run(folder, f"warm_resumed_{first}", resume=True)
        assert early + late == steps
        assert toy_training.digest(resumed) == toy_training.digest(whole)


def test_without_batch_size_the_loader_is_left_alone(tmp_path):
    hook = WarmStageHook(epochs=2, losses=["loss_margin"])
    _, steps = run(tmp_path, "warm_plain", hook=hook)
    assert steps == [(0, 4, False)] * 4 + [(1, 4, False)] * 4 + [(2, 4, True)] * 4


@pytest.mark.parametrize("name", ["loss_sim", "layers", "layers.0"])
def test_unknown_names_are_refused_before_training(name, tmp_path):
    hook = WarmStageHook(epochs=1, losses=["loss_margin", name])
    with pytest.raises(ValueError, match=rf"'{name}', which is no loss .* has \['loss_margin'\]"):
        run(tmp_path, f"warm_refused_{name}", hook=hook)


def test_a_loader_that_batches_by_itself_is_refused():
    loader = SimpleNamespace(batch_sampler=SimpleNamespace())
    runner = SimpleNamespace(model=WarmNet(), train_dataloader=loader, epoch=0)
    WarmStageHook(epochs=1, losses=["loss_margin"]).before_train(runner)
    with pytest.raises(ValueError, match="SimpleNamespace has no batch_size"):
        WarmStageHook(epochs=1, losses=["loss_margin"], batch_size=(4, 8)).before_train(runner)


def test_a_distributed_model_is_unwrapped(monkeypatch):
    wrapper = MMDistributedDataParallel.__new__(MMDistributedDataParallel)
    nn.Module.__init__(wrapper)
    wrapper.module = WarmNet()
    runner = SimpleNamespace(model=wrapper, epoch=0)
    hook = WarmStageHook(epochs=1, losses=["loss_margin"])
    hook.before_train_epoch(runner)
    assert not wrapper.module.loss_margin.enabled
    runner.epoch = 1
    hook.before_train_epoch(runner)
    assert wrapper.module.loss_margin.enabled


@pytest.mark.parametrize(
    "keys",
    [{"epochs": -1}, {"epochs": 1, "batch_size": (32,)}, {"epochs": 1, "batch_size": (0, 4)}],
)
def test_impossible_numbers_are_refused(keys):
    with pytest.raises(ValueError, match="WarmStageHook: "):
        WarmStageHook(losses=[], **keys)


def test_configs_can_name_it():
    from mmengine.registry import HOOKS

    hook = HOOKS.build({"type": "wsol_mm.WarmStageHook", "epochs": 2, "losses": []})
    assert isinstance(hook, WarmStageHook)
