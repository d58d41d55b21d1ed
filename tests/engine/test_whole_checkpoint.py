"""A checkpoint of another network is refused; what a partial one leaves out is said."""

import pytest
import torch
from mmengine.runner import Runner
from mmengine.runner import checkpoint as mmengine_checkpoint
from torch import nn
from toy_training import config

from wsol_mm.engine import (
    CheckpointError,
    UnfitCheckpointError,
    load_checkpoint,
    load_whole,
    use_strict_checkpoints,
)
from wsol_mm.engine.whole_checkpoint import Fit, initial_parameters, load_state


def net(classes=3):
    return nn.ModuleDict(
        {
            "body": nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)),
            "head": nn.Linear(4, classes),
        }
    )


def test_the_same_network_fits_with_or_without_a_wrapper_and_old_batch_norm():
    source, target = net(), net()
    state = {f"module.{key}": value for key, value in source.state_dict().items()}
    del state["module.body.1.num_batches_tracked"]
    load_whole(target, {"state_dict": state}, "x.pth")
    for key, value in source.state_dict().items():
        assert torch.equal(target.state_dict()[key], value)
    assert initial_parameters(target) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda s: s.update(net(5).state_dict(prefix="")),
            r"2 of another shape \(head.weight \(5, 4; here 3, 4\), head.bias \(5; here 3\)\);",
        ),
        (
            lambda s: [s.pop(key) for key in list(s) if key.startswith("body")],
            r"6 missing \(body.0.weight, body.0.bias, body.1.weight, ...\);",
        ),
        (lambda s: s.update({"neck.w": torch.ones(1)}), r"1 unexpected \(neck.w\);"),
        (lambda s: s.clear(), "x.pth holds no weights: expected a state dict"),
    ],
)
def test_another_network_is_refused_with_counts_and_names(change, message):
    state = net().state_dict()
    change(state)
    with pytest.raises(UnfitCheckpointError, match=message) as caught:
        load_whole(net(), state, "x.pth")
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("x.pth ")


@pytest.mark.parametrize("content", [None, [1], {}, {"state_dict": {}}, {"meta": 1}, "text"])
def test_a_file_without_weights_is_refused(content):
    with pytest.raises(UnfitCheckpointError, match=r"x.pth holds no weights"):
        load_whole(net(), content, "x.pth")


def test_named_prefixes_may_miss_on_either_side_but_shapes_must_fit():
    state = net().state_dict()
    del state["head.weight"]
    state["neck.w"] = torch.ones(1)
    target = net()
    with pytest.raises(UnfitCheckpointError, match=r": 1 unexpected \(neck.w\); give"):
        load_whole(target, state, "x.pth", allow_missing=("head",))
    load_whole(target, state, "x.pth", allow_missing=("head.", "neck."))
    assert initial_parameters(target) == ["head.weight"]
    with pytest.raises(UnfitCheckpointError, match="2 of another shape"):
        load_whole(net(5), net().state_dict(), "x.pth", allow_missing=("head",))


def test_split_keeps_shapes_and_parts_the_rest():
    fit = Fit(("a.w (1; here 2)",), ("a.b", "c.d"), ("a.e", "f"))
    left, allowed = fit.split(("a",))
    assert left == Fit(("a.w (1; here 2)",), ("c.d",), ("f",))
    assert allowed == Fit((), ("a.b",), ("a.e",))
    assert fit.split(())[0] == fit
    assert Fit()
    assert not fit


def test_renaming_hooks_of_modules_are_obeyed():
    class Renamed(nn.Linear):
        def _load_from_state_dict(self, state, prefix, *args):
            if f"{prefix}w" in state:
                state[f"{prefix}weight"] = state.pop(f"{prefix}w")
            super()._load_from_state_dict(state, prefix, *args)

    target = nn.Sequential(Renamed(2, 2))
    state = {"0.w": torch.eye(2), "0.bias": torch.zeros(2)}
    assert load_state(target, state)
    assert torch.equal(target[0].weight, torch.eye(2))
    assert "0.w" in state  # the caller's dict is left as it was


def test_load_checkpoint_reads_a_file_and_refuses_another_network(tmp_path):
    source = net()
    torch.save({"state_dict": source.state_dict(), "meta": {"epoch": 7}}, tmp_path / "x.pth")
    target = net()
    content = load_checkpoint(target, str(tmp_path / "x.pth"))
    assert content["meta"] == {"epoch": 7}
    assert torch.equal(target["head"].weight, source["head"].weight)
    with pytest.raises(UnfitCheckpointError, match=r"x.pth is not a checkpoint of this network"):
        load_checkpoint(net(5), str(tmp_path / "x.pth"))
    with pytest.raises(CheckpointError, match=r"nowhere.pth does not exist"):
        load_checkpoint(target, "nowhere.pth")


@pytest.fixture
def strict(monkeypatch):
    schemes = dict(mmengine_checkpoint.CheckpointLoader._schemes)
    monkeypatch.setattr(mmengine_checkpoint.CheckpointLoader, "_schemes", schemes)
    monkeypatch.setattr(mmengine_checkpoint, "load_state_dict", mmengine_checkpoint.load_state_dict)
    use_strict_checkpoints()


def runner_of(folder, checkpoint, **changes):
    cfg = config(folder, load_from=str(checkpoint), log_level="INFO", **changes)
    for split in ("train", "val"):
        cfg[f"{split}_dataloader"]["num_workers"] = 0
    cfg["test_dataloader"], cfg["test_cfg"] = cfg["val_dataloader"], {}
    cfg["test_evaluator"] = cfg["val_evaluator"]
    cfg["train_cfg"] = {"by_epoch": True, "max_epochs": 1}
    return Runner(**cfg, experiment_name=folder.name)


@pytest.mark.parametrize("run", ["test", "val", "resume"])
def test_a_run_that_needs_all_weights_refuses_others(strict, tmp_path, run):
    torch.save({"state_dict": {"layers.9.weight": torch.ones(1)}}, tmp_path / "x.pth")
    runner = runner_of(tmp_path / f"refused_{run}", tmp_path / "x.pth", resume=run == "resume")
    with pytest.raises(UnfitCheckpointError, match=r"8 missing.*1 unexpected \(layers.9.weight\)"):
        getattr(runner, "train" if run == "resume" else run)()


def test_a_training_takes_what_fits_and_says_what_did_not(strict, tmp_path, capfd):
    whole = runner_of(tmp_path / "first", tmp_path / "nothing").model.state_dict()
    kept = {key: value for key, value in whole.items() if key.startswith("layers.0")}
    torch.save({"state_dict": {**kept, "fc.weight": torch.ones(1)}}, tmp_path / "x.pth")
    runner = runner_of(tmp_path / "starts", tmp_path / "x.pth")
    runner.train()
    log = capfd.readouterr().out
    said = [line for line in log.splitlines() if "loaded into ToyNet what fits" in line]
    assert len(said) == 1
    assert "1 unexpected (fc.weight)" in said[0]
    summary = [line for line in log.splitlines() if "parameters come from checkpoints" in line]
    assert len(summary) == 1
    assert "2 of 6 parameters" in summary[0]
    assert summary[0].endswith("with initial values: layers.1, layers.6")
