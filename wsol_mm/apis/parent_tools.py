"""Command-line tools that the parents' packages bring, as modules."""

from __future__ import annotations

from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType


def parent_tool(package: str, path: str) -> ModuleType:
    """Import a tool out of ``.mim/tools`` of an installed package.

    Args:
        package: ``mmpretrain`` or ``mmdet``.
        path: Below ``tools``, such as ``analysis_tools/analyze_logs.py``.

    Raises:
        FileNotFoundError: The package is not installed, or its installation lacks the file.
    """
    found = find_spec(package)
    if found is None or found.origin is None:
        raise FileNotFoundError(f"{package} is not installed: its tools/{path} is needed")
    file = Path(found.origin).parent / ".mim/tools" / path
    if not file.is_file():
        raise FileNotFoundError(f"{file} does not exist: install {package} from a wheel")
    spec = spec_from_file_location(f"{package}_{file.stem}", file)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
