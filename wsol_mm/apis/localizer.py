"""Localizer: from any classifier and any photograph to labelled boxes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.infer import BaseInferencer
from numpy.typing import NDArray
from torch import nn
from tqdm import tqdm

from wsol_mm.apis import model_zoo
from wsol_mm.apis.asked_classes import Label, asked_classes, class_index
from wsol_mm.apis.classifiers import (
    AnyClassifier,
    Prediction,
    Preprocessing,
    timm_classifier,
    torchvision_classifier,
)
from wsol_mm.apis.config_models import (
    ConfigModel,
    class_count,
    is_detector,
    is_localizer,
    preprocessing_of,
    rule_of,
)
from wsol_mm.apis.images import Source, describe_left_out, list_sources
from wsol_mm.apis.localization import Localization
from wsol_mm.apis.onnx_model import OnnxModel
from wsol_mm.apis.predicted_boxes import (
    DEFAULT_SCORE,
    boxes_of_maps,
    choose_rule,
    is_share,
    name_objects,
)
from wsol_mm.functional.box_rule import BoxRule
from wsol_mm.models.cpu_layout import lay_out_for_cpu
from wsol_mm.structures import OBJECT_CLASS

DEFAULT_MODEL = "cam_efficientnet_lite0_in1k"


class Localizer(BaseInferencer):
    """Boxes, classes and maps for photographs, from any classifier that is already trained.

    Args:
        model: A name of :meth:`list_models`, a config file or config; ``timm/<name>``,
            ``torchvision/<name>``; a module that returns logits (B, K); or ``<path>.onnx``, a file
            of ``tools/deploy/export.py``. By default the ImageNet classifier EfficientNet-Lite0 of
            the extra ``pretrained``.
        checkpoint: Its weights: a path, URL or ``package://``; None for the published ones, False
            for random ones. A module has its own.
        method: None for the config's own maps, or class activation maps from one forward pass where
            the network ends in global average pooling and a linear layer, else Grad-CAM; or
            ``cam``, ``grad_cam``, ``layer_cam``, ``eigen_cam`` and the others of the grad-cam
            package.
        device: ``cpu``, ``cuda``, ...; the best there is by default.
        classes: Names of the classes, if the model does not bring them.
        preprocessing: Of ``timm/``, ``torchvision/`` and modules, if it is not the model's own: see
            :meth:`wsol_mm.apis.classifiers.Preprocessing.read`.
        target_layer: The layer that methods of the grad-cam package explain; found by default.
        classifier: For a detector of one class: what names the image's class, a Localizer or
            anything that makes one.
        rule: How maps become boxes; the config's, or the largest component of the min-max
            normalised map above .23 of its maximum.

    Raises:
        ValueError: Unknown names, or what does not go together.
        CheckpointError: No weights, or those of another network; it says where to get some.

    Examples:
        A photograph, its class and its box::

            from wsol_mm import Localizer
            result = Localizer()("cat.jpg")[0]
            print(result.names, result.boxes); result.save("cat_box.jpg")
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | Config | nn.Module = DEFAULT_MODEL,
        checkpoint: str | bool | None = None,
        method: str | None = None,
        device: str | None = None,
        *,
        classes: Sequence[str] | None = None,
        preprocessing: Any = None,
        target_layer: str | None = None,
        classifier: Any = None,
        rule: BoxRule | None = None,
        show_progress: bool = True,
    ) -> None:
        device = device or get_device()
        self.show_progress = show_progress
        self.failures: dict[str, str] = {}
        own_rule, own_source = None, None
        model = os.fspath(model) if isinstance(model, os.PathLike) else model
        if isinstance(model, str) and model.endswith(".onnx"):
            if not (checkpoint is method is preprocessing is target_layer is None):
                raise ValueError(
                    f"{model} holds its weights and maps: give it no checkpoint, method, "
                    "preprocessing or target_layer"
                )
            self.predictor: Any = OnnxModel(model, classes, device)
            own_rule, own_source = self.predictor.rule, self.predictor.threshold_source
        elif isinstance(model, str) and model.startswith(("timm/", "torchvision/")):
            library, _, name = model.partition("/")
            build = timm_classifier if library == "timm" else torchvision_classifier
            network, found, names = build(name, checkpoint)
            self.predictor = AnyClassifier(
                network.to(device),
                Preprocessing.read(found if preprocessing is None else preprocessing),
                names if classes is None else classes,
                method,
                target_layer,
            )
        elif isinstance(model, nn.Module):
            if isinstance(checkpoint, str):
                model_zoo.load_weights(model, checkpoint)
            self.predictor = AnyClassifier(
                model.to(device), Preprocessing.read(preprocessing), classes, method, target_layer
            )
        else:
            built = model_zoo.get_model(model, checkpoint, device)
            own_rule = rule_of(built.cfg)
            if own_rule is not None and own_rule.threshold == "val" and built.threshold is not None:
                own_rule = own_rule.at(built.threshold, "val")
            self.predictor = _of_config(built, classes, method, preprocessing, target_layer)
        self.model = getattr(self.predictor, "model", None) or self.predictor.network
        if isinstance(self.model, nn.Module) and str(device).startswith("cpu"):
            lay_out_for_cpu(self.model)
        self.classes: tuple[str, ...] = self.predictor.classes
        self.rule, self.threshold_source = choose_rule(rule, own_rule, own_source)
        self.classifier = None
        if classifier is not None:
            if self.classes != (OBJECT_CLASS,):
                raise ValueError(
                    "classifier= is for detectors of one class; this model has its own"
                )
            given = isinstance(classifier, Localizer)
            self.classifier = classifier if given else Localizer(classifier, device=device)
            self.classes = self.classifier.classes

    def __call__(
        self,
        inputs: Any,
        return_datasamples: bool = False,
        batch_size: int = 16,
        *,
        labels: Label | Sequence[Label] | Mapping[str, Any] | None = None,
        topk: int = 1,
        objects: Literal["one", "all"] = "one",
        threshold: float | str | None = None,
        show: bool = False,
        out_dir: str | os.PathLike[str] | None = None,
        show_progress: bool | None = None,
    ) -> list[Any]:
        """Localize in every image.

        Args:
            inputs: A path, pattern, folder, video, array (OpenCV's order of colours), PIL image, or
                a list of these.
            return_datasamples: Give ``mmpretrain.structures.DataSample`` instead.
            batch_size: Images in one forward pass.
            labels: What is known to be there: a class or several, by index or name, for all images;
                or a dictionary from an image's source to them. None for what the model finds.
            topk: How many of the best classes.
            objects: The largest object of a class, or all of its map's components (of a detector
                all boxes above the threshold).
            threshold: A share of the map's maximum in [0, 1), ``otsu``, ``mean``; of a detector the
                lowest score of ``all``. By default the config's, see ``rule``.
            show: Open each picture in a viewer.
            out_dir: Folder for pictures.
            show_progress: A progress bar; the constructor's by default.

        Returns:
            One :class:`Localization` for each image that could be read, in order. What could not is
            in ``self.failures``, and in one line on stderr.

        Raises:
            ValueError: A label or threshold without meaning; or no image could be read at all.
            FileNotFoundError: An input that does not exist.
        """
        sources, left_out = list_sources(inputs)
        bar = tqdm(
            total=len(sources),
            desc="localize",
            unit="img",
            disable=not (self.show_progress if show_progress is None else show_progress),
        )
        results = []
        names: dict[str, int] = {}
        for result in self.stream(
            sources, batch_size=batch_size, labels=labels, topk=topk, objects=objects,
            threshold=threshold, bar=bar,
        ):  # fmt: skip
            self.visualize([result.source], [result], show=show, out_dir=out_dir, names=names)
            results.append(result)
        bar.close()
        for line in filter(None, (describe_left_out(left_out), self.describe_failures())):
            print(line, file=sys.stderr)
        if not results and self.failures:
            raise ValueError(next(iter(self.failures.values())))
        return self.postprocess(results, [], return_datasamples)

    def stream(
        self,
        sources: Sequence[Source],
        *,
        batch_size: int = 16,
        labels: Any = None,
        topk: int = 1,
        objects: Literal["one", "all"] = "one",
        threshold: float | str | None = None,
        bar: tqdm | None = None,
    ) -> Iterator[Localization]:
        """Results one by one, as they are made; ``failures`` grows beside them.

        Args:
            sources: See :func:`wsol_mm.apis.images.list_sources`.
            bar: Told of every image.
            batch_size, labels, topk, objects, threshold: See :meth:`__call__`.
        """
        if objects not in ("one", "all"):
            raise ValueError(f"objects={objects!r}: expected 'one' or 'all'")
        if topk < 1:
            raise ValueError(f"topk={topk}: expected at least 1")
        rule, source_of_threshold = self.rule_at(threshold, objects)
        wanted = asked_classes(labels, self.classes)
        self.failures = {}
        for batch in self.preprocess(sources, batch_size):
            names = [source.name for source, _ in batch]
            asked = [wanted(name) for name in names] if labels is not None else None
            predictions = self.forward([image for _, image in batch], labels=asked, topk=topk)
            for (source, _), prediction in zip(batch, predictions, strict=True):
                most = None if objects == "all" else topk if asked is None else len(self.classes)
                yield self._result(source, prediction, rule, source_of_threshold, most)
            if bar is not None:
                bar.update(len(batch))

    def preprocess(  # type: ignore[override]
        self, inputs: Sequence[Source], batch_size: int = 1, **kwargs: Any
    ) -> Iterator[list[tuple[Source, NDArray[np.uint8]]]]:
        """Batches of images that could be read; the others go into ``failures``."""

        def readable() -> Iterator[tuple[Source, NDArray[np.uint8]]]:
            for source in inputs:
                try:
                    image = source.read()
                except (OSError, ValueError) as error:
                    self.failures[source.name] = str(error)
                    continue
                yield source, image

        return self._get_chunk_data(readable(), batch_size)

    def forward(  # type: ignore[override]
        self,
        inputs: Sequence[NDArray[np.uint8]],
        labels: Sequence[Sequence[int]] | None = None,
        topk: int = 1,
    ) -> list[Prediction]:
        """What the model, and the second classifier, say about a batch of RGB images."""
        if self.classifier is None:
            return self.predictor.predict(inputs, labels, topk)
        boxes = self.predictor.predict(inputs, None, 1)
        scores = [
            prediction.class_scores for prediction in self.classifier.forward(inputs, None, 1)
        ]
        return [
            name_objects(
                prediction, row, np.argsort(-row)[:topk] if labels is None else labels[number]
            )
            for number, (prediction, row) in enumerate(zip(boxes, scores, strict=True))
        ]

    def visualize(  # type: ignore[override]
        self,
        inputs: list,
        preds: Sequence[Localization],
        show: bool = False,
        out_dir: str | os.PathLike[str] | None = None,
        names: dict[str, int] | None = None,
    ) -> list[Any]:
        """Show pictures, or write them into a folder under the images' names."""
        pictures = []
        names = {} if names is None else names
        for result in preds if show or out_dir else ():
            if out_dir:
                path = Path(result.source.replace("#", "_"))
                stem = (
                    path.stem if path.suffix and not path.name.startswith("input[") else path.name
                )
                names[stem] = names.get(stem, -1) + 1
                number = f"_{names[stem]}" if names[stem] else ""
                result.save(Path(out_dir) / f"{stem}{number}.jpg")
            if show:
                pictures.append(result.plot())
                pictures[-1].show(title=result.source)
        return pictures

    def postprocess(  # type: ignore[override]
        self, preds: list[Localization], visualization: list, return_datasamples: bool = False
    ) -> list[Any]:
        """The results, or as data samples."""
        return [result.to_data_sample() for result in preds] if return_datasamples else preds

    def describe_failures(self) -> str:
        """One line on what could not be read; empty where all could."""
        if not self.failures:
            return ""
        first = next(iter(self.failures.values()))
        if len(self.failures) == 1:
            return f"could not read 1 image: {first}"
        count = len(self.failures)
        return f"could not read {count} images: {first} and {count - 1} more"

    @staticmethod
    def list_models(pattern: str = "*") -> list[str]:  # type: ignore[override]
        """Names of models, see :func:`wsol_mm.apis.model_zoo.list_models`."""
        return model_zoo.list_models(pattern)

    def _init_pipeline(self, cfg: Any) -> Any:
        """Of the parent's scheme; images go through the predictor's own steps."""
        return self.predictor

    def rule_at(self, threshold: float | str | None, objects: str) -> tuple[BoxRule | float, str]:
        """The rule of a call, or a detector's lowest score, and where its threshold comes from.

        Args:
            threshold, objects: See :meth:`__call__`.

        Raises:
            ValueError: The threshold has no meaning.
        """
        if getattr(self.predictor, "detects", False):
            if threshold is not None and not is_share(threshold):
                raise ValueError(f"threshold={threshold!r}: expected a detector's score in [0, 1)")
            return (DEFAULT_SCORE, "default") if threshold is None else (threshold, "argument")
        rule, source = self.rule, self.threshold_source
        fields = dict(normalization=rule.normalization, percentile=rule.percentile)
        if threshold is not None:
            components = "largest" if threshold in ("otsu", "mean") else rule.components
            rule = BoxRule.parse(threshold, words=("otsu", "mean"), components=components, **fields)
            source = threshold if isinstance(rule.threshold, str) else "argument"
        if objects == "all" and rule.components != "all":
            rule = BoxRule(threshold=rule.threshold, source=rule.source, components="all", **fields)
        return rule, source

    def again(
        self,
        result: Localization,
        threshold: float | str | None = None,
        objects: Literal["one", "all"] = "one",
    ) -> Localization:
        """A result of this Localizer by another threshold; the network does not run.

        Args:
            result: With maps, so not of a detector.
            threshold, objects: See :meth:`__call__`.

        Raises:
            ValueError: The threshold has no meaning, or the result has no maps.
        """
        if not result.raw_maps:
            raise ValueError(f"{result.source}: a detector's result has no maps to read again")
        rule, source = self.rule_at(threshold, objects)
        seen = Prediction(result.frame, result.class_scores, result.raw_maps)
        return self._result(Source(result.source, result.read), seen, rule, source, None)

    def class_index(self, label: Label) -> int:
        """Index of a class given by index or name; of synonyms one is enough.

        Raises:
            ValueError: There is no such class; close names are told.
        """
        return class_index(label, self.classes)

    def _result(
        self,
        source: Source,
        prediction: Prediction,
        rule: BoxRule | float,
        source_of_threshold: str,
        most: int | None,
    ) -> Localization:
        if isinstance(rule, BoxRule):
            boxes, labels, scores = boxes_of_maps(prediction, rule)
        else:
            keep = prediction.scores >= rule
            if most is not None:  # the best box of each of the best classes
                _, first = np.unique(prediction.labels, return_index=True)
                keep = np.isin(np.arange(len(keep)), np.sort(first)[:most])
            boxes, labels, scores = (
                part[keep] for part in (prediction.boxes, prediction.labels, prediction.scores)
            )
        threshold = rule.threshold if isinstance(rule, BoxRule) else float(rule)
        return Localization(
            source=source.name,
            boxes=boxes,
            labels=labels,
            names=tuple(self.classes[label] for label in labels.tolist()),
            scores=scores,
            threshold=None if isinstance(threshold, str) else threshold,
            threshold_source=source_of_threshold,
            frame=prediction.frame,
            raw_maps=prediction.maps or {},
            class_scores=prediction.class_scores,
            rule=rule if isinstance(rule, BoxRule) else None,
            read=source.read,
        )


def _of_config(
    built: nn.Module,
    classes: Sequence[str] | None,
    method: str | None,
    preprocessing: Any,
    target_layer: str | None,
) -> ConfigModel | AnyClassifier:
    """A config's model by its own maps or boxes, or as any classifier."""
    names = classes
    if (
        names is None
        and built.classes is not None
        and (is_detector(built) or len(built.classes) == class_count(built))
    ):
        names = built.classes if len(built.classes) == class_count(built) else None
    if is_detector(built) or (is_localizer(built) and method is None):
        if preprocessing is not None or target_layer is not None or method is not None:
            raise ValueError(
                "preprocessing, target_layer and method are not for a config's own maps or boxes"
            )
        return ConfigModel(built, names)
    found = preprocessing_of(built) if preprocessing is None else Preprocessing.read(preprocessing)
    return AnyClassifier(built, found, names, method, target_layer)
