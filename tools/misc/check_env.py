"""Say in one line per finding what is wrong with an environment, and how to mend it.

    python tools/misc/check_env.py [--offline]

Prints versions, then ``PROBLEM`` lines (exit code 1) and ``note`` lines (nothing is broken).
"""

from __future__ import annotations

import argparse
import importlib
import platform
import sys
import urllib.request
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

MODULES = (
    "numpy",
    "cv2",
    "torch",
    "torchvision",
    "mmengine",
    "mmcv",
    "mmpretrain",
    "mmdet",
    "numba",
)
WEIGHTS = (
    "https://download.pytorch.org/models/resnet50-0676ba61.pth",
    "https://download.openmmlab.com/",
)
TIMEOUT = 3.0
SAME_FILES = (
    ("mmcv", "onedl-mmcv"),
    ("mmcv-lite", "onedl-mmcv"),
    ("mmengine", "onedl-mmengine"),
    ("mmdet", "onedl-mmdetection"),
    ("mmpretrain", "onedl-mmpretrain"),
)
REBUILD = (
    "pip install --no-cache-dir --no-build-isolation --force-reinstall --no-deps onedl-mmcv "
    "(about 11 minutes on 2 cores)"
)

Finding = tuple[str, str]  # "PROBLEM" or "note", text


def load(name: str) -> Exception | None:
    """Import a module; what went wrong, or None."""
    try:
        importlib.import_module(name)
    except Exception as error:  # a broken compiled library raises anything
        return error
    return None


def installed(name: str) -> str | None:
    """Version of an installed distribution, or None."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def explain(name: str, error: Exception) -> str:
    """Cause and cure of a failed import, as one line."""
    text = " ".join(str(error).split())
    if "torchvision::" in text or (name == "torchvision" and "undefined symbol" in text):
        return (
            f"torch {installed('torch')} and torchvision {installed('torchvision')} come from "
            "different builds: install both from the same index (pip install torch==2.12.1 "
            "torchvision==0.27.1)"
        )
    if "libGL" in text or "libgthread" in text:
        return (
            "OpenCV needs libGL, which servers lack: pip uninstall -y opencv-python, then "
            "pip install --force-reinstall --no-deps opencv-python-headless"
        )
    # onedl-mmpretrain inherits from None where transformers lacks a name, as version 5 does
    without_base = name == "mmpretrain" and "NoneType takes no arguments" in text
    if "transformers" in text or without_base:
        return (
            f"{name} cannot use transformers {installed('transformers')}: pip uninstall "
            "transformers, which nothing here needs"
        )
    if "compiled using NumPy 1" in text or "numpy.core.multiarray failed" in text:
        return f"{name} was built for numpy 1: rebuild it, or pip install 'numpy<2'"
    if name == "mmcv._ext" and "undefined symbol" in text:
        return f"mmcv's compiled ops belong to another torch: {REBUILD}"
    if name == "mmcv._ext":
        return (
            "mmcv has no compiled ops and nothing stands in for them, so MMDetection cannot run: "
            f"unset WSOL_MMCV_STANDIN, install wsol_mm, or {REBUILD}"
        )
    if isinstance(error, ModuleNotFoundError) and error.name == name:
        return f"{name} is not installed: run `make env`, or pip install 'wsol_mm[onedl]'"
    return f"import {name} fails: {type(error).__name__}: {text}"


def check_imports() -> Iterator[Finding]:
    """Every module that the tools need, in the order of dependence."""
    failed = None
    for name in (*MODULES, "mmcv._ext"):
        error = load(name)
        if error is None or (name == "mmcv._ext" and failed == "mmcv"):
            continue
        failed = name
        yield "PROBLEM", explain(name, error)


def check_distributions() -> Iterator[Finding]:
    """Distributions that overwrite each other's files."""
    for one, other in SAME_FILES:
        if installed(one) and installed(other):
            yield (
                "PROBLEM",
                f"{one} and {other} are both installed and overwrite each other's files: "
                f"pip uninstall both, then install one",
            )
    if installed("opencv-python") and installed("opencv-python-headless"):
        yield (
            "note",
            "both OpenCV wheels are installed; without libGL reinstall the headless one last: "
            "pip install --force-reinstall --no-deps opencv-python-headless",
        )
    if installed("transformers"):
        yield (
            "note",
            f"transformers {installed('transformers')} is installed; some versions break the "
            "import of MMPretrain, and nothing here needs it",
        )


def check_weights() -> Iterator[Finding]:
    """Pretrained weights: reachable, or already in the cache."""
    failed = {}
    for address in WEIGHTS:
        request = urllib.request.Request(address, method="HEAD")
        try:
            urllib.request.urlopen(request, timeout=TIMEOUT).close()
        except OSError as error:
            failed[address.split("/")[2]] = getattr(error, "reason", error)
    if failed:
        hosts = ", ".join(f"{host} ({reason})" for host, reason in failed.items())
        yield (
            "note",
            f"no pretrained weights from {hosts}: train with --no-pretrained, or put the files "
            f"into {cache()}",
        )


def operators() -> str:
    """Which of mmcv's operators are in use."""
    module = sys.modules.get("mmcv._ext")
    if module is None:
        return "-"
    if Path(module.__file__ or "").name == "mmcv_ext.py":
        return "stand-in of wsol_mm.compat (torchvision's and PyTorch's; docs/installation.md)"
    return "compiled"


def cache() -> Path:
    """Folder where downloads are kept."""
    import torch

    return Path(torch.hub.get_dir()) / "checkpoints"


def main() -> int:
    """Run the checks; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--offline", action="store_true", help="do not look for pretrained weights")
    # as the tools' general option; where wsol_mm itself cannot be imported this tool still runs
    parser.add_argument("--debug", action="store_true", help="show the traceback of every error")
    args = parser.parse_args()
    try:
        return check(args.offline)
    except Exception as error:
        if args.debug:
            raise
        print(f"error: {error}", file=sys.stderr)
        return 2


def check(offline: bool) -> int:
    """Print what is found; 1 where something is broken."""
    findings = [*check_distributions(), *check_imports()]
    if not offline and "torch" in sys.modules:
        findings += check_weights()
    print(f"Python {platform.python_version()} on {platform.platform()}")
    for name in MODULES:
        print(f"{name:12}{getattr(sys.modules.get(name), '__version__', '-')}")
    print(f"{'mmcv ops':12}{operators()}")
    if (torch := sys.modules.get("torch")) and hasattr(torch, "cuda"):
        cuda = torch.cuda.is_available()
        print(f"{'device':12}{torch.cuda.get_device_name() if cuda else 'CPU'}")
    for kind, text in findings:
        print(f"{kind}: {text}")
    problems = sum(kind == "PROBLEM" for kind, _ in findings)
    print("environment is fine" if not problems else f"{problems} problem(s)")
    return int(problems > 0)


if __name__ == "__main__":
    sys.exit(main())
