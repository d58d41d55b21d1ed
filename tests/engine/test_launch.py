"""Two gloo processes on a CPU train and evaluate as one process does."""

import multiprocessing
import os
import socket

import distributed_run
import pytest
import torch
from mmengine.config import Config

from wsol_mm.engine import prepare_launch

CONTEXT = multiprocessing.get_context("forkserver")
TOLERANCE = 1e-5  # absolute, on weights of order 1 after 12 steps; summation order differs


def launch(work_dir, ranks):
    """The states and metrics of all ranks of a run."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    arguments = [(work_dir, rank, ranks, port) for rank in range(ranks)]
    processes = [CONTEXT.Process(target=distributed_run.main, args=args) for args in arguments]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * ranks
    return torch.load(work_dir / "ranks.pt", weights_only=True)


def test_two_ranks_equal_one(tmp_path):
    (first, metrics), (second, other_metrics) = launch(tmp_path / "two", 2)
    ((single, single_metrics),) = launch(tmp_path / "one", 1)
    assert metrics == other_metrics
    assert metrics["wsol/margin"] == pytest.approx(single_metrics["wsol/margin"], abs=TOLERANCE)
    for name, weight in single.items():
        assert torch.equal(first[name], second[name])
        torch.testing.assert_close(first[name], weight, rtol=0, atol=TOLERANCE)
    assert (tmp_path / "two" / "epoch_3.pth").is_file()


def test_without_a_launcher_nothing_changes():
    cfg = Config({"launcher": "none", "model": {"type": "X"}})
    prepare_launch(cfg)
    assert cfg.to_dict() == {"launcher": "none", "model": {"type": "X"}}


@pytest.mark.parametrize(
    ("cfg", "message"),
    [
        ({"launcher": "pytorch", "model": {}}, r"MASTER_ADDR.*torchrun"),
        ({"launcher": "mpi", "model": {}}, "expected 'none', 'pytorch' or 'slurm'"),
        (
            {"launcher": "pytorch", "model": {"neck": [{"norm_cfg": {"type": "mmcv.SyncBN"}}]}},
            r"model\.neck\.0\.norm_cfg\.type='mmcv\.SyncBN' needs GPUs",
        ),
    ],
)
def test_refuses_what_cannot_start(cfg, message, monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("wsol_mm.engine.launch.get_device", lambda: "cpu")
    with pytest.raises(ValueError, match=message):
        prepare_launch(Config(cfg))


def test_slurm_variables_become_torchs(monkeypatch):
    started = []
    monkeypatch.setattr("wsol_mm.engine.launch.get_device", lambda: "cpu")
    monkeypatch.setattr(
        torch.distributed, "init_process_group", lambda *args, **_: started.append(args)
    )
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_PORT"):
        monkeypatch.setenv(name, "unset")
    monkeypatch.delenv("MASTER_PORT")
    monkeypatch.setenv("MASTER_ADDR", "node1")
    for name, value in (("PROCID", "3"), ("NTASKS", "4"), ("LOCALID", "1")):
        monkeypatch.setenv(f"SLURM_{name}", value)
    cfg = Config({"launcher": "slurm", "model": {}, "find_unused_parameters": True})
    prepare_launch(cfg)
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_PORT")
    assert [os.environ[name] for name in names] == ["3", "4", "1", "29500"]
    assert started == [("gloo",)]
    assert cfg.env_cfg.dist_cfg.backend == "gloo"
    assert cfg.model_wrapper_cfg.to_dict() == {
        "type": "MMDistributedDataParallel",
        "broadcast_buffers": False,
        "find_unused_parameters": True,
        "device_ids": None,
    }
