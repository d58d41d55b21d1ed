"""What users call; the tools are command lines of it. Imported when used for the first time."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wsol_mm.apis.joint_evaluation import join
    from wsol_mm.apis.localizer import Localizer
    from wsol_mm.apis.map_evaluation import evaluate_maps
    from wsol_mm.apis.map_refinement import refine_maps
    from wsol_mm.apis.model_zoo import get_model, list_models
    from wsol_mm.apis.pseudo_boxes import make_pseudo_boxes

__all__ = [
    "Localizer",
    "evaluate_maps",
    "get_model",
    "join",
    "list_models",
    "make_pseudo_boxes",
    "refine_maps",
]

_MODULE_OF = {
    "Localizer": "localizer",
    "evaluate_maps": "map_evaluation",
    "get_model": "model_zoo",
    "join": "joint_evaluation",
    "list_models": "model_zoo",
    "make_pseudo_boxes": "pseudo_boxes",
    "refine_maps": "map_refinement",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'wsol_mm.apis' has no attribute {name!r}")
    return getattr(import_module(f"wsol_mm.apis.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULE_OF})
