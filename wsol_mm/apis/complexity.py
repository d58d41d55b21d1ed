"""Size and cost of a config's network, classifier or detector, by mmengine's counters."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from mmengine.analysis import get_model_complexity_info
from mmengine.config import Config
from mmengine.registry import DefaultScope

from wsol_mm.apis.config_models import is_detector
from wsol_mm.apis.model_zoo import get_model


def test_size(cfg: Config) -> tuple[int, int] | None:
    """Height and width of what the test pipeline gives the network; None where images decide.

    Example:
        >>> steps = [dict(type="Resize", scale=(256, 224)), dict(type="PackInputs")]
        >>> test_size(Config(dict(test_dataloader=dict(dataset=dict(pipeline=steps)))))
        (224, 256)
    """
    size = None
    for step in cfg.get("test_dataloader", {}).get("dataset", {}).get("pipeline", []):
        wanted = step.get("crop_size", step.get("scale"))
        if wanted is not None:
            width, height = (wanted, wanted) if isinstance(wanted, int) else wanted
            size = (height, width)
    return size


def complexity(cfg: Config, shape: tuple[int, int] | None = None) -> dict[str, Any]:
    """Count a network's parameters, and the multiply-adds and activations of one image.

    Weights are random. Counted is the ``tensor`` mode: a classifier up to its class scores (a class
    activation map adds next to nothing), a detector up to its heads' outputs, two-stage ones with
    the proposals of the random weights.

    Args:
        cfg: The config.
        shape: Height and width of the input; the test pipeline's by default.

    Returns:
        ``get_model_complexity_info``'s: ``flops``, ``params`` and ``activations`` as numbers and,
        ending in ``_str``, in words; ``out_table``; and ``shape``.

    Raises:
        ValueError: The pipeline names no size and ``shape`` is not given.
    """
    shape = shape or test_size(cfg)
    if shape is None:
        raise ValueError("the test pipeline takes images at their own size: give --shape")
    model = get_model(cfg, False)
    inputs = torch.zeros(1, 3, *shape)
    if is_detector(model):
        from mmdet.structures import DetDataSample

        sizes = dict.fromkeys(("img_shape", "ori_shape", "pad_shape", "batch_input_shape"), shape)
        sample = DetDataSample(metainfo={**sizes, "scale_factor": (1.0, 1.0)})
        model.forward = partial(model.forward, data_samples=[sample])
    scope = cfg.get("default_scope", "mmengine")
    with DefaultScope.overwrite_default_scope(scope), torch.no_grad():
        return {**get_model_complexity_info(model, inputs=inputs, show_arch=False), "shape": shape}
