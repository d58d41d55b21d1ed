"""What importing the package costs, and which layer pulls in what."""

import importlib
import subprocess
import sys
from types import ModuleType

import pytest

TOOLBOXES = ("mmengine", "mmcv", "mmpretrain", "mmdet")


def loaded_after(statement: str) -> set[str]:
    """Toolboxes (and torch) in ``sys.modules`` of a fresh interpreter after ``statement``."""
    script = f"import sys\n{statement}\nprint(*sorted(sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    names = {name.split(".")[0] for name in result.stdout.split()}
    return names & {*TOOLBOXES, "torch", "numba"}


def test_package_import_is_instant():
    assert loaded_after("import wsol_mm") == set()


def test_functional_needs_no_toolbox():
    parts = ("component_tree", "boxes", "localization", "geometry", "cam", "weighted_entropy")
    loaded = loaded_after("import " + ", ".join(f"wsol_mm.functional.{part}" for part in parts))
    assert not loaded & set(TOOLBOXES)


@pytest.mark.parametrize("package", ["functional", "apis"])
def test_exports_are_there_by_name_and_cost_nothing_before(package):
    assert loaded_after(f"import wsol_mm.{package}") == set()
    module = importlib.import_module(f"wsol_mm.{package}")
    for name in module.__all__:
        found = getattr(module, name)
        assert not isinstance(found, ModuleType)
        home = getattr(found, "__module__", f"wsol_mm.{package}.")  # a constant has none
        assert home.startswith(f"wsol_mm.{package}."), name
    assert {*module.__all__} <= {*dir(module)}
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = module.nothing


def test_a_function_is_imported_by_name():
    from wsol_mm.apis import evaluate_maps, join, make_pseudo_boxes, refine_maps
    from wsol_mm.functional import compute_localization

    functions = (evaluate_maps, join, make_pseudo_boxes, refine_maps, compute_localization)
    assert all(callable(function) and function.__doc__ for function in functions)


def test_evaluation_works_without_mmdet():
    assert "mmdet" not in loaded_after("import wsol_mm.evaluation, wsol_mm.datasets")


@pytest.mark.slow
def test_localizers_work_without_mmcv_operators():
    # mmdet needs mmcv's compiled operators; heads and backbones of localizers must not
    statement = (
        "import importlib.util as u\n"
        "real = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'mmcv._ext' else real(name, *a)\n"
        "sys.modules['mmcv._ext'] = None\n"
        "from wsol_mm.registry import MODELS\n"
        "assert MODELS.get('wsol_mm.CAMHead') is not None\n"
        "assert 'wsol_mm.models.detectors' not in sys.modules"
    )
    assert "mmpretrain" in loaded_after(statement)
