"""What the demo app does with a photograph: callbacks that know nothing of the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from PIL import Image

from wsol_mm.apis.localization import Localization
from wsol_mm.apis.localizer import Localizer

OWN_METHOD = "the model's own"
BEST_CLASS = "the best"
METHODS = (OWN_METHOD, "cam", "grad_cam", "layer_cam", "hires_cam", "eigen_cam", "score_cam")
COLUMNS = ("class", "score", "x0", "y0", "x1", "y1")
# Localizers that stay in memory, and photographs whose maps do.
_MODELS, _RESULTS = 4, 16

Row = list[str | float]


class Demo:
    """Localizes the photograph of a page, and again when a control moves.

    A network runs when photograph, model, method or class change; threshold and number of objects
    are read from the maps that it gave.

    Args:
        models: Name shown -> (model, checkpoint) of :class:`wsol_mm.Localizer`.
        device: Of all models; the best there is by default.
    """

    def __init__(
        self, models: Mapping[str, tuple[str, str | bool | None]], device: str | None = None
    ) -> None:
        self.models, self.device = dict(models), device
        self.localizer = lru_cache(_MODELS)(self._localizer)
        self._results: dict[Any, Localization] = {}

    def model_changed(self, model: str) -> tuple[list[str], float | None, str]:
        """What the controls show for a model.

        Args:
            model: One of ``models``.

        Returns:
            Its classes behind :data:`BEST_CLASS`; its threshold, None where there is none; and an
            empty text, or why the model cannot be had.
        """
        try:
            localizer = self.localizer(model, OWN_METHOD)
        except (ImportError, OSError, RuntimeError, ValueError) as error:
            return [BEST_CLASS], None, _line(error)
        rule, _ = localizer.rule_at(None, "one")
        threshold = getattr(rule, "threshold", rule)
        return (
            [BEST_CLASS, *localizer.classes],
            threshold if isinstance(threshold, float) else None,
            "",
        )

    def localize(
        self,
        photograph: Image.Image | None,
        model: str,
        method: str = OWN_METHOD,
        label: str = BEST_CLASS,
        threshold: float | None = None,
        objects: str = "one",
        heat: float = 0.4,
    ) -> tuple[Image.Image | None, list[Row], str]:
        """The photograph with map and boxes, the boxes as a table, and what there is to say.

        Args:
            photograph: None before there is one.
            model: One of ``models``.
            method: One of :data:`METHODS`.
            label: A class, or :data:`BEST_CLASS`.
            threshold: Share of the map's maximum, of a detector the lowest score; None for the
                model's.
            objects: ``one`` or ``all``.
            heat: Weight of the map in the picture.

        Returns:
            The picture; rows of :data:`COLUMNS`; one line of text, which is the error where there
            is one (the photograph then comes back as it is).
        """
        if photograph is None:
            return None, [], "Drop a photograph."
        try:
            result = self._result(photograph, model, method, label, threshold, objects)
        except (ImportError, OSError, RuntimeError, ValueError) as error:
            return photograph, [], _line(error)
        rows: list[Row] = [
            [name, round(score, 3), *(round(edge, 1) for edge in box)]
            for box, _, name, score in result.rows()
        ]
        found = f"{len(rows)} {'box' if len(rows) == 1 else 'boxes'}"
        return result.plot(heat), rows, f"{found}, threshold {_threshold(result)}."

    def _result(
        self,
        photograph: Image.Image,
        model: str,
        method: str,
        label: str,
        threshold: float | None,
        objects: str,
    ) -> Localization:
        localizer = self.localizer(model, method)
        labels = None if label == BEST_CLASS else label
        seen = (photograph.size, photograph.mode, hash(photograph.tobytes()), model, method, labels)
        if seen in self._results:
            return localizer.again(self._results[seen], threshold, objects)
        (result,) = localizer(
            photograph, labels=labels, threshold=threshold, objects=objects, show_progress=False
        )
        if result.raw_maps:  # a detector's boxes are not all kept
            self._results[seen] = result
            for oldest in list(self._results)[:-_RESULTS]:
                del self._results[oldest]
        return result

    def _localizer(self, model: str, method: str) -> Localizer:
        name, checkpoint = self.models[model]
        own = None if method == OWN_METHOD else method
        return Localizer(name, checkpoint, own, self.device, show_progress=False)


def read_models(given: Sequence[str]) -> dict[str, tuple[str, str | bool | None]]:
    """Models of a command line.

    Args:
        given: ``NAME`` or ``NAME=CHECKPOINT``; ``none`` for random weights.

    Returns:
        Of :class:`Demo`.

    Raises:
        ValueError: A name comes twice.

    Example:
        >>> read_models(["timm/resnet18=none", "model.onnx"])
        {'timm/resnet18': ('timm/resnet18', False), 'model.onnx': ('model.onnx', None)}
    """
    models: dict[str, tuple[str, str | bool | None]] = {}
    for entry in given:
        name, _, checkpoint = entry.partition("=")
        if name in models:
            raise ValueError(f"--models names {name} twice")
        models[name] = (name, False if checkpoint == "none" else checkpoint or None)
    return models


def _threshold(result: Localization) -> str:
    number = "of each map" if result.threshold is None else f"{result.threshold:.2f}"
    return f"{number} ({result.threshold_source})"


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
