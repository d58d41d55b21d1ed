"""Maps from the grad-cam package (Grad-CAM, LayerCAM, Eigen-CAM, ...) for any network."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from wsol_mm.models.feature_site import FeatureSite

# One needs the images' gradients, the other second derivatives.
_UNFIT = ("FullGrad", "ShapleyCAM")
# Their maps are the features' own, the same for every class.
_KNOW_NO_CLASS = ("EigenCAM", "FEM", "KPCA_CAM")


def extractor_classes() -> dict[str, Any]:
    """The package's extractors that weigh one layer's output, by class name.

    Raises:
        ImportError: The package is missing.
    """
    try:
        import pytorch_grad_cam
        from pytorch_grad_cam.base_cam import BaseCAM
    except ImportError as error:
        message = f"the grad-cam package is missing ({error}): pip install grad-cam"
        raise ImportError(message) from error
    return {
        name: entry
        for name, entry in sorted(vars(pytorch_grad_cam).items())
        if isinstance(entry, type) and issubclass(entry, BaseCAM) and name not in _UNFIT
    }


def extractor_class(method: str) -> Any:
    """An extractor by its class name or in small letters: ``GradCAM`` is ``grad_cam``.

    Raises:
        ImportError: The package is missing.
        ValueError: It has no such extractor, or one that does not weigh one layer's output.
    """
    known = extractor_classes()
    for name, entry in known.items():
        if method == name or method == _small(name):
            return entry
    raise ValueError(
        f"method must be one of {', '.join(known)}, got {method!r} (or in small letters: grad_cam, "
        "layer_cam, ...)"
    )


def _small(name: str) -> str:
    """``GradCAMPlusPlus`` as ``grad_cam_plus_plus``.

    >>> [_small(name) for name in ("GradCAM", "XGradCAM", "HiResCAM", "KPCA_CAM", "FEM")]
    ['grad_cam', 'xgrad_cam', 'hires_cam', 'kpca_cam', 'fem']
    """
    if name == "HiResCAM":
        return "hires_cam"
    words = re.sub(r"([a-z])([A-Z])", r"\1_\2", name.replace("CAM", "_CAM_"))
    return re.sub(r"_+", "_", words).strip("_").lower()


def gradient_maps(
    extractor_type: Any,
    network: nn.Module,
    site: FeatureSite,
    inputs: Tensor,
    choose: Callable[[Tensor], Tensor],
) -> tuple[Tensor, Tensor, Tensor]:
    """Logits, classes and what the extractor computes before it scales its maps.

    Only the layers behind the site are differentiated, with respect to its output; parameters are
    neither asked for gradients nor given any, and it works within ``torch.no_grad``.

    Args:
        extractor_type: See :func:`extractor_class`.
        network: In eval mode; returns logits (B, K).
        site: The layer that is explained.
        inputs: (B, 3, H, W).
        choose: Gets the logits, returns the wanted classes, int64 (B, k).

    Returns:
        Logits (B, K) without gradient, the classes (B, k), and their maps, float32 (B, k, h, w) at
        the layer's resolution, negative values cut at 0.

    Raises:
        ValueError: The layer did not run exactly once, or AblationCAM is asked for tokens.
    """
    if extractor_type.__name__ == "AblationCAM" and site.layout != "channels_first":
        raise ValueError(
            f"AblationCAM takes maps (B, C, h, w), but layer '{site.name}' gives {site.layout}"
        )
    logits, output = _differentiable_behind(network, site, inputs)
    labels = choose(logits.detach())
    # It calls the network itself where its weights come from further passes (Score-CAM).
    extractor = extractor_type(network, [site.module], site.to_map)
    # It has recorded nothing yet: features and gradients are handed to it.
    extractor.activations_and_grads.release()
    activations = site.to_map(output).detach().float().cpu().numpy()
    once = extractor_type.__name__ in _KNOW_NO_CLASS
    maps = [
        _maps_of_one_class(extractor, inputs, logits, output, activations, site, column)
        for column in labels.T[: 1 if once else None]
    ]
    stacked = torch.stack(maps, dim=1)
    return logits.detach(), labels, stacked.expand(-1, labels.shape[1], -1, -1)


def _differentiable_behind(
    network: nn.Module, site: FeatureSite, inputs: Tensor
) -> tuple[Tensor, Tensor]:
    """Logits, and the layer's output that they can be differentiated by."""
    outputs: list[Tensor] = []

    def begin(_module: nn.Module, _args: tuple[Any, ...], output: Tensor) -> Tensor:
        torch.set_grad_enabled(True)
        outputs.append(output.detach().requires_grad_())
        return outputs[-1].clone()  # what follows may work in place

    handle = site.module.register_forward_hook(begin)
    try:
        with torch.no_grad():  # until the hook, and its end restores what was before
            logits = network(inputs)
    finally:
        handle.remove()
    if len(outputs) != 1:
        raise ValueError(
            f"layer '{site.name}' must run once in a forward pass, it ran {len(outputs)} times: "
            "name another module"
        )
    return logits, outputs[0]


def _maps_of_one_class(
    extractor: Any,
    inputs: Tensor,
    logits: Tensor,
    output: Tensor,
    activations: np.ndarray,
    site: FeatureSite,
    labels: Tensor,
) -> Tensor:
    """Maps of one class for each image, float32 (B, h, w)."""
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    gradients = None
    if extractor.uses_gradients:
        wanted = one_hot(labels, logits.shape[1]).to(logits.dtype)
        (gradient,) = torch.autograd.grad(logits, output, wanted, retain_graph=True)
        gradients = site.to_map(gradient).float().cpu().numpy()
    targets: Sequence[Any] = [ClassifierOutputTarget(label) for label in labels.tolist()]
    maps = extractor.get_cam_image(inputs, site.module, targets, activations, gradients, False)
    return torch.from_numpy(np.maximum(maps, 0).astype(np.float32)).to(inputs.device)
