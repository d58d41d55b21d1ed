"""Streams of this process and of data workers follow (seed, epoch, rank)."""

import random

import numpy as np
import pytest
import torch
from mmengine.runner import Runner
from torch.utils.data import DataLoader, Dataset
from toy_training import config

from wsol_mm.engine import seed_everything, seed_worker


class Draws(Dataset):
    """One number from each random stream per item."""

    def __len__(self):
        return 4

    def __getitem__(self, index):
        numpy_draw = np.random.rand()
        return torch.tensor([random.random(), numpy_draw, torch.rand(()).item()])


def draws(loader, seed, epoch, rank=0):
    seed_everything(seed, epoch, rank)
    return torch.cat(list(loader))


def test_workers_draw_anew_each_epoch_and_the_same_again_for_the_same_epoch():
    loader = DataLoader(Draws(), batch_size=2, num_workers=2, worker_init_fn=seed_worker)
    first, second = draws(loader, 0, 0), draws(loader, 0, 1)
    assert torch.equal(first, draws(loader, 0, 0))
    for stream in range(3):
        values = torch.cat([first[:, stream], second[:, stream]])
        assert values.unique().numel() == 8  # no two items of workers or epochs share a number
    for other in (draws(loader, 1, 0), draws(loader, 0, 0, rank=1)):
        assert not torch.isclose(first, other).any()


def test_the_config_can_name_the_worker_function():
    cfg = {
        "dataset": Draws(),
        "batch_size": 2,
        "num_workers": 1,
        "sampler": {"type": "DefaultSampler", "shuffle": False},
        "worker_init_fn": {"type": "wsol_mm.engine.seed_worker"},
    }
    loader = Runner.build_dataloader(cfg, seed=0)
    assert loader.worker_init_fn.func is seed_worker


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"randomness": {"seed": None}}, r"randomness.seed is None.*--seed 0"),
        ({"persistent_workers": True}, r"persistent_workers=True.*False"),
    ],
)
def test_refuses_what_cannot_be_resumed_exactly(changes, message, tmp_path):
    cfg = config(tmp_path, experiment_name=f"refused_{len(message)}")
    if changes.pop("persistent_workers", False):
        cfg["train_dataloader"]["persistent_workers"] = True
    with pytest.raises(ValueError, match=message):
        Runner(**{**cfg, **changes}).train()


def test_refuses_to_resume_with_another_seed(tmp_path):
    cfg = config(tmp_path, train_cfg={"by_epoch": True, "max_epochs": 1})
    cfg["train_dataloader"]["num_workers"] = 0
    Runner(**cfg, experiment_name="seed_3").train()
    cfg.update(randomness={"seed": 4}, resume=True, experiment_name="seed_4")
    with pytest.raises(ValueError, match=r"trained with seed 3 .* is 4: resume with --seed 3"):
        Runner(**cfg).train()


def test_replaces_only_mmengines_worker_function(tmp_path):
    cfg = config(tmp_path, experiment_name="worker_function", val_cfg=None)
    cfg.update(val_dataloader=None, val_evaluator=None)
    cfg["default_hooks"]["checkpoint"].pop("save_best")
    cfg["train_cfg"] = {"by_epoch": True, "max_epochs": 1}
    runner = Runner(**cfg)
    runner.train()
    assert runner.train_dataloader.worker_init_fn is seed_worker
