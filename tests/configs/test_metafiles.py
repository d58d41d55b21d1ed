"""Metafiles say of every config how many parameters it trains, and for how long."""

import json
from pathlib import Path

import pytest
import yaml
from mmengine.registry import MODELS, DefaultScope

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
LISTED = [
    entry
    for path in sorted(CONFIGS.glob("*/metafile.yml"))
    for entry in yaml.safe_load(path.read_text())["Models"]
]


# Configs that differ in data or schedule have one network.
COUNTS = {}


def parameters(cfg, device):
    """Parameters of a config's network, its teachers' aside."""
    key = json.dumps(cfg.model.to_dict(), sort_keys=True)
    if key not in COUNTS:
        with device, DefaultScope.overwrite_default_scope(cfg.default_scope):
            named = MODELS.build(cfg.model).named_parameters()
        own = [parameter for name, parameter in named if not name.startswith("teachers.")]
        COUNTS[key] = sum(parameter.numel() for parameter in own)
    return COUNTS[key]


@pytest.mark.parametrize("entry", LISTED, ids=lambda entry: entry["Name"])
def test_parameters_and_epochs(entry, load_config, meta_device):
    cfg = load_config(entry["Config"].removeprefix("configs/"))
    stated = entry["Metadata"]
    assert stated["Parameters"] == parameters(cfg, meta_device)
    assert stated["Epochs"] == cfg.train_cfg.max_epochs
