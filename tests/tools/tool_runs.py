"""Tools run in this process, on few toy scenes."""

import itertools
import runpy
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
CAM = ROOT / "configs/cam/resnet18_toy.py"
NUMBERS = itertools.count()


def call(patch, tool, *words):
    """Run ``tools/<tool>`` with these words; it is an error where it ends with one."""
    patch.chdir(ROOT)
    patch.setattr(sys, "argv", [tool, *map(str, words)])
    try:
        runpy.run_path(str(ROOT / "tools" / tool), run_name="__main__")
    except SystemExit as end:
        if end.code:
            raise


def make_scenes(patch, folder, train, val, test):
    """Draw toy scenes into a folder, and return it."""
    counts = ["--train", train, "--val", val, "--test", test]
    call(patch, "dataset_converters/make_toy.py", "--out", folder, *counts)
    return folder


def overrides(data, **more):
    """Options for one epoch on the scenes of a folder, without data workers."""
    changes = {f"{split}_dataloader.dataset.data_root": data for split in ("train", "val", "test")}
    changes |= {f"{split}_dataloader.num_workers": 0 for split in ("train", "val", "test")}
    changes |= {"train_dataloader.batch_size": 4, "train_cfg.max_epochs": 1}
    changes |= {"experiment_name": f"run_{next(NUMBERS)}", **more}  # mmengine's names last a second
    return ["--cfg-options", *(f"{key}={value}" for key, value in changes.items())]
