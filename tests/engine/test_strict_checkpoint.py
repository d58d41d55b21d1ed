"""Loading a checkpoint builds data and runs nothing."""

import os
import pickle
import urllib.error
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer, MessageHub
from mmengine.model import BaseModel
from mmengine.runner import CheckpointLoader, Runner, load_checkpoint
from toy_training import config, digest

from wsol_mm.engine import (
    UnavailableCheckpointError,
    UntrustedCheckpointError,
    read_checkpoint,
    strict_checkpoint,
    use_strict_checkpoints,
)


class Canary:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


class GetattrCanary(Canary):
    """Asks for another attribute through the ``getattr`` that mmengine's pickles use."""

    def __reduce__(self):
        return getattr, (HistoryBuffer, "__init__")


@pytest.fixture
def strict():
    saved = dict(CheckpointLoader._schemes)
    use_strict_checkpoints()
    yield
    CheckpointLoader._schemes = saved


def test_a_pickle_that_runs_code_is_refused(strict, tmp_path):
    bad, canary = tmp_path / "bad.pth", tmp_path / "canary"
    torch.save({"state_dict": {"w": torch.ones(2)}, "meta": {"x": Canary(canary)}}, bad)
    with pytest.raises(UntrustedCheckpointError, match=r"system.*--trust-checkpoint"):
        CheckpointLoader.load_checkpoint(str(bad))
    assert not canary.exists()
    use_strict_checkpoints(trust=True)
    CheckpointLoader.load_checkpoint(str(bad))
    assert canary.exists()  # the file was dangerous indeed


def test_getattr_reaches_the_statistics_only(tmp_path):
    torch.save({"x": GetattrCanary(None)}, tmp_path / "bad.pth")
    with pytest.raises(UntrustedCheckpointError, match="getattr"):
        read_checkpoint(tmp_path / "bad.pth")


def test_downloads_are_strict_too(strict, tmp_path, monkeypatch):
    """mmengine unpickles every download; ours come through the same reader."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    canary = tmp_path / "canary"
    torch.save({"x": Canary(canary)}, tmp_path / "checkpoints" / "resnet50-0676ba61.pth")
    for name in (
        "https://download.pytorch.org/models/resnet50-0676ba61.pth",
        "torchvision://resnet50",
    ):
        with pytest.raises(UntrustedCheckpointError, match="refused"):
            CheckpointLoader.load_checkpoint(name)
    with pytest.raises(UnavailableCheckpointError, match="download the file"):
        CheckpointLoader.load_checkpoint("s3://bucket/x.pth")
    assert not canary.exists()


def test_an_unreachable_download_names_the_ways_out(strict, tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise urllib.error.URLError("no route")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(strict_checkpoint.urllib.request, "urlopen", refuse)
    with pytest.raises(UnavailableCheckpointError, match=r"no route.*--no-pretrained") as caught:
        CheckpointLoader.load_checkpoint("https://example.org/weights.pth")
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.rglob("*.pth"))


def test_a_download_is_kept_whole(strict, tmp_path, monkeypatch):
    torch.save({"w": torch.ones(3)}, tmp_path / "source.pth")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    address = (tmp_path / "source.pth").as_uri()
    target = strict_checkpoint._download(address)
    assert target.read_bytes() == (tmp_path / "source.pth").read_bytes()
    assert read_checkpoint(target)["w"].sum() == 3


@pytest.mark.parametrize("name", ["missing.pth", "torchvision://no_such_net"])
def test_a_missing_checkpoint_is_one_line(strict, name):
    with pytest.raises(UnavailableCheckpointError) as caught:
        CheckpointLoader.load_checkpoint(name)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_truncated_file_is_called_unreadable(tmp_path):
    torch.save({"w": torch.ones(1000)}, tmp_path / "whole.pth")
    content = (tmp_path / "whole.pth").read_bytes()
    for name, part in (("half.pth", content[:2000]), ("text.pth", b"hello"), ("empty.pth", b"")):
        (tmp_path / name).write_bytes(part)
        with pytest.raises(UnavailableCheckpointError, match="not a readable checkpoint"):
            read_checkpoint(tmp_path / name)


def test_numbers_that_land_in_checkpoints_are_read(tmp_path):
    content = {
        "buffer": HistoryBuffer([1.0, 2.0], [1, 1]),
        "scalars": [np.float32(1), np.float64(2), np.int64(3), np.int32(4), np.bool_(True)],
        "arrays": [np.ones(2, dtype) for dtype in ("u1", "f4", "f8", "i8", "?")],
    }
    torch.save(content, tmp_path / "x.pth")
    read = read_checkpoint(tmp_path / "x.pth")
    assert read["scalars"] == content["scalars"]
    assert [array.dtype for array in read["arrays"]] == [array.dtype for array in content["arrays"]]
    assert read["buffer"].mean() == 1.5
    assert read["buffer"].statistics("max") == 2


def test_numpy_1_names_are_read(tmp_path):
    torch.save({"x": np.float64(2)}, tmp_path / "x.pth", pickle_module=_NumpyOneNames)
    assert b"numpy.core.multiarray" in (tmp_path / "x.pth").read_bytes()
    assert read_checkpoint(tmp_path / "x.pth")["x"] == 2


class _NumpyOneNames:
    """A pickle module whose output names numpy's modules as numpy 1 did."""

    class Pickler(pickle._Pickler):
        def save_global(self, obj, name=None):
            if getattr(obj, "__module__", "") == "numpy._core.multiarray":
                self.write(pickle.GLOBAL + f"numpy.core.multiarray\n{obj.__name__}\n".encode())
                self.memoize(obj)
            else:
                super().save_global(obj, name)

    @staticmethod
    def dumps(obj, protocol=2):
        return pickle.dumps(obj, protocol)


def test_own_checkpoints_resume_and_their_config_is_not_executed(strict, tmp_path):
    """Model, optimizer, schedulers and message hub come back; meta['config'] is dropped."""
    cfg = config(tmp_path / "first", train_cfg={"by_epoch": True, "max_epochs": 1})
    cfg["train_dataloader"]["num_workers"] = 0
    first = Runner(**cfg)
    first.train()
    newest = Path((tmp_path / "first" / "last_checkpoint").read_text())
    canary = tmp_path / "canary"
    content = read_checkpoint(newest)
    assert {"state_dict", "optimizer", "param_schedulers", "message_hub"} <= content.keys()
    content["meta"]["config"] = f"import os\nos.system('touch {canary}')\n"
    torch.save(content, tmp_path / "poisoned.pth")

    cfg.update(work_dir=str(tmp_path / "second"), resume=True)
    cfg.update(load_from=str(tmp_path / "poisoned.pth"), experiment_name="resumed")
    MessageHub.get_instance("resumed")
    second = Runner(**cfg)
    second.train()
    assert digest(second) == digest(first)
    assert second.message_hub.get_scalar("train/loss").data[0].size
    assert not canary.exists()


def test_init_cfg_of_a_model_uses_the_strict_loader(strict, tmp_path):
    class Net(BaseModel):
        def forward(self):
            raise NotImplementedError

    torch.save({"state_dict": {}, "x": Canary(tmp_path / "canary")}, tmp_path / "bad.pth")
    with pytest.raises(UntrustedCheckpointError):
        load_checkpoint(Net(), str(tmp_path / "bad.pth"))
    net = Net(init_cfg={"type": "Pretrained", "checkpoint": str(tmp_path / "bad.pth")})
    with pytest.raises(UntrustedCheckpointError):
        net.init_weights()
    assert not (tmp_path / "canary").exists()
