"""Fills the cache of tokens before the heads train."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dataset import default_collate
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from wsol_mm.engine.token_cache import fill_token_cache, weights_sha256
from wsol_mm.registry import HOOKS


@HOOKS.register_module()
class TokenCacheHook(Hook):
    """Run the frozen backbone once over every view of the training images, and keep what it gives.

    The training pipeline starts with :class:`wsol_mm.FixedViews`, whose ``tokens`` is the folder;
    the model is a :class:`wsol_mm.FrozenClassifier`. The key under which a cache is found again
    holds the backbone's weights and config, taps, preprocessing, views and the list of images.
    Values are float32. All ranks share the work; a killed run continues.

    Raises:
        ValueError: Before training, if the pipeline or model is another, or the folder holds
            tokens of another key.
    """

    def before_train(self, runner: Runner) -> None:
        """Fill the cache where it is not full."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        loader = runner.train_dataloader
        transforms = loader.dataset.pipeline.transforms
        views = transforms[0] if transforms else None
        if getattr(views, "tokens", None) is None:
            raise ValueError(
                "TokenCacheHook: the training pipeline must start with wsol_mm.FixedViews and name "
                "a folder in its tokens; or leave out the hook"
            )
        if not hasattr(model, "pooled_tokens"):
            raise ValueError(
                f"TokenCacheHook: {type(model).__name__} trains its backbone; set "
                "model.type='wsol_mm.FrozenClassifier'"
            )
        folder = Path(views.tokens)
        rows = len(loader.dataset) * views.views
        compute = partial(_compute, model, loader)
        if made := fill_token_cache(folder, self.key(runner, model, views), rows, compute):
            runner.logger.info(f"{folder}: {made} of {rows} rows of tokens made by this process")

    def key(self, runner: Runner, model: Any, views: Any) -> dict[str, Any]:
        """What the tokens depend on."""
        dataset = runner.train_dataloader.dataset
        names = "\n".join(dataset.get_data_info(i)["img_id"] for i in range(len(dataset)))
        backbone = {k: v for k, v in runner.cfg.model["backbone"].items() if k != "init_cfg"}
        return {
            "backbone": repr(sorted(backbone.items())),
            "weights_sha256": weights_sha256(model.backbone),
            "pooling": type(model.head).pre_logits.__qualname__,
            "extra_tokens": model.head.extra_tokens,
            "taps": list(model.taps.values()),
            "preprocessor": repr(sorted(runner.cfg.get("data_preprocessor", {}).items())),
            "transforms": repr(views.configs),
            "views": views.views,
            "seed": views.seed,
            "images_sha256": hashlib.sha256(names.encode()).hexdigest(),
        }


class _Rows(Dataset):
    """Packed images of some rows; a row is a view of an image."""

    def __init__(self, dataset: Any, rows: Sequence[int]) -> None:
        self.dataset, self.rows = dataset, rows
        self.views = dataset.pipeline.transforms[0].views

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, number: int) -> dict[str, Any]:
        index, view = divmod(self.rows[number], self.views)
        info = self.dataset.get_data_info(index)
        return self.dataset.pipeline({**info, "view": view})


def _compute(model: Any, loader: DataLoader, rows: Sequence[int]) -> NDArray[np.float32]:
    """Tokens of some rows."""
    batches = DataLoader(
        _Rows(loader.dataset, rows),
        batch_size=loader.batch_sampler.batch_size,
        num_workers=loader.num_workers,
        collate_fn=default_collate,
        generator=torch.Generator(),  # leaves the global stream alone
    )
    training = model.training
    model.eval()
    pooled = []
    for batch in tqdm(batches, desc=f"tokens from {rows[0]}", leave=False):
        inputs = model.data_preprocessor(batch, False)["inputs"]
        pooled.append(model.pooled_tokens(inputs).float().cpu())
    model.train(training)
    return torch.cat(pooled).numpy()
