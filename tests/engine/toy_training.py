"""A small stochastic training run that can be killed at a chosen moment, for the engine's tests.

Random crop, flip and noise from all three random streams in data workers, dropout and batch norm in
the model, validation and a best checkpoint: everything that makes an exact resume hard.
"""

import hashlib
import json
import os
import random
import signal
from pathlib import Path

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmengine.fileio import LocalBackend
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, METRICS, MODELS
from mmengine.runner import Runner
from torch import nn

from wsol_mm.engine import (
    AtomicCheckpointHook,
    SeedHook,
    StrictCheckpointHook,
    checkpoint_hook,
)

EPOCHS, BATCHES, BATCH_SIZE = 3, 4, 4


@DATASETS.register_module()
class ToyScenes(torch.utils.data.Dataset):
    """Fixed images; a random crop, flip and noise at training."""

    metainfo = {"classes": ("dark", "bright")}

    def __init__(self, train: bool = True) -> None:
        generator = torch.Generator().manual_seed(1)
        self.images = torch.randn(BATCHES * BATCH_SIZE, 3, 12, 12, generator=generator)
        self.train = train

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> dict:
        image, top, left = self.images[index], 2, 2
        if self.train:
            top, left = np.random.randint(0, 5, 2)
            image = image + 0.1 * torch.randn(image.shape)
            image = image.flip(-1) if random.random() < 0.5 else image
        return {"image": image[:, top : top + 8, left : left + 8], "label": index % 2}


@MODELS.register_module()
class ToyNet(BaseModel):
    """Convolution, optional batch norm and dropout, one linear layer."""

    def __init__(self, stochastic: bool = True) -> None:
        super().__init__()
        layers = [nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        if stochastic:
            layers[1:1] = [nn.BatchNorm2d(8), nn.Dropout2d(0.3)]
        self.layers = nn.Sequential(*layers, nn.Linear(8, 2))

    def forward(self, image, label, mode="tensor"):
        logits = self.layers(image)
        if mode == "loss":
            return {"loss": nn.functional.cross_entropy(logits, label)}
        return [{"logits": row} for row in logits]


@METRICS.register_module()
class ToyMargin(BaseMetric):
    """A number that depends on the weights: minus the mean absolute logit."""

    default_prefix = "wsol"

    def process(self, data_batch, data_samples):
        self.results += [row["logits"].abs().mean().item() for row in data_samples]

    def compute_metrics(self, results):
        return {"margin": float(np.mean(results))}


class Killer(Hook):
    """SIGKILL this process in training iteration ``iteration`` or in a validation."""

    priority = "LOWEST"

    def __init__(self, moment: str, count: int) -> None:
        self.moment, self.count = moment, count

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if self.moment == "iteration" and runner.iter == self.count:
            die()

    def before_val_iter(self, runner, batch_idx, data_batch=None):
        if self.moment == "validation" and runner.epoch == self.count and batch_idx == 1:
            die()


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def kill_at(moment: str, count: int) -> None:
    """Die inside the file operations of the checkpoint hook; ``count`` counts from 1."""
    seen = 0

    def now() -> bool:
        nonlocal seen
        seen += 1
        return seen == count

    put, write = LocalBackend.put, checkpoint_hook.atomic_write
    remove = AtomicCheckpointHook._remove

    def half_put(self, content, path):
        if now():
            Path(path).write_bytes(content[: len(content) // 2])
            die()
        put(self, content, path)

    def write_before_marker(path):
        if Path(path).name == "last_checkpoint" and now():
            die()
        return write(path)

    def no_remove(self, runner, names):
        if names and now():
            die()
        remove(self, runner, names)

    if moment == "saving":
        LocalBackend.put = half_put
    elif moment == "marker":
        checkpoint_hook.atomic_write = write_before_marker
    elif moment == "removing":
        AtomicCheckpointHook._remove = no_remove


def config(work_dir: Path, **changes) -> dict:
    """Runner arguments."""
    loader = {"batch_size": BATCH_SIZE, "num_workers": 2, "collate_fn": {"type": "default_collate"}}
    hooks = {
        "checkpoint": {
            "type": AtomicCheckpointHook,
            "interval": 1,
            "max_keep_ckpts": 1,
            "save_best": "wsol/margin",
        },
        "seed": {"type": SeedHook},
        "strict_checkpoint": {"type": StrictCheckpointHook},
    }
    cfg = {
        "model": {"type": "ToyNet"},
        "work_dir": str(work_dir),
        "train_dataloader": {
            **loader,
            "dataset": {"type": "ToyScenes"},
            "sampler": {"type": "DefaultSampler", "shuffle": True},
        },
        "val_dataloader": {
            **loader,
            "num_workers": 0,
            "dataset": {"type": "ToyScenes", "train": False},
            "sampler": {"type": "DefaultSampler", "shuffle": False},
        },
        "train_cfg": {"by_epoch": True, "max_epochs": EPOCHS, "val_interval": 1},
        "val_cfg": {},
        "val_evaluator": {"type": "ToyMargin"},
        "optim_wrapper": {"optimizer": {"type": "SGD", "lr": 0.2, "momentum": 0.9}},
        "param_scheduler": [
            {"type": "LinearLR", "start_factor": 0.1, "by_epoch": False, "end": 3},
            {"type": "MultiStepLR", "milestones": [1], "by_epoch": True},
        ],
        "default_hooks": hooks,
        "randomness": {"seed": 3},
        "log_level": "ERROR",
    }
    cfg.update(changes)
    return cfg


def digest(runner: Runner) -> str:
    """One hash over weights, buffers and optimizer state."""
    state = {**runner.model.state_dict()}
    for number, entry in runner.optim_wrapper.state_dict()["state"].items():
        state |= {f"{number}.{key}": value for key, value in entry.items()}
    sha = hashlib.sha256()
    for key in sorted(state):
        sha.update(key.encode() + torch.as_tensor(state[key]).numpy().tobytes())
    return sha.hexdigest()


def train(work_dir: Path, moment: str = "", count: int = 0, **changes) -> None:
    """Train; write ``result.json`` with the hash of the final state unless killed before."""
    torch.set_num_threads(1)
    cfg = config(Path(work_dir), **changes)
    kill_at(moment, count)
    if moment:
        cfg["custom_hooks"] = [Killer(moment, count)]
    runner = Runner(**cfg)
    runner.train()
    result = {
        "digest": digest(runner),
        "best": {
            key: value
            for key, value in runner.message_hub.runtime_info.items()
            if key == "best_score"
        },
    }
    (Path(work_dir) / "result.json").write_text(json.dumps(result))
