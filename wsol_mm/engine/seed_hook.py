"""Random streams that depend on (seed, epoch, rank) alone, so that a resumed run is exact."""

from __future__ import annotations

import random
from functools import partial

import numpy as np
import torch
from mmengine.dataset import worker_init_fn as mmengine_worker_init_fn
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, Runner

from wsol_mm.registry import HOOKS


def seed_everything(seed: int, epoch: int, rank: int) -> None:
    """Seed ``random``, numpy and torch (CPU and CUDA) from one triple.

    Args:
        seed: Seed of the run, at least 0.
        epoch: Epoch that is about to start, from 0.
        rank: Rank of this process.

    Examples:
        >>> seed_everything(0, 3, 0)
        >>> first = (random.random(), np.random.rand(), torch.rand(()).item())
        >>> seed_everything(0, 3, 0)
        >>> first == (random.random(), np.random.rand(), torch.rand(()).item())
        True
        >>> seed_everything(0, 4, 0)
        >>> first[1] == np.random.rand()
        False
    """
    words = np.random.SeedSequence([seed, epoch, rank]).generate_state(6)
    random.seed(words[:2].tobytes())
    np.random.seed(words[2:4])
    torch.manual_seed(int(words[4]) << 32 | int(words[5]))


def seed_worker(worker_id: int) -> None:
    """Seed the global ``random`` and numpy streams of a data worker from its torch seed.

    The torch seed of a worker is drawn anew by the data loader whenever its workers start, so
    workers that do not persist get another stream each epoch. mmengine's own function seeds them
    from the seed of the run, which repeats the same augmentations in every epoch. :class:`SeedHook`
    installs this one; a data loader without that hook names it itself:
    ``worker_init_fn=dict(type='wsol_mm.engine.seed_worker')``.

    Args:
        worker_id: Number of the worker; the torch seed contains it already.
    """
    words = np.random.SeedSequence([torch.initial_seed(), worker_id]).generate_state(4)
    random.seed(words[:2].tobytes())
    np.random.seed(words[2:])


@HOOKS.register_module()
class SeedHook(Hook):
    """Make a killed and resumed run equal to an uninterrupted one, hash for hash.

    Before every training epoch the random streams are seeded from (seed, epoch, rank), and the
    training data loader's workers from that (:func:`seed_worker`). mmengine saves no random state,
    so without this hook dropout and augmentation differ after a resume.

    Raises:
        ValueError: Before training, if a condition of exactness does not hold:
            ``randomness.seed`` is None, or not the one of the checkpoint to resume from (the
            sampler was built with the former); or the training data loader keeps its workers
            (``persistent_workers=True``), whose streams then depend on when the run started.
    """

    priority = "VERY_HIGH"

    def before_run(self, runner: Runner) -> None:
        """Remember the seed that the sampler was built with."""
        self._seed = runner._randomness_cfg.get("seed")

    def before_train(self, runner: Runner) -> None:
        """Check what exactness needs, and seed the workers."""
        if self._seed is None:
            raise ValueError(
                "randomness.seed is None, so a resumed run could not repeat this one: set a "
                "number, e.g. --seed 0 (or remove default_hooks.seed)"
            )
        if runner.seed != self._seed:
            raise ValueError(
                f"the checkpoint was trained with seed {runner.seed} and randomness.seed is "
                f"{self._seed}: resume with --seed {runner.seed}"
            )
        loader = runner.train_dataloader
        if loader.num_workers > 0 and loader.persistent_workers:
            raise ValueError(
                "train_dataloader.persistent_workers=True makes resuming inexact: set it to False "
                "(or remove default_hooks.seed)"
            )
        if not isinstance(runner.train_loop, EpochBasedTrainLoop):
            runner.logger.warning(
                "SeedHook seeds at epochs: with an iteration-based loop a resumed run differs "
                "from an uninterrupted one"
            )
        init = loader.worker_init_fn
        if init is None or (isinstance(init, partial) and init.func is mmengine_worker_init_fn):
            loader.worker_init_fn = seed_worker

    def before_train_epoch(self, runner: Runner) -> None:
        """Seed this process's streams; workers start after this call and follow them."""
        epoch_based = isinstance(runner.train_loop, EpochBasedTrainLoop)
        seed_everything(self._seed, runner.epoch if epoch_based else runner.iter, get_rank())
