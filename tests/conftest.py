"""Fixtures shared by all tests."""

import gc
import hashlib
import json
import multiprocessing
import os
from pathlib import Path

import pytest
import torch
from hypothesis import settings

import wsol_mm  # noqa: F401 - or tests that need mmcv's operators skip where no start-up file is

ROOT = Path(__file__).resolve().parents[1]

# numba compiles inside the first example; CI repeats the same examples so that red means a change
settings.register_profile("wsol_mm", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("wsol_mm")

# Processes that tests start are forked from a server that has imported the toolboxes once.
PRELOADED = ["torch", "tqdm", "mmengine.runner", "mmengine.hooks", "wsol_mm.models"]
multiprocessing.set_forkserver_preload(PRELOADED)


def pytest_collection_modifyitems(items):
    """Files with a slow test go first: workers that share a run all end with short tests."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def pytest_collection_finish():
    """Keep what was imported out of garbage collection: mmengine collects for every data set."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="session")
def _configs_formatted_once():
    """A run asks yapf for the same text of its config seven times, a tenth of a second each."""
    import yapf.yapflib.yapf_api as yapf

    kept, format_code = {}, yapf.FormatCode

    def once(text, **style):
        key = (text, repr(style))
        if key not in kept:
            kept[key] = format_code(text, **style)
        return kept[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(yapf, "FormatCode", once)
        yield


@pytest.fixture(autouse=True)
def _one_thread():
    """Small tensors are fastest on one thread, and workers share two cores."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _own_default_scope():
    """mmengine's default scope is a global: give each test a clean one."""
    from mmengine.registry import DefaultScope

    saved = dict(DefaultScope._instance_dict)
    DefaultScope._instance_dict.clear()
    yield
    DefaultScope._instance_dict.clear()
    DefaultScope._instance_dict.update(saved)


@pytest.fixture(scope="session")
def first_time(tmp_path_factory):
    """Function that is true the first time a key is asked for, over all workers of a run.

    Tests of many configs share it, so that what two configs have in common is built once.
    """
    folder = tmp_path_factory.getbasetemp()
    folder = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "first_time"
    folder.mkdir(exist_ok=True)

    def claim(*key) -> bool:
        name = hashlib.sha256(json.dumps(key, sort_keys=True, default=str).encode()).hexdigest()
        try:
            (folder / name).touch(exist_ok=False)
        except FileExistsError:
            return False
        return True

    return claim


@pytest.fixture(scope="session")
def two_ranks():
    """Function that runs ``worker(rank, *args)`` in two processes and raises what they raise."""

    def run(worker, *args) -> None:
        torch.multiprocessing.start_processes(worker, args, nprocs=2, start_method="forkserver")

    return run


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder with real data (``WSOL_SHARED_DATA``); tests that need it skip where it is absent."""
    folder = Path(os.environ.get("WSOL_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("no real data: set WSOL_SHARED_DATA to a folder with cub_mini")
    return folder


@pytest.fixture(scope="session")
def exit_code():
    """Function that gives what a tool's ``main`` would leave behind as its exit code."""

    def run(main, arguments) -> int:
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as stop:
            return stop.code
        return 0

    return run
