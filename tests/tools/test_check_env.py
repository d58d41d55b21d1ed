"""check_env.py turns the usual import errors into cause and cure."""

import importlib.util
import io
import re
import sys
import types
import urllib.error
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / "tools/misc/check_env.py"


@pytest.fixture
def check_env(monkeypatch):
    spec = importlib.util.spec_from_file_location("check_env", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr("sys.argv", ["check_env.py"])
    monkeypatch.setattr(module, "installed", lambda _: None)
    monkeypatch.setattr(module.urllib.request, "urlopen", lambda *_, **__: io.BytesIO())
    return module


def fail(monkeypatch, module, name, error):
    monkeypatch.setattr(module, "load", lambda other: error if other == name else None)


@pytest.mark.parametrize(
    ("name", "error", "cause", "cure"),
    [
        (
            "torchvision",
            RuntimeError("operator torchvision::nms does not exist"),
            "different builds",
            "install both from the same index",
        ),
        (
            "mmcv._ext",
            ModuleNotFoundError("No module named 'mmcv._ext'", name="mmcv._ext"),
            "nothing stands in for them",
            "pip install --no-cache-dir --no-build-isolation",
        ),
        (
            "mmcv._ext",
            ImportError("_ext.so: undefined symbol: _ZN3c105ErrorC2E"),
            "another torch",
            "pip install --no-cache-dir --no-build-isolation",
        ),
        (
            "mmpretrain",
            ImportError("cannot import name 'apply_chunking_to_forward' from 'transformers'"),
            "cannot use transformers",
            "pip uninstall transformers",
        ),
        (
            "mmpretrain",
            TypeError("NoneType takes no arguments"),
            "cannot use transformers",
            "pip uninstall transformers",
        ),
        (
            "cv2",
            ImportError("libGL.so.1: cannot open shared object file"),
            "libGL",
            "opencv-python-headless",
        ),
        (
            "mmdet",
            ModuleNotFoundError("No module named 'mmdet'", name="mmdet"),
            "mmdet is not installed",
            "make env",
        ),
        (
            "mmcv",
            ImportError("A module that was compiled using NumPy 1.x cannot be run"),
            "numpy 1",
            "rebuild",
        ),
        ("mmengine", SyntaxError("bad\nfile"), "import mmengine fails: SyntaxError: bad file", ""),
    ],
)
def test_a_broken_import_is_one_line_and_exit_code_1(
    name, error, cause, cure, check_env, monkeypatch, capsys
):
    fail(monkeypatch, check_env, name, error)
    assert check_env.main() == 1
    problems = [line for line in capsys.readouterr().out.splitlines() if line.startswith("PROBLEM")]
    assert len(problems) == 1
    assert cause in problems[0]
    assert cure in problems[0]


def test_two_distributions_of_the_same_files(check_env, monkeypatch, capsys):
    both = ("mmdet", "onedl-mmdetection")
    monkeypatch.setattr(check_env, "installed", lambda name: "1" if name in both else None)
    monkeypatch.setattr(check_env, "load", lambda _: None)
    assert check_env.main() == 1
    assert "mmdet and onedl-mmdetection are both installed" in capsys.readouterr().out


def test_notes_do_not_fail(check_env, monkeypatch, capsys):
    """No network, both OpenCV wheels and transformers: worth a line, nothing is broken."""

    def unreachable(*args, timeout):
        assert timeout <= 5
        raise urllib.error.URLError("no network")

    names = ("opencv-python", "opencv-python-headless", "transformers")
    monkeypatch.setattr(check_env.urllib.request, "urlopen", unreachable)
    monkeypatch.setattr(check_env, "installed", lambda name: "1" if name in names else None)
    monkeypatch.setattr(check_env, "load", lambda _: None)
    assert check_env.main() == 0
    printed = capsys.readouterr().out
    for part in ("both OpenCV wheels", "transformers 1 is installed", "no pretrained weights from"):
        assert f"note: {part}" in printed
    assert "environment is fine" in printed


def test_this_environment_is_fine(check_env, capsys):
    assert check_env.main() == 0
    printed = capsys.readouterr().out
    assert "PROBLEM" not in printed
    assert re.search(r"^mmcv ops +(compiled$|stand-in of wsol_mm.compat)", printed, re.M)


@pytest.mark.parametrize(
    ("file", "said"), [("/x/compat/mmcv_ext.py", "stand-in"), ("/x/_ext.so", "compiled")]
)
def test_says_which_operators_are_in_use(file, said, check_env, monkeypatch):
    monkeypatch.setitem(sys.modules, "mmcv._ext", types.SimpleNamespace(__file__=file))
    assert check_env.operators().startswith(said)
