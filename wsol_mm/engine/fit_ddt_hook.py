"""Computes DDT's components from the training images, or from those of the test themselves."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dataset import default_collate
from mmengine.dist import all_reduce, barrier, get_rank, get_world_size
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.registry import DATASETS
from mmengine.runner import Runner
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from wsol_mm.engine.token_cache import weights_sha256
from wsol_mm.functional.ddt import (
    Extent,
    Moments,
    oriented,
    principal_component,
    update_extent,
    update_moments,
)
from wsol_mm.io import atomic_write
from wsol_mm.registry import HOOKS


@HOOKS.register_module()
class FitDDTHook(Hook):
    """Fit the ``wsol_mm.DDTHead`` of a model, class by class, in constant memory.

    DDT is of Wei et al., Pattern Recognition 2019.

    Runs after each training epoch, before the checkpoint is written, and does nothing where the
    head is fitted to these weights, views and images already: with a frozen backbone, after the
    first epoch alone. It reads the images and labels of the training split. Ranks share the
    classes; finished ones are kept in ``<work_dir>/ddt`` until all are, so a killed run continues.

    With ``split='test'`` the set of images that DDT co-localizes is that of the test, as in the
    paper: their labels are read before the test, and nothing is trained. Only numbers that are
    given the class, GT-known say, are then those of a method that knows no test label.

    Args:
        pipeline: How the images are seen, as in the test: no augmentation, no annotations.
        batch_size: Images per step.
        split: Whose images: ``train`` or ``test``.

    Raises:
        ValueError: An unknown split; before training or a fit, if the model has no such head;
            before a test, if it is not fitted.
    """

    # before CheckpointHook, which is VERY_LOW
    priority = "NORMAL"

    def __init__(
        self, pipeline: Sequence[dict], batch_size: int = 32, split: str = "train"
    ) -> None:
        if split not in ("train", "test"):
            raise ValueError(f"FitDDTHook: split must be 'train' or 'test', got {split!r}")
        self.pipeline = list(pipeline)
        self.batch_size = batch_size
        self.split = split

    def before_train(self, runner: Runner) -> None:
        """Check the head before time is spent."""
        head = _bare(runner.model).head
        if not hasattr(head, "components"):
            raise ValueError(
                f"FitDDTHook: {type(head).__name__} has nothing to fit; set "
                "model.head.type='wsol_mm.DDTHead' or leave out the hook"
            )

    def before_test(self, runner: Runner) -> None:
        """Fit to the images of the test, or refuse a head that was never fitted."""
        if self.split == "test":
            self.before_train(runner)
            self._fit_to(runner.cfg.test_dataloader, runner)
        if not _bare(runner.model).head.fitted.any():
            raise ValueError(
                "the checkpoint's DDT components are not fitted: train at least one epoch with "
                "wsol_mm.FitDDTHook in custom_hooks"
            )

    def after_train_epoch(self, runner: Runner) -> None:
        """Fit, unless the head is fitted to what would come in."""
        if self.split == "train":
            self._fit_to(runner.cfg.train_dataloader, runner)

    def _fit_to(self, loader: Any, runner: Runner) -> None:
        model = _bare(runner.model)
        settings = loader.dataset.to_dict()
        dataset = DATASETS.build({**settings, "pipeline": self.pipeline})
        key = self.key(runner, model, dataset)
        if key == bytes(model.head.fitted.tolist()):
            return
        training = model.training
        model.eval()
        try:
            self.fit(model, dataset, Path(runner.work_dir) / "ddt" / key.hex()[:16], runner)
        finally:
            model.train(training)
        model.head.fitted.copy_(torch.tensor(list(key), dtype=torch.uint8))

    def key(self, runner: Runner, model: Any, dataset: Any) -> bytes:
        """What the components depend on, as a SHA-256."""
        images = [
            (info["img_id"], info["gt_label"])
            for info in map(dataset.get_data_info, range(len(dataset)))
        ]
        origin = {
            "weights": weights_sha256(model.backbone),
            "backbone": repr(sorted(runner.cfg.model["backbone"].items())),
            "preprocessor": repr(sorted(runner.cfg.get("data_preprocessor", {}).items())),
            "pipeline": repr(self.pipeline),
            "sign": model.head.sign,
            "images": images,
        }
        return hashlib.sha256(json.dumps(origin).encode()).digest()

    def fit(self, model: Any, dataset: Dataset, folder: Path, runner: Runner) -> None:
        """Compute means and components of all classes into the head's buffers.

        Args:
            model: The classifier, in eval mode.
            dataset: Training images as the test would see them.
            folder: Of the finished classes; removed when all are done.
            runner: Gives the number of workers.
        """
        head = model.head
        classes: dict[int, list[int]] = {}
        for index in range(len(dataset)):
            classes.setdefault(dataset.get_data_info(index)["gt_label"], []).append(index)
        mine = sorted(classes)[get_rank() :: get_world_size()]
        todo = {label: classes[label] for label in mine if not _part(folder, label).is_file()}
        passes = 2 if head.sign == "extreme" else 1
        batches = [
            indices[start : start + self.batch_size]
            for indices in todo.values()
            for _ in range(passes)
            for start in range(0, len(indices), self.batch_size)
        ]
        loader = DataLoader(
            dataset,
            batch_sampler=batches,
            num_workers=getattr(runner, f"{self.split}_dataloader").num_workers,
            collate_fn=default_collate,
            generator=torch.Generator(),  # leaves the global stream alone
        )
        stream = iter(_features(model, loader))
        for label, indices in todo.items():
            count = -(-len(indices) // self.batch_size)
            mean, component = _fit_class(head, lambda n=count: (next(stream) for _ in range(n)))
            with atomic_write(_part(folder, label)) as temporary:
                np.save(temporary, torch.stack([mean, component]).cpu().numpy())
        for buffer in (head.means, head.components):
            buffer.zero_()
        for label in mine:
            pair = torch.from_numpy(np.load(_part(folder, label)))
            head.means[label], head.components[label] = pair.to(head.means)
        for buffer in (head.means, head.components):
            # the other ranks' classes are zero here
            all_reduce(buffer)
        if get_rank() == 0 and folder.is_dir():
            shutil.rmtree(folder)
        barrier()


def _fit_class(head: Any, features: Callable[[], Iterator[Tensor]]) -> tuple[Tensor, Tensor]:
    """Mean and oriented component of one class; ``features`` gives its maps, from the start."""
    moments = Moments.empty(head.in_channels, head.means.device)
    for values in features():
        moments = update_moments(moments, values)
    mean, component = principal_component(moments)
    extent = None
    if head.sign == "extreme":
        extent = Extent()
        for values in features():
            extent = update_extent(extent, values, mean, component)
    return mean, oriented(component, moments, extent, head.sign)


@torch.no_grad()
def _features(model: Any, loader: DataLoader) -> Iterator[Tensor]:
    """Feature maps that the head projects, one batch at a time."""
    for batch in tqdm(loader, desc="DDT", leave=False, disable=get_rank() != 0):
        inputs = model.data_preprocessor(batch, False)["inputs"]
        yield model.head.pre_logits(model.extract_feat(inputs)).float()


def _part(folder: Path, label: int) -> Path:
    return folder / f"{label}.npy"


def _bare(model: Any) -> Any:
    return model.module if is_model_wrapper(model) else model
