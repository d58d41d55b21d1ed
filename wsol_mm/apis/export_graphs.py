"""What an exported file computes: from pixels to class scores and maps, or to a box."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from wsol_mm.apis.classifiers import AnyClassifier
from wsol_mm.apis.localizer import Localizer

# What such a file cannot hold, because it leaves torch or asks for gradients.
_EIGENVECTORS = ("TokenCutHead", "SDCAMHead")
_MMDEPLOY = (
    "MMDetection's detectors are exported by MMDeploy's tools/deploy.py (mmdeploy for the original "
    "packages, onedl-mmdeploy for onedl-mmdet), which is not part of wsol_mm and not tried here"
)


class ExportError(ValueError):
    """A localizer that no file of one forward pass can hold; the message says what to do."""


class Pixels(nn.Module):
    """Normalisation of RGB values in 0..255.

    Args:
        mean, std: In the order of the network's colours.
        bgr: Whether the network takes BGR.
    """

    def __init__(self, mean: Any, std: Any, bgr: bool) -> None:
        super().__init__()
        self.bgr = bgr
        for name, values in (("mean", mean), ("std", std)):
            tensor = torch.as_tensor(values, dtype=torch.float32).flatten().cpu()
            self.register_buffer(name, tensor.view(-1, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Float32 inputs (B, 3, H, W) of images of that shape, uint8 or floating."""
        inputs = images.flip(1) if self.bgr else images
        return (inputs.float() - self.mean) / self.std


class HeadGraph(nn.Module):
    """A localizer of a config, with the maps of its own head.

    Args:
        model: An image classifier with a :class:`wsol_mm.models.heads.LocalizerHead`.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.pixels = _pixels(model.data_preprocessor)
        self.model = model

    def forward(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Class scores, classes and their maps; see :func:`graph_of`."""
        feats = self.model.extract_feat(self.pixels(images))
        features = self.model.head.pre_logits(feats)
        logits = self.model.head.class_scores(features).float()
        classes = chosen_classes(logits, labels)
        return logits.softmax(1), classes, self.model.head.draw_maps(feats, features, classes)


class ClassifierGraph(nn.Module):
    """Any classifier that ends in global average pooling and a linear layer.

    Args:
        predictor: With ``pooled``.
    """

    def __init__(self, predictor: AnyClassifier) -> None:
        super().__init__()
        given = predictor.preprocessing
        self.pixels = Pixels(given.mean, given.std, given.bgr)
        self.network, self.pooled = predictor.network, predictor.pooled

    def forward(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Class scores, classes and their maps; see :func:`graph_of`."""
        with self.pooled.site.recorded() as recorded:
            logits = self.network(self.pixels(images)).float()
        classes = chosen_classes(logits, labels)
        return logits.softmax(1), classes, self.pooled.maps(recorded[-1], classes)


class BoxGraph(nn.Module):
    """A detector with a :class:`wsol_mm.SingleClassRegressionHead` (SCR).

    Args:
        detector: One of MMDetection's single-stage detectors.
        processor: The data preprocessor of what wraps it.
    """

    def __init__(self, detector: nn.Module, processor: nn.Module) -> None:
        super().__init__()
        self.pixels = _pixels(processor)
        self.detector = detector

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The one box of each image and its score; see :func:`graph_of`."""
        fractions = self.detector.bbox_head(self.detector.extract_feat(self.pixels(images)))
        corners = torch.cat([fractions[:, :2], fractions[:, :2] + fractions[:, 2:]], 1).clamp(max=1)
        height, width = images.shape[2:]
        sides = torch.tensor([width, height, width, height], dtype=corners.dtype)
        return (corners * sides)[:, None], torch.ones_like(corners[:, :1])


def graph_of(localizer: Localizer) -> nn.Module:
    """The computation behind a Localizer, for a file.

    Args:
        localizer: Its model is shared, not copied.

    Returns:
        Of a classifier a module from ``images`` (B, 3, H, W), RGB in 0..255, and ``labels`` int64
        (B, k), where 0 or more is a class, -1 the best one, -2 the second best and so on, to

        * ``scores`` (B, K) float32, probabilities;
        * ``classes`` (B, k) int64, what ``labels`` stands for;
        * ``maps`` (B, k, h, w) float32, raw maps of these classes.

        Of an SCR detector a module from ``images`` alone to ``boxes`` (B, 1, 4) float32, x0, y0,
        x1, y1 in pixels of the input, and ``scores`` (B, 1), which are 1.

    Raises:
        ExportError: Its maps or boxes cannot be had from one forward pass.
    """
    if localizer.classifier is not None:
        raise ExportError("export the detector and its classifier each to a file of its own")
    predictor = localizer.predictor
    if isinstance(predictor, AnyClassifier):
        if predictor.pooled is None:
            raise ExportError(
                f"maps of {predictor.method} need gradients, which a file of a forward pass does "
                f"not have, and {type(predictor.network).__name__} does not end in global average "
                "pooling and a linear layer: export one that does (method='cam': ResNet, DenseNet, "
                "EfficientNet, ...), or train configs/ts_cam for a transformer"
            )
        return ClassifierGraph(predictor).eval()
    model = getattr(predictor, "model", None)
    if not isinstance(model, nn.Module):
        raise ExportError("this Localizer runs an exported file already")
    if predictor.detects:
        processor, model = model.data_preprocessor, getattr(model, "detector", model)
        head = getattr(model, "bbox_head", None)
        if type(head).__name__ != "SingleClassRegressionHead":
            raise ExportError(
                f"{type(model).__name__}: of detectors only SCR (wsol_mm.SingleClassRegressionHead)"
                f" is exported here; {_MMDEPLOY}"
            )
        return BoxGraph(model, processor).eval()
    _check_classifier(model)
    return HeadGraph(model).eval()


def chosen_classes(logits: Tensor, labels: Tensor) -> Tensor:
    """The classes that labels stand for: themselves, or by rank where negative.

    Args:
        logits: (B, K).
        labels: int64 (B, k), -1 the best class, -2 the second best.

    Returns:
        int64 (B, k).

    Example:
        >>> logits = torch.tensor([[0.1, 0.9, 0.5], [0.3, 0.2, 0.1]])
        >>> chosen_classes(logits, torch.tensor([[-1, -2], [2, -1]])).tolist()
        [[1, 2], [2, 0]]
    """
    ranked = logits.topk(logits.shape[1]).indices
    return torch.where(labels < 0, ranked.gather(1, (-1 - labels).clamp(min=0)), labels)


def _check_classifier(model: nn.Module) -> None:
    """Refuse what a head's graph would leave out or cannot hold."""
    head = model.head
    if getattr(model, "extractor", None) is not None:
        raise ExportError(
            f"{type(model).__name__}: its maps need gradients, which a file of a forward pass does "
            "not have: export the config in configs/cam of the same network, which loads the same "
            "weights"
        )
    if getattr(model, "refiners", None):
        names = ", ".join(type(refiner).__name__ for refiner in model.refiners)
        raise ExportError(
            f"refiners ({names}) are not exported: leave them out by --cfg-options "
            'model.refiners="[]"; tools/refine_maps.py lays them over maps'
        )
    if type(head).__name__ in _EIGENVECTORS and head.map_kind != "cam":
        raise ExportError(
            f"{type(head).__name__}: map_kind '{head.map_kind}' is an eigenvector, computed outside"
            " of the network: "
            + (
                "--cfg-options model.head.map_kind=cam exports its class maps"
                if "cam" in head.map_kinds
                else "make boxes by tools/pseudo_boxes.py and export a detector taught by them "
                "(configs/psol)"
            )
        )
    steps = [step["type"] for step in model.cfg.test_dataloader.dataset.pipeline]
    if any(step.endswith("RankingView") for step in steps):
        raise ExportError(
            "wsol_mm.RankingView needs a second view of each image: export the config of one pass, "
            "which loads the same weights"
        )
    if not hasattr(head, "draw_maps"):
        raise ExportError(f"{type(head).__name__} draws no maps: see wsol_mm.models.heads")


def _pixels(processor: nn.Module) -> Pixels:
    """The normalisation of an MMEngine data preprocessor."""
    if getattr(processor, "pad_size_divisor", 1) > 1:
        raise ExportError(
            f"data_preprocessor.pad_size_divisor={processor.pad_size_divisor} is not exported: "
            "resize to a multiple of it in the test pipeline and set it to 1"
        )
    to_rgb = getattr(processor, "_channel_conversion", getattr(processor, "to_rgb", False))
    if not processor._enable_normalize:
        return Pixels([0.0], [1.0], not to_rgb)
    return Pixels(processor.mean, processor.std, not to_rgb)
