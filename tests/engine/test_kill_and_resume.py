"""A run killed at any moment resumes to the weights of an uninterrupted one, hash for hash."""

import json
import multiprocessing
import signal
from pathlib import Path

import pytest
import toy_training

from wsol_mm.engine import read_checkpoint

CONTEXT = multiprocessing.get_context("forkserver")


def run(work_dir, *moment, **changes):
    """Train in a process of its own; its exit code."""
    process = CONTEXT.Process(target=toy_training.train, args=(work_dir, *moment), kwargs=changes)
    process.start()
    process.join(60)
    assert process.exitcode is not None, "the run hangs"
    return process.exitcode


def result(work_dir):
    return json.loads((work_dir / "result.json").read_text())


def files(work_dir):
    names = [path.name for path in work_dir.iterdir() if path.is_file()]
    return sorted(name for name in names if not name.endswith(".py"))  # dumped configs


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted")
    assert run(folder) == 0
    assert "epoch_3.pth" in files(folder)
    assert "epoch_2.pth" not in files(folder)
    return folder


@pytest.mark.parametrize(
    ("moment", "count"),
    [
        ("iteration", 6),  # in the middle of the second epoch
        ("saving", 2),  # half of the second file (the best checkpoint of epoch 1) is written
        ("saving", 4),  # half of a checkpoint of the second epoch is written
        ("marker", 3),  # epoch_2.pth is there, last_checkpoint still names epoch_1.pth
        ("removing", 1),  # the checkpoint that the new one replaces is still there
        ("validation", 3),  # training is complete, its last validation is not
    ],
)
def test_resumes_to_the_same_weights(moment, count, uninterrupted, tmp_path):
    assert run(tmp_path, moment, count) == -signal.SIGKILL
    newest = Path((tmp_path / "last_checkpoint").read_text())
    assert read_checkpoint(newest)["meta"]["epoch"] >= 1
    assert run(tmp_path, resume=True) == 0
    assert result(tmp_path) == result(uninterrupted)
    assert files(tmp_path) == files(uninterrupted)


def test_a_second_run_with_another_seed_differs(uninterrupted, tmp_path):
    assert run(tmp_path, randomness={"seed": 4}) == 0
    assert result(tmp_path)["digest"] != result(uninterrupted)["digest"]


def test_without_the_seed_hook_the_resumed_run_differs(uninterrupted, tmp_path):
    """The control: what the hook is for, and that this file would notice its absence."""
    hooks = toy_training.config(tmp_path)["default_hooks"]
    del hooks["seed"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert run(whole, default_hooks=hooks) == 0
    assert run(killed, "iteration", 6, default_hooks=hooks) == -signal.SIGKILL
    assert run(killed, default_hooks=hooks, resume=True) == 0
    assert result(whole)["digest"] != result(killed)["digest"]
