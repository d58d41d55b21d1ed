"""A student guided by a classification expert and a localization expert, as in KG-CI-CAM."""

from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from mmengine.model import ModuleDict
from mmpretrain.models.heads import LinearClsHead
from mmpretrain.models.necks import GlobalAveragePooling
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from wsol_mm.functional.distillation import draw_routes
from wsol_mm.models.classifiers.frozen_teacher import FrozenTeacher
from wsol_mm.models.classifiers.wsol_classifier import WSOLClassifier
from wsol_mm.models.heads.cam_head import CAMHead
from wsol_mm.models.heads.causal_cam_head import CausalCAMHead
from wsol_mm.models.heads.localizer_head import target_labels
from wsol_mm.models.precision import full_precision
from wsol_mm.registry import MODELS

_ROUTINGS = ("all", "random")


@MODELS.register_module()
class GuidedClassifier(WSOLClassifier):
    """Any classifier that learns from frozen teachers and, with the share 1 - alpha, from labels.

    Shao et al., KG-CI-CAM, eq. 11: ``alpha (L_cls + L_loc) + (1 - alpha) L``, where L are the
    losses of the student's own head. Teachers see the student's augmented images; they are read in
    ``init_weights`` (before a training starts or resumes), are not part of the checkpoint and do
    nothing at test. Behind two branches (:class:`wsol_mm.CausalCAMHead`) the second is guided.

    Args:
        cls_teacher: ``dict(config=..., checkpoint=...)`` of any classifier of MMPretrain, see
            :class:`wsol_mm.models.classifiers.frozen_teacher.FrozenTeacher`. Its logits guide the
            student's by ``cls_guidance``.
        loc_teacher: The same. Its class activation maps, of all classes, guide the student's by
            ``loc_guidance``; at another size they are resized. Student and teacher must draw maps:
            a :class:`wsol_mm.CAMHead` or a subclass with its classifier, or
            ``mmpretrain.LinearClsHead`` behind ``GlobalAveragePooling``.
        cls_guidance: A loss of logits (B, K) of student and teacher, such as
            ``dict(type='wsol_mm.LogitsGuidanceLoss', temperature=15.0)``.
        loc_guidance: A loss of maps (B, K, h, w) of student and teacher, such as
            ``dict(type='wsol_mm.ActivationGuidanceLoss', temperature=15.0)``.
        alpha: Share of the guidance, in [0, 1].
        routing: ``all`` (default): every image is guided by both, eq. 11. ``random`` (released
            code): by one of them or none, equally likely and drawn in every step; each teacher's
            loss is the mean over its own images. A teacher sees only images that it guides.
        **kwargs: Of :class:`wsol_mm.WSOLClassifier`, without ``erasing``.

    Raises:
        ValueError: No teacher, a teacher without its guidance, an alpha outside [0, 1], an unknown
            choice, a head that draws no maps where maps are guided, or ``erasing``.
    """

    def __init__(
        self,
        *,
        cls_teacher: dict | None = None,
        loc_teacher: dict | None = None,
        cls_guidance: dict | None = None,
        loc_guidance: dict | None = None,
        alpha: float = 0.8,
        routing: Literal["all", "random"] = "all",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if self.erasing is not None:
            raise ValueError("GuidedClassifier makes no erased branch: remove model.erasing")
        if cls_teacher is None and loc_teacher is None:
            raise ValueError("GuidedClassifier needs cls_teacher or loc_teacher")
        if not 0 <= alpha <= 1:
            raise ValueError(f"alpha={alpha}: expected a share in [0, 1]")
        if routing not in _ROUTINGS:
            raise ValueError(f"routing={routing!r}: expected one of {_ROUTINGS}")
        self.alpha = alpha
        self.routing = routing
        self.teachers, self.guidance = ModuleDict(), ModuleDict()  # which initialise their children
        for kind, teacher, guidance in (
            ("cls", cls_teacher, cls_guidance),
            ("loc", loc_teacher, loc_guidance),
        ):
            if teacher is None:
                continue
            if guidance is None:
                raise ValueError(f"{kind}_teacher needs a loss: {kind}_guidance=dict(type=...)")
            self.teachers[kind] = FrozenTeacher(f"{kind}_teacher", **teacher)
            self.guidance[kind] = MODELS.build(guidance)
        if "loc" in self.teachers:
            _check_draws(self.teachers["loc"].network, "loc_teacher")
            _check_draws(self, "model, guided by loc_teacher")

    def loss(self, inputs: Tensor, data_samples: list[DataSample]) -> dict[str, Tensor]:
        """The head's losses times 1 - alpha; ``loss_cls_guidance`` and ``loss_loc_guidance``."""
        student = self._student(inputs, data_samples)
        losses = {
            key: (1 - self.alpha) * value if "loss" in key else value
            for key, value in student.losses.items()
        }
        if not self.alpha:
            return losses
        for kind, chosen in self._routes(inputs).items():
            images, scores = inputs[chosen], student.scores[chosen]
            if not len(images):
                loss = scores.sum()  # 0, and reaches all that guidance would
            elif kind == "cls":
                loss = self.guidance["cls"](scores, self._teacher_scores(images))
            else:
                maps = _class_maps(student.features[chosen], self.head)
                loss = self.guidance["loc"](maps, self._teacher_maps(images, maps.shape[2:]))
            losses[f"loss_{kind}_guidance"] = self.alpha * loss
        return losses

    def _student(self, inputs: Tensor, data_samples: list[DataSample]) -> "_Student":
        feats, features = _features(self, inputs)
        head = self.head
        if isinstance(head, CausalCAMHead):
            branches = head.branches(feats, target_labels(data_samples, inputs.device))
            losses = head.branch_losses(branches, data_samples)
            return _Student(losses, branches.enhanced_scores, branches.enhanced)
        losses = head.loss(feats, data_samples)
        if not isinstance(head, CAMHead):
            return _Student(losses, head(feats), features)
        features = head.pre_logits(feats)
        return _Student(losses, head.class_scores(features), features)

    def _routes(self, inputs: Tensor) -> dict[str, Tensor | slice]:
        """Which images each teacher guides."""
        if self.routing == "all":
            return dict.fromkeys(self.teachers, slice(None))
        routes = draw_routes(len(inputs), len(self.teachers)).to(inputs.device)
        return {
            kind: (routes == number).nonzero().flatten()
            for number, kind in enumerate(self.teachers, start=1)
        }

    @torch.no_grad()
    def _teacher_scores(self, images: Tensor) -> Tensor:
        teacher = self.teachers["cls"]
        return teacher.network(teacher.renormalize(images, self.data_preprocessor), mode="tensor")

    @torch.no_grad()
    def _teacher_maps(self, images: Tensor, size: torch.Size) -> Tensor:
        teacher = self.teachers["loc"]
        images = teacher.renormalize(images, self.data_preprocessor)
        head = teacher.network.head
        feats, features = _features(teacher.network, images)
        if isinstance(head, CAMHead):
            features = head.pre_logits(feats)
        maps = _class_maps(features, head)
        if maps.shape[2:] != size:
            maps = F.interpolate(maps, size, mode="bilinear", align_corners=False)
        return maps


class _Student(NamedTuple):
    """What guidance reads of a student's pass: its losses, logits and the map it has pooled."""

    losses: dict[str, Tensor]
    scores: Tensor
    features: Tensor


def _check_draws(model: nn.Module, key: str) -> None:
    """Refuse a network without a linear classifier of a pooled map."""
    head = getattr(model, "head", None)
    pooled = isinstance(getattr(model, "neck", None), GlobalAveragePooling)
    ours = isinstance(head, CAMHead) and type(head).class_scores is CAMHead.class_scores
    if not (ours or (isinstance(head, LinearClsHead) and pooled)):
        raise ValueError(
            f"{key}: its head is a {type(head).__name__}, expected one whose classifier draws maps:"
            " a wsol_mm.CAMHead (or a subclass with its classifier), or mmpretrain's "
            "LinearClsHead behind "
            "GlobalAveragePooling"
        )


def _features(model: nn.Module, images: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
    """What the head gets, and the backbone's last output, in one pass."""
    if not model.with_neck:
        feats = model.extract_feat(images)
        return feats, feats[-1]
    outputs = model.extract_feat(images, stage="backbone")
    return model.neck(outputs), outputs[-1]


def _class_maps(features: Tensor, head: nn.Module) -> Tensor:
    """Raw float32 maps (B, K, h, w) of all classes."""
    with full_precision(features):
        return torch.einsum("kc,bchw->bkhw", head.fc.weight.float(), features.float())
