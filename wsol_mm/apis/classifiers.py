"""Any classifier as it is: timm's, torchvision's, MMPretrain's or one's own module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from wsol_mm.apis.localization import Frame
from wsol_mm.apis.model_zoo import imagenet_classes, load_weights
from wsol_mm.engine.whole_checkpoint import CheckpointError
from wsol_mm.models.feature_site import find_pooled_linear, find_target_layer, named_site
from wsol_mm.models.gradient_maps import extractor_class, gradient_maps


@dataclass(frozen=True)
class Preprocessing:
    """From pixels to what a network takes. Images are squashed: all of the image is seen.

    Attributes:
        size: (width, height) of the input.
        mean, std: Of RGB values in 0..255.
        bgr: Whether the network takes BGR; ``mean`` and ``std`` then are in that order, too.
    """

    size: tuple[int, int] = (224, 224)
    mean: tuple[float, ...] = (123.675, 116.28, 103.53)
    std: tuple[float, ...] = (58.395, 57.12, 57.375)
    bgr: bool = False

    @classmethod
    def read(cls, given: Any) -> Preprocessing:
        """From what users have at hand.

        Args:
            given: None (ImageNet's usual one at 224 px), a :class:`Preprocessing`, a dictionary of
                its attributes, timm's data config (``input_size``, ``mean``, ``std`` of values in
                0..1), or a preset of torchvision (``weights.transforms()``).

        Raises:
            TypeError: Anything else.
        """
        if given is None:
            return cls()
        if isinstance(given, cls):
            return given
        if isinstance(given, Mapping) and "input_size" in given:
            height, width = given["input_size"][-2:]
            return cls((width, height), *_times_255(given["mean"], given["std"]))
        if isinstance(given, Mapping):
            return cls(**given)
        if all(hasattr(given, key) for key in ("crop_size", "mean", "std")):
            crop = given.crop_size
            side = crop[0] if isinstance(crop, (list, tuple)) else crop
            return cls((side, side), *_times_255(given.mean, given.std))
        raise TypeError(
            "preprocessing: expected dict(size=(width, height), mean=, std=) of RGB values in "
            f"0..255, timm's data config or torchvision's weights.transforms(), got {given!r}"
        )

    def __call__(self, images: Sequence[NDArray[np.uint8]], device: torch.device) -> Tensor:
        """Float32 (B, 3, H, W) of RGB images of any size."""
        batch = np.stack([squash(image, self.size) for image in images])
        inputs = torch.from_numpy(batch).to(device).permute(0, 3, 1, 2)
        inputs = (inputs.flip(1) if self.bgr else inputs).float()
        mean = torch.tensor(self.mean, device=device).view(-1, 1, 1)
        return inputs.sub_(mean).div_(torch.tensor(self.std, device=device).view(-1, 1, 1))


@dataclass(frozen=True)
class Prediction:
    """What a model says about one image.

    Attributes:
        frame: What it saw.
        class_scores: (K,) float32 probabilities, or None.
        maps: Raw (h, w) float32 maps by class, wanted ones first, best first.
        boxes, scores, labels: Of a detector: (n, 4) in the original image, (n,) and (n,), or None.
    """

    frame: Frame
    class_scores: NDArray[np.float32] | None = None
    maps: Mapping[int, NDArray[np.float32]] | None = None
    boxes: NDArray[np.float64] | None = None
    scores: NDArray[np.float64] | None = None
    labels: NDArray[np.int64] | None = None


class AnyClassifier:
    """Maps of a classifier that knows nothing of localization.

    Args:
        network: Returns logits (B, K); put into eval mode.
        preprocessing: What its images go through.
        classes: Names of its classes, or None for ``class 0`` and so on.
        method: None or ``cam`` for class activation maps from one forward pass, where the network
            ends in global average pooling and a linear layer (found by running it once); else the
            name of an extractor of the grad-cam package, which is ``grad_cam`` where None finds no
            such end.
        target_layer: Of these extractors: a name of ``network.named_modules()``; None finds it.

    Raises:
        ValueError: ``cam`` for a network that does not end so, an unknown method or layer, or
            another number of names than of classes.
    """

    def __init__(
        self,
        network: nn.Module,
        preprocessing: Preprocessing,
        classes: Sequence[str] | None = None,
        method: str | None = None,
        target_layer: str | None = None,
    ) -> None:
        self.network, self.preprocessing = network.eval(), preprocessing
        self.device = next(network.parameters()).device
        width, height = preprocessing.size
        noise = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0))
        probe = (2 * noise - 1).to(self.device)
        named = target_layer is not None
        self.pooled = find_pooled_linear(network, probe) if method in (None, "cam") else None
        if method == "cam" and named:
            raise ValueError("method='cam' takes no target_layer")
        if method == "cam" and self.pooled is None:
            raise ValueError(
                f"method='cam': {type(network).__name__} does not end in global average pooling "
                "and a linear layer; use method='grad_cam' or another of the grad-cam package"
            )
        if named:
            self.pooled = None
        self.method = "cam" if self.pooled else method or "grad_cam"
        if not self.pooled:
            self.extractor = extractor_class(self.method)
            self.site = (
                named_site(network, target_layer, probe)
                if named
                else find_target_layer(network, probe)
            )
        with torch.no_grad():
            count = network(probe).shape[1]
        if classes is not None and len(classes) != count:
            raise ValueError(f"classes: got {len(classes)} names, the network has {count} classes")
        self.classes = tuple(classes or (f"class {index}" for index in range(count)))

    def predict(
        self,
        images: Sequence[NDArray[np.uint8]],
        labels: Sequence[Sequence[int]] | None,
        topk: int,
    ) -> list[Prediction]:
        """Class scores and maps of a batch, from one forward pass.

        Args:
            images: RGB, of any sizes.
            labels: Wanted classes of each image; None for the best.
            topk: How many of the best.
        """
        inputs = self.preprocessing(images, self.device)
        wanted = None if labels is None else _rectangle(labels, self.device)

        def choose(logits: Tensor) -> Tensor:
            return logits.topk(min(topk, logits.shape[1])).indices if wanted is None else wanted

        if self.pooled:
            with torch.no_grad(), self.pooled.site.recorded() as recorded:
                logits = self.network(inputs)
            chosen = choose(logits)
            with torch.no_grad():
                maps = self.pooled.maps(recorded[-1], chosen)
        else:
            logits, chosen, maps = gradient_maps(
                self.extractor, self.network, self.site, inputs, choose
            )
        scores = logits.float().softmax(1).cpu().numpy()
        arrays = maps.float().cpu().numpy()
        return [
            Prediction(
                squashed_frame(image, self.preprocessing.size),
                scores[row],
                # shorter lists were filled up with their first class
                {label: arrays[row, place] for place, label in enumerate(chosen[row].tolist())}
                if labels is None
                else {label: arrays[row, place] for place, label in enumerate(labels[row])},
            )
            for row, image in enumerate(images)
        ]


def timm_classifier(name: str, checkpoint: str | bool | None) -> tuple[nn.Module, Any, Any]:
    """Network, data config and class names of a timm model.

    Args:
        name: As in ``timm.list_models()``.
        checkpoint: A file; None for timm's published weights, False for random ones.

    Raises:
        ImportError: timm is missing.
        ValueError: An unknown name.
        CheckpointError: The weights cannot be had or do not fit.
    """
    try:
        import timm
        from timm.data import ImageNetInfo, infer_imagenet_subset, resolve_model_data_config
    except ImportError as error:
        raise ImportError(f"timm/{name} needs timm ({error}): pip install timm") from error
    if not timm.is_model(name):
        close = timm.list_models(f"*{name.split('.')[0].split('_')[0]}*")[:3]
        raise ValueError(f"timm has no model {name!r}" + (f"; it has {close}" if close else ""))
    try:
        network = timm.create_model(name, pretrained=checkpoint is None)
    except (OSError, RuntimeError) as error:
        where = timm.models.get_pretrained_cfg(name)
        origin = getattr(where, "hf_hub_id", None) or getattr(where, "url", None)
        raise CheckpointError(
            f"timm/{name}: no weights ({_first_line(error)}): "
            + (
                f"fetch {origin} where there is a network and give the file by"
                if origin
                else "give"
            )
            + " checkpoint=, or checkpoint=False for random ones"
        ) from error
    meta = load_weights(network, checkpoint) if isinstance(checkpoint, str) else {}
    classes = (meta.get("dataset_meta") or {}).get("classes")
    subset = infer_imagenet_subset(network) if classes is None else None
    if subset == "imagenet-1k":
        classes = imagenet_classes()
    elif subset:
        info = ImageNetInfo(subset)
        classes = [info.index_to_description(index) for index in range(info.num_classes())]
    return network, resolve_model_data_config(network), classes


def torchvision_classifier(name: str, checkpoint: str | bool | None) -> tuple[nn.Module, Any, Any]:
    """Network, preset and class names of a torchvision model; as :func:`timm_classifier`."""
    import torchvision

    if name not in torchvision.models.list_models(module=torchvision.models):
        raise ValueError(f"torchvision has no classifier {name!r}")
    weights = torchvision.models.get_model_weights(name).DEFAULT
    # Those with auxiliary classifiers have weights for these, too.
    auxiliary = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    network = torchvision.models.get_model(name, weights=None, **auxiliary)
    if checkpoint is not False:
        load_weights(network, checkpoint or weights.url)
    return network, weights.transforms(), weights.meta["categories"]


def squash(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """An image at ``size`` (width, height), whatever its aspect.

    Bilinear; by areas where an image shrinks to less than half, so that nothing is left out.
    """
    shrinks = min(image.shape[1] / size[0], image.shape[0] / size[1]) > 2
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def squashed_frame(image: NDArray[np.uint8], size: tuple[int, int]) -> Frame:
    """What a network sees of an image that is squashed to ``size``."""
    height, width = image.shape[:2]
    return Frame((width, height), size, np.diag([size[0] / width, size[1] / height, 1.0]))


def _rectangle(labels: Sequence[Sequence[int]], device: torch.device) -> Tensor:
    """int64 (B, k); shorter lists are filled up with their first class."""
    longest = max(len(row) for row in labels)
    rows = [[*row, *[row[0]] * (longest - len(row))] for row in labels]
    return torch.tensor(rows, dtype=torch.long, device=device)


def _times_255(*values: Any) -> list[tuple[float, ...]]:
    return [tuple(255 * float(entry) for entry in value) for value in values]


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:120] if str(error).strip() else type(error).__name__
