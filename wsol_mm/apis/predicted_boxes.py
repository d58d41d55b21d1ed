"""From a prediction to boxes: the rule of maps, the least score of a detector, names of objects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsol_mm.apis.classifiers import Prediction
from wsol_mm.functional.box_rule import BoxRule
from wsol_mm.functional.geometry import to_original_frame

# Best at IoU .5 of the default model on 650 ILSVRC images, see docs/localize.md.
DEFAULT_THRESHOLD = 0.23
DEFAULT_SCORE = 0.3


def choose_rule(
    given: BoxRule | None, config: BoxRule | None, source: str | None = None
) -> tuple[BoxRule, str]:
    """The rule and where its threshold comes from; one that a split chooses is not known here.

    Args:
        given: By the caller, or None.
        config: Of the config or file, or None.
        source: Where the latter has its threshold from, if it is known better.
    """
    if given is not None:
        return given, "argument"
    if config is None:
        return BoxRule(threshold=DEFAULT_THRESHOLD), "default"
    if config.threshold in ("oracle", "val"):
        return config.at(DEFAULT_THRESHOLD, "fixed"), "default"
    return config, source or ("val" if config.source == "val" else "config")


def boxes_of_maps(
    prediction: Prediction, rule: BoxRule
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    """Boxes of every class's map in the original image, with class and probability."""
    frame = prediction.frame
    boxes, labels = [], []
    for label, score_map in prediction.maps.items():
        found = rule.apply(score_map, frame.input_size)
        found = to_original_frame(found, frame.matrix, frame.size[::-1])
        found = found[(found[:, 2] > found[:, 0]) & (found[:, 3] > found[:, 1])]
        areas = (found[:, 2] - found[:, 0]) * (found[:, 3] - found[:, 1])
        boxes.append(found[np.argsort(-areas, kind="stable")])
        labels += [label] * len(found)
    joined = np.array(labels, dtype=np.int64)
    return np.concatenate(boxes), joined, prediction.class_scores[joined].astype(np.float64)


def name_objects(
    prediction: Prediction, class_scores: NDArray[np.float32], labels: Sequence[int]
) -> Prediction:
    """A detector's boxes with the image's classes: every box for each of them."""
    count = len(prediction.boxes)
    order = [(box, int(label)) for label in labels for box in range(count)]
    rows = np.array([box for box, _ in order], dtype=np.int64)
    names = np.array([label for _, label in order], dtype=np.int64)
    return Prediction(
        prediction.frame,
        class_scores,
        boxes=prediction.boxes[rows],
        scores=prediction.scores[rows] * class_scores[names],
        labels=names,
    )


def is_share(value: Any) -> bool:
    """Whether a value is a number in [0, 1)."""
    return isinstance(value, (int, float)) and 0 <= value < 1
