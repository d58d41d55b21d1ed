"""Who finds the stand-in, and when."""

import subprocess
import sys
from importlib.machinery import PathFinder
from pathlib import Path

import pytest

import wsol_mm.compat
from wsol_mm.compat import OperatorFinder, install

START_UP = (Path(wsol_mm.compat.__file__).parent / "wsol_mm_operators.pth").read_text()
COMPILED = PathFinder.find_spec("mmcv._ext", __import__("mmcv").__path__) is not None
without_compiled = pytest.mark.skipif(COMPILED, reason="mmcv has compiled operators here")


def run(script: str, *flags: str, **environment: str) -> subprocess.CompletedProcess:
    """A fresh interpreter whose ``sys.meta_path`` has no finder of ours yet."""
    clean = (
        "import sys\nsys.meta_path[:] = [f for f in sys.meta_path if 'Operator' not in str(f)]\n"
    )
    environment["PYTHONPATH"] = str(Path(wsol_mm.__file__).parents[1])
    return subprocess.run(
        [sys.executable, *flags, "-c", clean + script],
        capture_output=True,
        text=True,
        env=environment,
        timeout=300,
    )


@without_compiled
def test_mmcv_ops_fail_without_us_and_work_with_the_package():
    assert "No module named 'mmcv._ext'" in run("import mmcv.ops").stderr
    result = run("import wsol_mm, mmcv._ext; print(mmcv._ext.__file__)")
    assert result.stdout.strip().endswith("wsol_mm/compat/mmcv_ext.py"), result.stderr


@without_compiled
def test_start_up_file_is_enough_for_mmdet_alone():
    lines = [line for line in START_UP.splitlines() if line.startswith("import")]
    assert len(lines) == 1  # site executes lines that start with import, one by one
    script = f"exec({lines[0]!r})\nassert 'wsol_mm' not in sys.modules\nimport mmdet.models"
    result = run(script)
    assert result.returncode == 0, result.stderr


@without_compiled
def test_switched_off_is_as_if_it_were_not_there():
    result = run("import wsol_mm, mmcv.ops", WSOL_MMCV_STANDIN="0")
    assert "No module named 'mmcv._ext'" in result.stderr


def test_compiled_operators_win(tmp_path):
    (tmp_path / "mmcv/ops").mkdir(parents=True)
    (tmp_path / "mmcv/__init__.py").touch()
    (tmp_path / "mmcv/_ext.py").write_text("compiled = True")
    script = f"sys.path.insert(0, {str(tmp_path)!r})\nimport wsol_mm, mmcv._ext\n"
    result = run(script + "print(mmcv._ext.compiled)")
    assert result.stdout == "True\n", result.stderr


def test_finder_answers_for_one_name_beside_mmcv_ops_only(tmp_path):
    assert OperatorFinder.find_spec("mmcv.ops", [str(tmp_path)]) is None
    assert OperatorFinder.find_spec("mmcv._ext", [str(tmp_path)]) is None  # mmcv-lite
    assert OperatorFinder.find_spec("mmcv._ext") is None
    (tmp_path / "ops").mkdir()
    assert OperatorFinder.find_spec("mmcv._ext", [str(tmp_path)]).origin.endswith("mmcv_ext.py")


def test_finder_is_last_and_installed_once():
    install()
    install()
    assert sys.meta_path.count(OperatorFinder) == 1
