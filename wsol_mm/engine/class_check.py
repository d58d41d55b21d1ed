"""Data, network and checkpoint must count the same classes."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from torch import nn


def head_sizes(model: nn.Module) -> dict[str, int]:
    """``num_classes`` of the heads that classify: ``head``, ``bbox_head``, ``roi_head.bbox_head``.

    Args:
        model: Classifier or detector, wrapped for several ranks or not.

    Returns:
        ``{key below model: number of classes}``; empty where the model has none of these.
    """
    model = model.module if is_model_wrapper(model) else model
    places = {
        "head": getattr(model, "head", None),
        "bbox_head": getattr(model, "bbox_head", None),
        "roi_head.bbox_head": getattr(getattr(model, "roi_head", None), "bbox_head", None),
    }
    sizes = {}
    for place, head in places.items():
        first = head[0] if isinstance(head, nn.ModuleList) else head
        if isinstance(getattr(first, "num_classes", None), int):
            sizes[place] = first.num_classes
    return sizes


def data_classes(dataset: Any) -> tuple[str, ...]:
    """Class names that a data set, wrapped or not, states; empty where it states none."""
    classes = (getattr(dataset, "metainfo", None) or {}).get("classes") or ()
    return (classes,) if isinstance(classes, str) else tuple(classes)


def check_sizes(model: nn.Module, classes: Sequence[str], split: str) -> None:
    """Compare the number of classes of data and network.

    Args:
        model: See :func:`head_sizes`.
        classes: See :func:`data_classes`; nothing is compared where there are none.
        split: Of the data, for the message.

    Raises:
        ValueError: They differ, in either direction.
    """
    for place, size in head_sizes(model).items():
        if classes and size != len(classes):
            known = ", ".join(classes[:3]) + (", ..." if len(classes) > 3 else "")
            raise ValueError(
                f"the {split} data have {len(classes)} classes ({known}), but "
                f"model.{place}.num_classes is {size}: set it to {len(classes)}, or name the "
                f"network's {size} classes in the data set's 'classes'"
            )


def check_names(classes: Sequence[str], others: Sequence[str], split: str, source: str) -> None:
    """Compare the numbering of two lists of classes by their names.

    Lists without a common name (WordNet ids and English names, say) are only warned of; nothing is
    compared where one is empty.

    Args:
        classes: Of the data.
        others: Of the training data or of a checkpoint.
        split: Of the data, for the message.
        source: Of the others, for the message.

    Raises:
        ValueError: A class has another number, or is none of the others.
    """
    index = {name: number for number, name in enumerate(others)}
    common = [name for name in classes if name in index]
    if classes and others and not common:
        print_log(
            f"the {split} data and {source} name no class alike ({classes[0]}; {others[0]}): "
            "whether they are numbered alike is not known",
            logger="current",
            level=logging.WARNING,
        )
        return
    for number, name in enumerate(classes) if common else ():
        if index.get(name) != number:
            place = f"number {index[name]}" if name in index else "none of them"
            raise ValueError(
                f"class '{name}' has number {number} in the {split} data, but is {place} in "
                f"{source}: give both the same list with the data set's 'classes'"
            )
