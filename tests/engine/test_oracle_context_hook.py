"""The oracle's contexts: made once, of the training loader's boxes, as the network sees them."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.dataset import default_collate
from mmengine.registry import DATASETS, DefaultScope
from torch.utils.data import DataLoader

import wsol_mm.datasets  # noqa: F401
from tools.dataset_converters import make_toy
from wsol_mm.engine import OracleContextHook
from wsol_mm.functional.context_pool import standardize_maps
from wsol_mm.models.layers import OracleContextPool, ZeroContextPool

SIDE = 64  # of scenes and contexts, so that no centre lies on an edge of a box
PIPELINE = [
    {"type": "LoadImageFromFile"},
    {"type": "wsol_mm.Resize", "scale": (128, 128)},
    {"type": "wsol_mm.RandomFlip", "prob": 1.0},
    {"type": "wsol_mm.PackWSOLInputs"},
]


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("toy") / "scenes"
    sizes = ["--train", "12", "--val", "6", "--test", "6", "--size", str(SIDE)]
    make_toy.main(["--out", str(folder), *sizes])
    return folder


def runner(scenes, pool, supervision):
    settings = {"type": "wsol_mm.ToyScenes", "data_root": str(scenes), "split": "train"}
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        dataset = DATASETS.build({**settings, "supervision": supervision, "pipeline": PIPELINE})
    loader = DataLoader(dataset, batch_size=5, collate_fn=default_collate)
    warned = []
    return SimpleNamespace(
        model=SimpleNamespace(head=SimpleNamespace(context_pool=pool)),
        train_dataloader=loader,
        logger=SimpleNamespace(warning=warned.append),
        warned=warned,
    )


def test_contexts_are_the_flipped_boxes_of_each_class(scenes):
    pool = OracleContextPool(6, 4, SIDE)
    run = runner(scenes, pool, "boxes")
    OracleContextHook().before_train(run)
    assert "upper bound, no method" in run.warned[0]
    sums = torch.zeros(6, SIDE, SIDE)
    dataset = run.train_dataloader.dataset
    centres = np.arange(SIDE) + 0.5
    for info in map(dataset.get_data_info, range(len(dataset))):
        ((x0, y0, x1, y1),) = [instance["bbox"] for instance in info["instances"]]
        rows, columns = ((centres >= a) & (centres < b) for a, b in ((y0, y1), (x0, x1)))
        sums[info["gt_label"]] += torch.from_numpy(np.outer(rows, columns[::-1]).astype("f4"))
    torch.testing.assert_close(pool.contexts, standardize_maps(sums))
    before = pool.contexts.clone()
    run.train_dataloader = None  # a resumed training reads nothing
    OracleContextHook().before_train(run)
    assert torch.equal(pool.contexts, before)


def test_training_data_must_say_that_they_read_boxes(scenes):
    run = runner(scenes, OracleContextPool(6, 4, SIDE), "image")
    with pytest.raises(ValueError, match=r"dataset\.supervision='boxes'"):
        OracleContextHook().before_train(run)


def test_another_pool_is_refused(scenes):
    run = runner(scenes, ZeroContextPool(6, 4, SIDE), "boxes")
    with pytest.raises(ValueError, match="OracleContextHook: SimpleNamespace has nothing to fill"):
        OracleContextHook().before_train(run)
