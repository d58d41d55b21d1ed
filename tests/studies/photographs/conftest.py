"""A bench on toy scenes whose CAM is trained, as far as a file of random weights is a training."""

import pytest
import torch
from mmengine.registry import MODELS, DefaultScope

from studies.harness.run import trial_folder
from studies.harness.store import keep
from studies.harness.trial import resolved_config
from studies.photographs.rows import Bench, Row
from tools.dataset_converters import make_toy
from wsol_mm.datasets.toy import ToyScenes  # noqa: F401 - registered

NARROW = {"model.backbone.base_channels": 4, "model.head.in_channels": 32}
TOY = "configs/{}/resnet18_toy.py"
ROWS = (Row("CAM", TOY.format("cam"), NARROW), Row("BridgeGap", TOY.format("bridgegap"), NARROW))


@pytest.fixture
def bench(tmp_path):
    sizes = ["--train", "6", "--val", "6", "--test", "12", "--size", "64"]
    make_toy.main(["--out", str(tmp_path / "data/toy"), *sizes])
    bench = Bench("toy scenes", "toy", ROWS)
    trial = bench.trial(ROWS[0], 0, tmp_path / "data")
    folder = trial_folder(trial, tmp_path) / "train"
    folder.mkdir(parents=True)
    cfg = resolved_config(trial)
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        torch.manual_seed(0)
        model = MODELS.build(cfg.model.to_dict())
    torch.save({"state_dict": model.state_dict(), "meta": {}}, folder / "epoch_1.pth")
    (folder.parent / "trained.json").write_text("{}")
    (folder / "last_checkpoint").write_text(str(folder / "epoch_1.pth"))
    result = {"metrics": {}, "stamp": {"threshold": {"value": 0.3}}}
    keep(tmp_path / "kept/toy.jsonl", [(trial, result)])
    return bench
