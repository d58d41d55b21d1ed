"""MMPretrain's classifier with layers inside the network, taps, and a branch of erased features."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from mmpretrain.models.classifiers import ImageClassifier
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from wsol_mm.models.batch_norm import batch_norm_by_branch, training_norms, untracked
from wsol_mm.models.refiners import build_refiners, refine_samples
from wsol_mm.registry import MODELS

_LOSSES = ("consistency", "classification")
_BATCH_NORMS = ("clean", "separate", "joint")


class _Inserted(nn.Module):
    """A layer behind a module; a bound method as hook survives copying and pickling the model."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def follow(self, module: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor:
        return self.layer(output)


@MODELS.register_module()
class WSOLClassifier(ImageClassifier):
    """An image classifier whose parts can be reached from a config, whatever its backbone is.

    Modules are named as in ``model.named_modules()``, for example ``backbone.layer3.0``.

    Args:
        layers: ``dict(after=name, layer=dict(type=...))`` each: the layer gets the named module's
            output, a tensor, and what it returns goes on in its place, in training and at test.
            Entries behind the same module run in list order.
        taps: Names of modules whose outputs (behind inserted layers) stand before the backbone's
            own in the features that the head gets.
        erasing: A second branch in training: behind the module ``after`` the batch is doubled with
            what ``layer`` makes of it, so that only the layers behind it run on both. The head's
            losses see the first half; the second enters ``loss_erasing`` alone, times
            ``loss_weight``. ``loss='consistency'`` is the mean absolute difference of the two last
            feature maps (Kim et al., CVPR 2022, eq. 9; mean over elements, as their code has it),
            with gradients into both; ``loss='classification'`` the head's classification loss of
            the erased features (Mai et al., CVPR 2020). ``batch_norm`` says what the second half
            does to batch norms: ``clean`` (default) normalises it by its own statistics and leaves
            the running ones, which the test uses, to the images as they are; ``separate`` updates
            the running statistics with both in turn, as two passes do; ``joint`` takes statistics
            over both halves at once. With ``loss_weight=0`` nothing of all this happens.
        refiners: ``dict(type='wsol_mm.ARM', ...)`` and the like, laid over the predicted maps one
            after the other. Of each image the first map is refined and kept, at the size of the
            input: that of ``gt_label``, else of the best class. Refiners see the uint8 RGB image
            that the data preprocessor made the input from.
        **kwargs: Of ``mmpretrain.ImageClassifier``.

    Raises:
        ValueError: A name that the model does not have, or an unknown ``loss`` or ``batch_norm``.
    """

    def __init__(
        self,
        *,
        layers: Sequence[dict] = (),
        taps: Sequence[str] = (),
        erasing: dict | None = None,
        refiners: Sequence[dict] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.refiners = build_refiners(refiners)
        self.layers = nn.ModuleList()
        for entry in layers:
            inserted = _Inserted(MODELS.build(entry["layer"]))
            self._module(entry["after"], "layers").register_forward_hook(inserted.follow)
            self.layers.append(inserted)
        self.taps = tuple(taps)
        for name in self.taps:
            self._module(name, "taps")
        self.erasing = None if erasing is None else self._build_erasing(**erasing)

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
        """Features as of the parent, the tapped ones first (not for ``stage='pre_logits'``)."""
        if not self.taps or stage == "pre_logits":
            return super().extract_feat(inputs, stage)
        with ExitStack() as stack:
            tapped = [stack.enter_context(_recorded(self._module(name))) for name in self.taps]
            feats = super().extract_feat(inputs, stage)
        return (*(outputs[-1] for outputs in tapped), *feats)

    def loss(self, inputs: Tensor, data_samples: list[DataSample]) -> dict[str, Tensor]:
        """Losses of the head, and ``loss_erasing`` where there is an erased branch."""
        erasing = self.erasing
        if erasing is None or not erasing.loss_weight:
            return super().loss(inputs, data_samples)
        count = len(inputs)
        with (
            _hooked(self._module(erasing.after), erasing.double),
            batch_norm_by_branch(self, count, erasing.batch_norm),
        ):
            feats = self.extract_feat(inputs)
        # What was tapped before the branch began is not doubled.
        clean = tuple(feat[:count] for feat in feats)
        erased = tuple(feat[-count:] for feat in feats)
        if len(feats[-1]) != 2 * count:
            raise ValueError(
                f"erasing.after='{erasing.after}' does not stand before the backbone's last feature"
            )
        losses = self.head.loss(clean, data_samples)
        if erasing.loss == "consistency":
            loss = (clean[-1].float() - erased[-1].float()).abs().mean()
        else:
            norms = training_norms(self.head) if erasing.batch_norm == "clean" else []
            with untracked(norms):
                loss = self.head._get_loss(self.head(erased), data_samples)["loss"]
        return {**losses, "loss_erasing": erasing.loss_weight * loss}

    def _build_erasing(
        self,
        after: str,
        layer: dict,
        loss: str = "consistency",
        loss_weight: float = 1.0,
        batch_norm: str = "clean",
    ) -> "_Erasing":
        self._module(after, "erasing.after")
        for key, value, known in (
            ("loss", loss, _LOSSES),
            ("batch_norm", batch_norm, _BATCH_NORMS),
        ):
            if value not in known:
                raise ValueError(f"erasing.{key} must be one of {known}, got {value!r}")
        return _Erasing(MODELS.build(layer), after, loss, loss_weight, batch_norm)

    def _module(self, name: str, key: str = "") -> nn.Module:
        try:
            return self.get_submodule(name)
        except AttributeError:
            children = ", ".join(child for child, _ in self.backbone.named_children())
            raise ValueError(
                f"{type(self).__name__}: {key} names '{name}', which the model does not have; "
                f"expected a name of model.named_modules(), such as backbone.<one of {children}>"
            ) from None


class _Erasing(nn.Module):
    """The erased branch's layer and settings."""

    def __init__(
        self, layer: nn.Module, after: str, loss: str, loss_weight: float, batch_norm: str
    ) -> None:
        super().__init__()
        self.layer = layer
        self.after = after
        self.loss = loss
        self.loss_weight = loss_weight
        self.batch_norm = batch_norm

    def double(self, module: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor:
        return torch.cat([output, self.layer(output)])


@contextmanager
def _hooked(module: nn.Module, hook: Callable) -> Iterator[None]:
    """A forward hook for the time of a ``with`` block."""
    handle = module.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def _recorded(module: nn.Module) -> Iterator[list[Tensor]]:
    """The outputs of a module during a ``with`` block."""
    outputs: list[Tensor] = []
    with _hooked(module, lambda _module, _args, output: outputs.append(output)):
        yield outputs
