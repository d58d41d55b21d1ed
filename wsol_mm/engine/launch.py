"""Several processes on machines without a GPU."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import torch.distributed
from mmengine.config import Config
from mmengine.device import get_device


def prepare_launch(cfg: Config) -> None:
    """Make ``cfg.launcher`` work without CUDA: the gloo backend and a CPU model wrapper.

    mmengine's Runner calls ``torch.cuda.set_device`` when it starts the process group and wraps the
    model for one GPU per rank; both fail on a CPU. With a launcher and no accelerator this starts
    the group itself and edits ``cfg.model_wrapper_cfg`` and ``cfg.env_cfg.dist_cfg``; otherwise it
    does nothing. Call it before ``Runner.from_cfg``.

    Args:
        cfg: Config with ``launcher`` ('none', 'pytorch' or 'slurm'); changed in place.

    Raises:
        ValueError: The launcher is unknown, a variable that it should set is missing, or the model
            has ``SyncBN``, which torch has for GPUs only.
    """
    launcher = cfg.get("launcher", "none")
    if launcher == "none" or get_device() != "cpu":
        return
    for path, kind in _types(cfg.model.to_dict(), "model"):
        if kind.split(".")[-1] in ("SyncBN", "MMSyncBN", "NaiveSyncBN"):
            raise ValueError(f"{path}.type={kind!r} needs GPUs: use 'BN' to train on CPUs")
    if launcher == "slurm":
        _slurm_environment()
    elif launcher != "pytorch":
        raise ValueError(f"launcher={launcher!r} on CPUs: expected 'none', 'pytorch' or 'slurm'")
    if missing := {"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"} - os.environ.keys():
        raise ValueError(
            f"launcher={launcher!r} but {', '.join(sorted(missing))} not set: start with torchrun "
            "(tools/dist_train.sh CONFIG PROCESSES)"
        )
    os.environ.setdefault("LOCAL_RANK", "0")
    cfg.merge_from_dict({"env_cfg": {"dist_cfg": {"backend": "gloo"}}})
    if not torch.distributed.is_initialized():
        timeout = timedelta(seconds=cfg.env_cfg.dist_cfg.get("timeout", 1800))
        torch.distributed.init_process_group("gloo", timeout=timeout)
    cfg.model_wrapper_cfg = {
        "type": "MMDistributedDataParallel",
        "broadcast_buffers": False,
        "find_unused_parameters": cfg.get("find_unused_parameters", False),
        **(cfg.get("model_wrapper_cfg") or {}),
        "device_ids": None,
    }


def _types(node: Any, path: str) -> Iterator[tuple[str, str]]:
    """Every (path, type name) of a nested config."""
    if isinstance(node, dict):
        if isinstance(node.get("type"), str):
            yield path, node["type"]
        for key, value in node.items():
            yield from _types(value, f"{path}.{key}")
    elif isinstance(node, (list, tuple)):
        for index, value in enumerate(node):
            yield from _types(value, f"{path}.{index}")


def _slurm_environment() -> None:
    """Translate SLURM's variables to torch's."""
    names = {"RANK": "SLURM_PROCID", "WORLD_SIZE": "SLURM_NTASKS", "LOCAL_RANK": "SLURM_LOCALID"}
    for ours, theirs in names.items():
        if theirs in os.environ:
            os.environ[ours] = os.environ[theirs]
    if "MASTER_ADDR" not in os.environ and "SLURM_NODELIST" in os.environ:
        command = ["scontrol", "show", "hostname", os.environ["SLURM_NODELIST"]]
        hosts = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        os.environ["MASTER_ADDR"] = hosts.split()[0]
    os.environ.setdefault("MASTER_PORT", "29500")
