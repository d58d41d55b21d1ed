"""One rank of a CPU training of several processes, for test_launch.py."""

import os
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.dist import all_gather_object, get_rank
from mmengine.runner import Runner
from toy_training import config

from wsol_mm.engine import prepare_launch


def main(work_dir: Path, rank: int, ranks: int, port: int) -> None:
    torch.set_num_threads(1)
    variables = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": ranks, "MASTER_PORT": port}
    os.environ |= {key: str(value) for key, value in variables.items()}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "CUDA_VISIBLE_DEVICES": ""}
    launcher = "pytorch" if ranks > 1 else "none"
    cfg = config(work_dir, launcher=launcher, experiment_name="distributed")
    # nothing stochastic and no batch norm: two half batches must equal one whole batch
    cfg["model"]["stochastic"] = False
    cfg["default_hooks"]["checkpoint"].pop("max_keep_ckpts")
    for split in ("train_dataloader", "val_dataloader"):
        cfg[split]["num_workers"] = 0
        cfg[split]["dataset"]["train"] = False
    if launcher != "none":
        cfg["train_dataloader"]["batch_size"] //= 2
    cfg = Config(cfg)
    prepare_launch(cfg)
    runner = Runner.from_cfg(cfg)
    runner.train()
    metrics = runner.val()
    model = getattr(runner.model, "module", runner.model)
    everyone = all_gather_object((model.state_dict(), metrics))
    if get_rank() == 0:
        torch.save(everyone, work_dir / "ranks.pt")
