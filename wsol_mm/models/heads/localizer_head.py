"""What every head that localizes has in common: features in, class scores and raw maps out."""

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import torch
from mmpretrain.models.heads import ClsHead
from mmpretrain.structures import DataSample
from torch import Tensor

Tapped = Tensor | tuple[Tensor, ...]


class TappedFeatures(tuple):
    """A backbone's features (a tuple, as MMPretrain has it) and, by name, what was tapped inside.

    A head that knows nothing of taps reads it as the plain tuple.

    Args:
        feats: Features of the backbone (or neck), the last one last.
        taps: Outputs of modules in between; a tuple of them where a name stands for several.
    """

    taps: dict[str, Tapped]

    def __new__(cls, feats: Iterable[Tensor], taps: Mapping[str, Tapped]) -> "TappedFeatures":
        features = super().__new__(cls, feats)
        features.taps = dict(taps)
        return features


class LocalizerHead(ClsHead):
    """A classification head that also says where the evidence is.

    A sub-class says what is read (:meth:`pre_logits`), how it is classified
    (:meth:`class_scores`), and how maps are drawn (:meth:`draw_maps`); the ways in are the same for
    all: :meth:`forward` and :meth:`loss` of MMPretrain, :meth:`localization_maps`, :meth:`predict`.

    Args:
        num_classes: Classes K.
        in_channels: Channels of what the head reads.
        map_kind: Which of the maps that the head can draw it localizes from: one of ``map_kinds``,
            the first of them by default.
        num_maps: Predicted classes for which :meth:`predict` writes a map, at most K. Without
            effect where one map serves all classes.
        loss: Classification loss; mmpretrain's cross entropy by default.
        topk: Top-k accuracies to log in training, with ``cal_acc``.
        cal_acc: Whether to log training accuracy.
        init_cfg: Initialisation, ``default_init`` unless given.

    Raises:
        ValueError: An unknown ``map_kind``, or no positive number of classes or maps.
    """

    map_kinds: ClassVar[tuple[str, ...]] = ("cam",)
    default_init: ClassVar[dict | list[dict]] = {"type": "Normal", "layer": "Linear", "std": 0.01}

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        *,
        map_kind: str | None = None,
        num_maps: int = 5,
        loss: dict | None = None,
        topk: int | tuple[int, ...] = (1,),
        cal_acc: bool = False,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(
            loss=loss or {"type": "mmpretrain.CrossEntropyLoss"},
            topk=topk,
            cal_acc=cal_acc,
            init_cfg=init_cfg or self.default_init,
        )
        name = type(self).__name__
        if num_classes < 1 or num_maps < 1:
            raise ValueError(
                f"{name}: num_classes and num_maps must be positive, got {num_classes}, {num_maps}"
            )
        if map_kind is not None and map_kind not in self.map_kinds:
            raise ValueError(f"{name}: map_kind must be one of {self.map_kinds}, got {map_kind!r}")
        self.num_classes = num_classes
        self.in_channels = in_channels
        self.map_kind = map_kind or self.map_kinds[0]
        self.num_maps = min(num_maps, num_classes)

    @property
    def class_agnostic(self) -> bool:
        """Whether one map serves every class; its label is -1."""
        return False

    @abstractmethod
    def pre_logits(self, feats: tuple[Tensor, ...]) -> Tensor:
        """What the classifier reads, made of the backbone's features."""

    @abstractmethod
    def class_scores(self, features: Tensor) -> Tensor:
        """Logits (B, K) of what :meth:`pre_logits` returned."""

    @abstractmethod
    def draw_maps(self, feats: tuple[Tensor, ...], features: Tensor, labels: Tensor) -> Tensor:
        """The maps of :meth:`localization_maps`, where ``pre_logits`` has been computed.

        Args:
            feats: Features of the backbone.
            features: What :meth:`pre_logits` made of them.
            labels: int64 (B, k).

        Returns:
            float32 (B, k, h, w).
        """

    def localization_maps(self, feats: tuple[Tensor, ...], labels: Tensor) -> Tensor:
        """Raw maps of the wanted classes, in float32 whatever the surrounding precision.

        Args:
            feats: Features of the backbone, as ``model.extract_feat`` gives them.
            labels: int64 (B, k), classes from 0; -1 will do for a head that is
                :attr:`class_agnostic`.

        Returns:
            float32 (B, k, h, w), not normalised, mostly of low resolution.
        """
        return self.draw_maps(feats, self.pre_logits(feats), labels)

    def forward(self, feats: tuple[Tensor, ...]) -> Tensor:
        """Logits (B, K)."""
        return self.class_scores(self.pre_logits(feats))

    def predict(
        self, feats: tuple[Tensor, ...], data_samples: list[DataSample | None] | None = None
    ) -> list[DataSample]:
        """Scores, label and maps for each image.

        Besides mmpretrain's ``pred_score`` and ``pred_label`` every sample gets ``map_labels``
        (k,) int64 and ``pred_maps`` (k, h, w) float32: first the class ``gt_label``, where the
        sample has one, then the best predicted classes, best first, no class twice; or the label -1
        and one map where the head is :attr:`class_agnostic`.
        """
        features = self.pre_logits(feats)
        logits = self.class_scores(features).float()
        samples = self._get_predictions(logits, data_samples)
        if self.class_agnostic:
            labels = torch.full((len(logits), 1), -1, device=logits.device)
        else:
            labels = wanted_labels(logits, samples, self.num_maps)
        set_maps(samples, labels, self.draw_maps(feats, features, labels))
        return samples

    def last_map(self, feats: tuple[Tensor, ...]) -> Tensor:
        """The last feature, (B, C, h, w).

        Raises:
            ValueError: It is no map.
        """
        if feats[-1].dim() != 4:
            raise ValueError(
                f"{type(self).__name__}: expected feature maps (B, C, h, w), got shape "
                f"{tuple(feats[-1].shape)}; a neck that pools must be removed (neck=None), a "
                "transformer needs out_type='featmap'"
            )
        return feats[-1]

    def tapped(self, feats: tuple[Tensor, ...], name: str, what: str) -> Any:
        """The tapped feature of a name; several where the name stands for several.

        Args:
            feats: Features of the backbone, :class:`TappedFeatures`.
            name: Key in the classifier's ``taps``.
            what: Which module's output it should be, for the message.

        Raises:
            ValueError: Nothing of that name was tapped.
        """
        taps = getattr(feats, "taps", {})
        if name not in taps:
            raise ValueError(
                f"{type(self).__name__}: expected a tap named {name!r}, got {sorted(taps)}; set "
                f"model.type='wsol_mm.WSOLClassifier' and model.taps=dict({name}=...): {what}"
            )
        return taps[name]


def target_labels(data_samples: list[DataSample], device: torch.device | str) -> Tensor:
    """The one class of each training image, as int64 (B,).

    Mixed images (CutMix, Mixup) carry a soft ``gt_score``: their class is the larger share, the
    original image's at a draw.
    """
    labels = []
    for sample in data_samples:
        label = sample.gt_label.flatten()[0].to(device)
        if "gt_score" in sample:
            score = sample.gt_score.to(device)
            label = label if score[label] >= score.max() else score.argmax()
        labels.append(label)
    return torch.stack(labels).long()


def wanted_labels(logits: Tensor, samples: list[DataSample], num_maps: int) -> Tensor:
    """Classes that get a map: ``gt_label``, then the best predicted ones, best first.

    Args:
        logits: Class scores (B, K).
        samples: Of the B images; without ``gt_label`` the best class stands in its place.
        num_maps: Predicted classes wanted, at most K.

    Returns:
        int64 (B, 1 + num_maps). The first class may come again; :func:`set_maps` undoes it.
    """
    ranked = logits.topk(num_maps).indices
    first = [
        sample.gt_label.to(row) if "gt_label" in sample else row[:1]
        for sample, row in zip(samples, ranked, strict=True)
    ]
    return torch.cat([torch.stack(first), ranked], dim=1)


def set_maps(samples: list[DataSample], labels: Tensor, maps: Tensor) -> None:
    """Write ``map_labels`` and ``pred_maps`` into the samples, no class twice.

    Args:
        samples: Of the B images.
        labels: What :func:`wanted_labels` returned, (B, k).
        maps: Their maps (B, k, h, w).
    """
    for sample, row, row_maps in zip(samples, labels, maps, strict=True):
        keep = row != row[0]
        keep[0] = True
        sample.set_data({"map_labels": row[keep], "pred_maps": row_maps[keep]})
