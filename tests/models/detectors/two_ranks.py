"""One rank of a training step of every detector, for test_entropy_sources.py."""

import datetime
import os
from pathlib import Path

import small_detectors
import torch
import torch.distributed
from torch.nn.parallel import DistributedDataParallel

NAMES = [name for name in small_detectors.NAMES if not name.endswith("mmdet's")]
# a rank whose images all lost their boxes, and one with a box in each
BATCHES = ((None, None), ([[10, 10, 60, 70]], [[30, 20, 80, 80]]))


def step(name: str, rank: int) -> dict:
    """How often numbers were exchanged, ``loss_we`` and the gradients of one step."""
    exchanged = []
    plain = torch.distributed.all_reduce

    def counted(*args: object, **kwargs: object) -> object:
        exchanged.append(args[0].numel())
        return plain(*args, **kwargs)

    model = small_detectors.build(name)
    model.train()
    wrapped = DistributedDataParallel(model, broadcast_buffers=False)
    torch.distributed.all_reduce = counted
    try:
        torch.manual_seed(2)
        inputs, samples = small_detectors.batch(*BATCHES[rank])
        losses = wrapped(inputs, samples, mode="loss")
        total, _ = model.parse_losses(losses)
        total.backward()
    finally:
        torch.distributed.all_reduce = plain
    grads = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
    supervised = sum(
        small_detectors.as_float(value)
        for key, value in losses.items()
        if "loss" in key and key != "loss_we"
    )
    return {
        "exchanged": exchanged,
        "loss_we": losses["loss_we"].item(),
        "supervised": supervised,
        "norm": sum(grad.square().sum().item() for grad in grads.values()),
    }


def main(path: Path, rank: int, port: int) -> None:
    """Entry of a process."""
    torch.set_num_threads(1)
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    limit = datetime.timedelta(seconds=60)
    torch.distributed.init_process_group("gloo", rank=rank, world_size=2, timeout=limit)
    torch.save({name: step(name, rank) for name in NAMES}, path / f"{rank}.pt")
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()
