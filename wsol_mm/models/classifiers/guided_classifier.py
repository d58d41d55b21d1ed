"""KG-CI-CAM's student: CI-CAM guided by a classification expert and a localization expert."""

from collections.abc import Callable
from typing import Any, Literal

import torch
import torch.nn.functional as F
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from wsol_mm.functional.distillation import activation_guidance, draw_routes, logits_guidance
from wsol_mm.models.classifiers.expert_classifier import check_causal
from wsol_mm.models.classifiers.frozen_teacher import FrozenTeacher
from wsol_mm.models.classifiers.wsol_classifier import WSOLClassifier
from wsol_mm.models.heads.cam_head import CAMHead, target_labels
from wsol_mm.models.precision import full_precision
from wsol_mm.registry import MODELS

_ROUTINGS = ("all", "random")


@MODELS.register_module()
class GuidedClassifier(WSOLClassifier):
    """CI-CAM that learns from two frozen teachers and, with the share ``1 - alpha``, from labels.

    Shao et al., KG-CI-CAM, eq. 11: ``alpha (L_cls + L_loc) + (1 - alpha) L_causal``. Teachers see
    the student's augmented images. They are not part of the checkpoint, are read in
    ``init_weights`` (before a training starts or resumes) and do nothing at test. The first
    branch's own loss is the head's key ``rho``.

    Args:
        cls_teacher: ``dict(config=..., checkpoint=...)`` of any classifier of MMPretrain, see
            :class:`wsol_mm.models.classifiers.frozen_teacher.FrozenTeacher`. Its logits, of the
            second branch where it has two, guide those of the student's second branch.
        loc_teacher: The same, with a head whose linear classifier draws maps
            (:class:`wsol_mm.CAMHead` or a subclass, such as an expert's). Its class activation maps
            guide those of the second branch, of all classes.
        alpha: Share of the guidance, in [0, 1].
        cls_guidance: Arguments of
            :func:`wsol_mm.functional.distillation.logits_guidance`; by default at the paper's
            temperature 15 for CUB.
        loc_guidance: Arguments of
            :func:`wsol_mm.functional.distillation.activation_guidance`. Maps of another size than
            the student's are resized to it.
        routing: ``all`` (default): every image is guided by both, eq. 11. ``random`` (released
            code): by one of them or none, equally likely and drawn in every step; each teacher's
            loss is the mean over its own images. A teacher sees only images that it guides.
        **kwargs: Of :class:`wsol_mm.WSOLClassifier`, without ``erasing``; the head must be a
            :class:`wsol_mm.CausalCAMHead`.

    Raises:
        ValueError: No teacher, an alpha outside [0, 1], an unknown choice, a temperature that is
            not positive, a localization teacher that draws no maps, another head or ``erasing``.
    """

    def __init__(
        self,
        *,
        cls_teacher: dict | None = None,
        loc_teacher: dict | None = None,
        alpha: float = 0.8,
        cls_guidance: dict[str, Any] | None = None,
        loc_guidance: dict[str, Any] | None = None,
        routing: Literal["all", "random"] = "all",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_causal(self)
        if cls_teacher is None and loc_teacher is None:
            raise ValueError("GuidedClassifier needs cls_teacher or loc_teacher")
        if not 0 <= alpha <= 1:
            raise ValueError(f"alpha={alpha}: expected a share in [0, 1]")
        if routing not in _ROUTINGS:
            raise ValueError(f"routing={routing!r}: expected one of {_ROUTINGS}")
        self.alpha = alpha
        self.cls_guidance = {"temperature": 15.0, **(cls_guidance or {})}
        self.loc_guidance = {"temperature": 15.0, **(loc_guidance or {})}
        self.routing = routing
        # Wrong arguments are refused here, not in the first step.
        logits_guidance(torch.zeros(1, 1), torch.zeros(1, 1), **self.cls_guidance)
        maps = torch.zeros(1, 1, 1, 1)
        activation_guidance(maps, maps, **self.loc_guidance)
        # In a plain dict: nn.Module does not look into it.
        self.teachers = {
            kind: FrozenTeacher(f"{kind}_teacher", **settings)
            for kind, settings in (("cls", cls_teacher), ("loc", loc_teacher))
            if settings is not None
        }
        if "loc" in self.teachers:
            drawing = getattr(self.teachers["loc"].module, "head", None)
            if not isinstance(drawing, CAMHead):
                raise ValueError(
                    f"loc_teacher: its head is a {type(drawing).__name__}, expected a "
                    "wsol_mm.CAMHead or a subclass, whose classifier draws maps"
                )

    def init_weights(self) -> None:
        """Initialise the student and read the teachers' checkpoints."""
        super().init_weights()
        for teacher in self.teachers.values():
            teacher.load()

    def _apply(self, fn: Callable, recurse: bool = True) -> nn.Module:
        # What .to(), .cuda() and .half() go through.
        for teacher in self.teachers.values():
            teacher.apply(fn)
        return super()._apply(fn, recurse)

    def loss(self, inputs: Tensor, data_samples: list[DataSample]) -> dict[str, Tensor]:
        """CI-CAM's losses times ``1 - alpha``; ``loss_cls_guidance`` and ``loss_loc_guidance``."""
        feats = self.extract_feat(inputs)
        labels = target_labels(data_samples, inputs.device)
        _, scores, enhanced, enhanced_scores = self.head.branches(feats, labels)
        losses = self.head.branch_losses(scores, enhanced_scores, data_samples)
        losses = {
            key: (1 - self.alpha) * value if "loss" in key else value
            for key, value in losses.items()
        }
        if not self.alpha:
            return losses
        for kind, chosen in self._routes(inputs).items():
            images, student_scores = inputs[chosen], enhanced_scores[chosen]
            if not len(images):
                each = student_scores.sum(dim=1)
            elif kind == "cls":
                each = self._logits_guidance(images, student_scores)
            else:
                each = self._activation_guidance(images, enhanced[chosen])
            losses[f"loss_{kind}_guidance"] = self.alpha * each.sum() / max(len(images), 1)
        return losses

    def _routes(self, inputs: Tensor) -> dict[str, Tensor | slice]:
        """Which images each teacher guides."""
        if self.routing == "all":
            return dict.fromkeys(self.teachers, slice(None))
        routes = draw_routes(len(inputs), len(self.teachers)).to(inputs.device)
        return {
            kind: (routes == number).nonzero().flatten()
            for number, kind in enumerate(self.teachers, start=1)
        }

    def _logits_guidance(self, images: Tensor, scores: Tensor) -> Tensor:
        teacher = self.teachers["cls"]
        with torch.no_grad():
            images = teacher.renormalize(images, self.data_preprocessor)
            expert = teacher.module(images, mode="tensor")
        return logits_guidance(scores, expert, **self.cls_guidance)

    def _activation_guidance(self, images: Tensor, features: Tensor) -> Tensor:
        teacher = self.teachers["loc"]
        with torch.no_grad():
            images = teacher.renormalize(images, self.data_preprocessor)
            head = teacher.module.head
            expert = _class_maps(head.pre_logits(teacher.module.extract_feat(images)), head)
            if expert.shape[2:] != features.shape[2:]:
                expert = F.interpolate(
                    expert, features.shape[2:], mode="bilinear", align_corners=False
                )
        return activation_guidance(_class_maps(features, self.head), expert, **self.loc_guidance)


def _class_maps(features: Tensor, head: CAMHead) -> Tensor:
    """Raw float32 maps (B, K, h, w) of all classes."""
    with full_precision(features):
        return torch.einsum("kc,bchw->bkhw", head.fc.weight.float(), features.float())
