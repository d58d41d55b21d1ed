"""Shared by the tests of configs."""

from copy import deepcopy
from functools import cache, partial
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

import wsol_mm.registry  # noqa: F401  (lets configs name `wsol_mm::` bases)

CONFIGS = Path(__file__).resolve().parents[2] / "configs"


@cache
def _load(path: str) -> Config:
    return Config.fromfile(CONFIGS / path)


@pytest.fixture(scope="session")
def load_config():
    """A config of one's own, parsed once: a path relative to ``configs/`` or an absolute one.

    A copy, because building a model writes into its config.
    """
    return lambda name: deepcopy(_load(name))


@pytest.fixture
def meta_device(monkeypatch):
    """Context in which modules of any size cost nothing: shapes without storage."""
    # ResNet reads its stochastic-depth rates back from a tensor
    monkeypatch.setattr(torch, "linspace", partial(torch.linspace, device="cpu"))
    return torch.device("meta")
