"""What every config lets training see.

`WSOLDataset.reads_truth` is the one gate before boxes and masks; tests/datasets proves that each
data set honours it with its box files removed.
"""

from pathlib import Path

import pytest
from mmengine.registry import DATASETS, DefaultScope

from wsol_mm.evaluation.protocols import ALIASES, PROTOCOLS

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
RUNNABLE = sorted(
    path.relative_to(CONFIGS).as_posix()
    for path in CONFIGS.rglob("*.py")
    if not path.relative_to(CONFIGS).parts[0].startswith("_")
)


def dataset(cfg, split):
    settings = cfg[f"{split}_dataloader"].dataset.to_dict()
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        return DATASETS.build({**settings, "lazy_init": True})


@pytest.mark.parametrize("name", RUNNABLE)
def test_training_sees_what_the_config_says(name, load_config):
    cfg = load_config(name)
    train = dataset(cfg, "train")
    assert train.split == "train"
    assert not train.test_mode
    # Localizers are MMPretrain classifiers of image labels, detectors learn from a file of boxes.
    expected = "image" if cfg.default_scope == "mmpretrain" else "pseudo_boxes"
    expected = "boxes" if name.endswith("_oracle.py") else expected
    assert train.supervision == expected
    assert train.reads_truth == (expected == "boxes")
    assert (train.pseudo_boxes is not None) == (expected == "pseudo_boxes")
    steps = [step["type"].split(".")[-1] for step in cfg.train_dataloader.dataset.pipeline]
    assert "LoadMasks" not in steps
    assert ("LoadAnnotations" in steps) == (cfg.default_scope == "mmdet")


@pytest.mark.parametrize("name", RUNNABLE)
def test_selection_reads_val_and_test_is_only_reported(name, load_config):
    cfg = load_config(name)
    assert dataset(cfg, "val").split == "val"
    test = dataset(cfg, "test")
    assert test.split == "test"
    assert test.reads_truth
    protocol = cfg.test_evaluator.get("protocol", "wsolevaluation")
    name = protocol if isinstance(protocol, str) else protocol["name"]
    assert name in {*PROTOCOLS, *ALIASES}
    # an author's protocol brings its own rule
    if cfg.default_scope == "mmpretrain" and name in ("wsolevaluation", "original"):
        assert cfg.test_evaluator.threshold == "val"
