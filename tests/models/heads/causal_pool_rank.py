"""One rank of a causal training, for test_causal_cam_head.py."""

import os
from pathlib import Path

import torch
import torch.distributed
from mmengine.registry import MODELS, DefaultScope
from mmpretrain.structures import DataSample

import wsol_mm.models  # noqa: F401

SETTINGS = {
    "type": "wsol_mm.WSOLClassifier",
    "backbone": {"type": "mmpretrain.ResNet", "depth": 18, "stem_channels": 8, "base_channels": 8},
    "layers": [
        {
            "after": "backbone.layer2",
            "layer": {"type": "wsol_mm.NonLocalBlock", "channels": 16},
        }
    ],
    "head": {
        "type": "wsol_mm.CausalCAMHead",
        "num_classes": 3,
        "in_channels": 64,
        "context_pool": {"type": "wsol_mm.CausalContextPool", "size": 2, "rate": 0.1},
        "combination": {"name": "linear"},
    },
}


def build() -> torch.nn.Module:
    """The same model in every process: batch norms in eval, everything else in training."""
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        model = MODELS.build(SETTINGS)
    model.train()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()
            torch.nn.init.ones_(module.weight)
    return model


def train(model: torch.nn.Module, rank: int, ranks: int) -> list[torch.Tensor]:
    """Pool after each of four steps on this rank's share of eight images."""
    # the head's own loss is called through the wrapper, where gradients are averaged
    step = model
    if ranks > 1:
        step = torch.nn.parallel.DistributedDataParallel(model, broadcast_buffers=False)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02)
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(8, 3, 64, 64, generator=generator)
    labels = torch.randint(3, (8,), generator=generator).tolist()
    share = slice(rank * 8 // ranks, (rank + 1) * 8 // ranks)
    samples = [DataSample().set_gt_label(label) for label in labels[share]]
    pools = []
    for _ in range(4):
        losses = step(images[share], samples, mode="loss")
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
        pools.append(model.head.context_pool.contexts.clone())
    return pools


def main(path: Path, rank: int, ranks: int, port: int) -> None:
    """Entry of a process."""
    torch.set_num_threads(1)
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.distributed.init_process_group("gloo", rank=rank, world_size=ranks)
    torch.save(train(build(), rank, ranks), path / f"rank_{rank}.pt")
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()
