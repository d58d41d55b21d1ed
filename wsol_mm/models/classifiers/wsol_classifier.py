"""MMPretrain's classifier with layers inside the network, taps, an erased branch and refiners."""

from collections.abc import Mapping, Sequence
from typing import Any

from mmpretrain.models.classifiers import ImageClassifier
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from wsol_mm.models.classifiers.erased_branch import ErasedBranch
from wsol_mm.models.classifiers.followers import InsertedLayer, Tap, tapping
from wsol_mm.models.heads.localizer_head import TappedFeatures
from wsol_mm.models.refiners import build_refiners, refine_samples
from wsol_mm.registry import MODELS


@MODELS.register_module()
class WSOLClassifier(ImageClassifier):
    """An image classifier whose parts can be reached from a config, whatever its backbone is.

    Modules are named as in ``model.named_modules()``, for example ``backbone.layer3.0``.

    Args:
        layers: ``dict(after=name, layer=dict(type=...))`` each: the layer gets the named module's
            output, a tensor, and what it returns goes on in its place, in training and at test.
            Entries behind the same module run in list order.
        taps: ``dict(key=name)``: the head finds the output of the named module (behind inserted
            layers) under that key, see
            :class:`wsol_mm.models.heads.localizer_head.TappedFeatures`. A list of names gives a
            tuple of outputs. Which keys there must be, the head says.
        erasing: A second branch in training, ``dict(after=name, layer=dict(type=...), ...)`` with
            the arguments of :class:`wsol_mm.models.classifiers.erased_branch.ErasedBranch`. The
            head's losses see the images as they are; the erased ones enter ``loss_erasing`` alone,
            times ``loss_weight``. With ``loss_weight=0`` nothing of all this happens.
        refiners: ``dict(type='wsol_mm.ARM', ...)`` and the like, laid over the predicted maps one
            after the other. Of each image the first map is refined and kept, at the size of the
            input: that of ``gt_label``, else of the best class. Refiners see the uint8 RGB image
            that the data preprocessor made the input from.
        **kwargs: Of ``mmpretrain.ImageClassifier``.

    Raises:
        ValueError: A name that the model does not have, taps without keys, or what
            ``ErasedBranch`` refuses.
    """

    def __init__(
        self,
        *,
        layers: Sequence[dict] = (),
        taps: Mapping[str, str | Sequence[str]] | None = None,
        erasing: dict | None = None,
        refiners: Sequence[dict] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.refiners = build_refiners(refiners)
        self.layers = nn.ModuleList()
        for entry in layers:
            module = self._module(entry["after"], "layers")
            self.layers.append(InsertedLayer(module, MODELS.build(entry["layer"])))
        self.erasing: ErasedBranch | None = None
        if erasing is not None:
            module = self._module(erasing["after"], "erasing.after")
            self.erasing = ErasedBranch(module, **erasing)
        if not isinstance(taps or {}, Mapping):
            raise ValueError(
                f"taps must be a dict of module names by key, such as dict(qkv=...), got {taps!r}"
            )
        self.taps: dict[str, str | Sequence[str]] = dict(taps or {})
        self._taps = nn.ModuleDict(
            {
                key: nn.ModuleList(Tap(self._module(name, f"taps.{key}")) for name in _names(value))
                for key, value in self.taps.items()
            }
        )

    def forward(
        self,
        inputs: Tensor,
        data_samples: list[DataSample] | None = None,
        mode: str = "tensor",
    ) -> Any:
        """As of the parent; predicted maps are refined where there are refiners."""
        outputs = super().forward(inputs, data_samples, mode)
        if self.refiners and mode == "predict":
            refine_samples(self.refiners, outputs, inputs, self.data_preprocessor)
        return outputs

    def extract_feat(self, inputs: Tensor, stage: str = "neck") -> Any:
        """Features as of the parent, with what was tapped on the way."""
        if not self.taps:
            return super().extract_feat(inputs, stage)
        if stage == "pre_logits":
            return self.head.pre_logits(self.extract_feat(inputs))
        with tapping(tap for group in self._taps.values() for tap in group):
            feats = super().extract_feat(inputs, stage)
            found = {
                key: self._taps[key][0].output
                if isinstance(value, str)
                else tuple(tap.output for tap in self._taps[key])
                for key, value in self.taps.items()
            }
        return TappedFeatures(feats, found)

    def loss(self, inputs: Tensor, data_samples: list[DataSample]) -> dict[str, Tensor]:
        """Losses of the head, and ``loss_erasing`` where there is an erased branch."""
        erasing = self.erasing
        if erasing is None or not erasing.loss_weight:
            return super().loss(inputs, data_samples)
        with erasing.doubling(self, len(inputs)):
            feats = self.extract_feat(inputs)
        clean, erased = erasing.split(feats, len(inputs))
        losses = self.head.loss(clean, data_samples)
        loss = erasing.branch_loss(self.head, clean, erased, data_samples)
        return {**losses, "loss_erasing": loss}

    def _module(self, name: str, key: str) -> nn.Module:
        try:
            return self.get_submodule(name)
        except AttributeError:
            children = ", ".join(child for child, _ in self.backbone.named_children())
            raise ValueError(
                f"{type(self).__name__}: {key} names '{name}', which the model does not have; "
                f"expected a name of model.named_modules(), such as backbone.<one of {children}>"
            ) from None


def _names(value: str | Sequence[str]) -> Sequence[str]:
    return [value] if isinstance(value, str) else value
