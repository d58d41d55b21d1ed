"""Maps from the grad-cam package (Grad-CAM, Grad-CAM++, LayerCAM, ...) for any classifier."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmpretrain.structures import DataSample
from torch import Tensor, nn
from torch.nn.functional import one_hot

from wsol_mm.models.classifiers.wsol_classifier import WSOLClassifier
from wsol_mm.models.heads.cam_head import set_maps, wanted_labels
from wsol_mm.registry import MODELS

# One needs the images' gradients, the other second derivatives.
_UNFIT = ("FullGrad", "ShapleyCAM")


@MODELS.register_module()
class GradCAMClassifier(WSOLClassifier):
    """A classifier whose maps come from an extractor of the grad-cam package.

    Training is the parent's, so checkpoints fit both ways; only the maps at test differ. They are
    what the extractor computes before it scales them: ``get_cam_image``, then ReLU, at the target
    layer's resolution. Only the layers behind the target layer are differentiated, with respect to
    its output; parameters are neither asked for gradients nor given any, and it works within
    ``torch.no_grad``.

    Args:
        cam: ``dict(method=..., target_layer=...)``: the class's name in ``pytorch_grad_cam`` and
            the module whose output (B, C, h, w) is explained, as in ``model.named_modules()``.
        **kwargs: Of :class:`WSOLClassifier`. Any head that gives logits will do; ``num_maps``
            is the head's, or 5.

    Raises:
        ImportError: The package is missing.
        ValueError: An unknown method or layer, or a method that does not weigh one layer's output.
    """

    def __init__(self, *, cam: dict, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.extractor, self.target_layer = _read(**cam)
        self._module(self.target_layer, "cam.target_layer")

    def predict(
        self, inputs: Tensor, data_samples: list[DataSample] | None = None, **kwargs: Any
    ) -> list[DataSample]:
        """As ``CAMHead.predict``: scores, label, ``map_labels`` and ``pred_maps`` (k, h, w)."""
        layer = self._module(self.target_layer)
        logits, features = self._differentiable_behind(layer, inputs)
        samples = self.head._get_predictions(logits.detach().float(), data_samples)
        num_maps = min(getattr(self.head, "num_maps", 5), logits.shape[1])
        labels = wanted_labels(logits, samples, num_maps)
        extractor = self.extractor(self, [layer])
        # It has recorded nothing yet: features and gradients are handed to it.
        extractor.activations_and_grads.release()
        maps = [self._maps(extractor, inputs, logits, features, column) for column in labels.T]
        set_maps(samples, labels, torch.stack(maps, dim=1))
        return samples

    def _differentiable_behind(self, layer: nn.Module, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Logits, and the layer's output that they can be differentiated by."""
        outputs: list[Tensor] = []

        def begin(_module: nn.Module, _args: tuple[Any, ...], output: Tensor) -> Tensor:
            torch.set_grad_enabled(True)
            outputs.append(output.detach().requires_grad_())
            return outputs[-1].clone()  # what follows may work in place

        handle = layer.register_forward_hook(begin)
        try:
            with torch.no_grad():  # until the hook, and its end restores what was before
                logits = self(inputs)
        finally:
            handle.remove()
        if len(outputs) != 1 or outputs[0].dim() != 4:
            shapes = [tuple(output.shape) for output in outputs]
            raise ValueError(
                f"cam.target_layer '{self.target_layer}' must run once and give (B, C, h, w), "
                f"its outputs were {shapes}: name another module"
            )
        return logits, outputs[0]

    def _maps(
        self, extractor: Any, inputs: Tensor, logits: Tensor, features: Tensor, labels: Tensor
    ) -> Tensor:
        """Maps of one class for each image, float32 (B, h, w)."""
        from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

        gradients = None
        if extractor.uses_gradients:
            wanted = one_hot(labels, logits.shape[1]).to(logits.dtype)
            (gradient,) = torch.autograd.grad(logits, features, wanted, retain_graph=True)
            gradients = gradient.float().cpu().numpy()
        targets: Sequence[Any] = [ClassifierOutputTarget(label) for label in labels.tolist()]
        activations = features.detach().float().cpu().numpy()
        maps = extractor.get_cam_image(
            inputs, extractor.target_layers[0], targets, activations, gradients, False
        )
        return torch.from_numpy(np.maximum(maps, 0).astype(np.float32)).to(inputs.device)


def _read(method: str, target_layer: str) -> tuple[Any, str]:
    """The class of that name, and the layer's name as it is."""
    try:
        import pytorch_grad_cam
        from pytorch_grad_cam.base_cam import BaseCAM
    except ImportError as error:
        raise ImportError(
            f"GradCAMClassifier needs the grad-cam package ({error}): pip install grad-cam"
        ) from error
    known = sorted(
        name
        for name, entry in vars(pytorch_grad_cam).items()
        if isinstance(entry, type) and issubclass(entry, BaseCAM) and name not in _UNFIT
    )
    if method not in known:
        raise ValueError(f"cam.method must be one of {', '.join(known)}, got {method!r}")
    return getattr(pytorch_grad_cam, method), target_layer
