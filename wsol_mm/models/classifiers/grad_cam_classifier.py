"""Maps from the grad-cam package (Grad-CAM, Grad-CAM++, LayerCAM, ...) for any classifier."""

from typing import Any

from mmpretrain.structures import DataSample
from torch import Tensor

from wsol_mm.models.classifiers.wsol_classifier import WSOLClassifier
from wsol_mm.models.feature_site import FeatureSite, named_site
from wsol_mm.models.gradient_maps import extractor_class, gradient_maps
from wsol_mm.models.heads.localizer_head import set_maps, wanted_labels
from wsol_mm.registry import MODELS


@MODELS.register_module()
class GradCAMClassifier(WSOLClassifier):
    """A classifier whose maps come from an extractor of the grad-cam package.

    Grad-CAM is of Selvaraju et al., ICCV 2017; the package names the others' papers.

    Training is the parent's, so checkpoints fit both ways; only the maps at test differ. They are
    what the extractor computes before it scales them: ``get_cam_image``, then ReLU, at the target
    layer's resolution (:func:`wsol_mm.models.gradient_maps.gradient_maps`). It works within
    ``torch.no_grad``.

    Args:
        cam: ``dict(method=..., target_layer=...)``: the class's name in ``pytorch_grad_cam`` and
            the module whose output is explained, as in ``model.named_modules()``: maps (B, C, h, w)
            or tokens (B, N, C), whose class token is dropped.
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
        self._sites: dict[tuple[int, ...], FeatureSite] = {}

    def predict(
        self, inputs: Tensor, data_samples: list[DataSample] | None = None, **kwargs: Any
    ) -> list[DataSample]:
        """As ``CAMHead.predict``: scores, label, ``map_labels`` and ``pred_maps`` (k, h, w)."""
        size = tuple(inputs.shape[2:])
        if size not in self._sites:
            self._sites[size] = named_site(self, self.target_layer, inputs[:1])
        samples: list[DataSample] = []

        def choose(logits: Tensor) -> Tensor:
            samples.extend(self.head._get_predictions(logits.float(), data_samples))
            num_maps = min(getattr(self.head, "num_maps", 5), logits.shape[1])
            return wanted_labels(logits, samples, num_maps)

        _, labels, maps = gradient_maps(self.extractor, self, self._sites[size], inputs, choose)
        set_maps(samples, labels, maps)
        return samples


def _read(method: str, target_layer: str) -> tuple[Any, str]:
    """The extractor's class, and the layer's name as it is."""
    return extractor_class(method), target_layer
