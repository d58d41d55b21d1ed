"""KG-CI-CAM's experts: CI-CAM that also classifies the foreground and background it finds."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

from mmpretrain.structures import DataSample
from torch import Tensor

from wsol_mm.functional.masking import area_loss, difference_scores, foreground_masks
from wsol_mm.models.batch_norm import training_norms, untracked
from wsol_mm.models.classifiers.wsol_classifier import WSOLClassifier
from wsol_mm.models.heads.cam_head import target_labels
from wsol_mm.models.heads.causal_cam_head import CausalCAMHead
from wsol_mm.registry import MODELS

_BATCH_NORMS = ("clean", "separate")


@MODELS.register_module()
class CausalExpert(WSOLClassifier):
    """CI-CAM trained with masked copies of its own images, as one of KG-CI-CAM's two experts.

    Shao et al., KG-CI-CAM, sections III-C2 and III-C3. After the pass over the images, the combined
    map of the second branch, ranked by its predictions and never by the label, splits them into
    foreground and background. Masked images go through the network again, up to the logits of the
    first branch: no pool, no update of the pool. Masked pixels are 0 behind the normalisation. All
    passes learn; the masks are hard and do not.

    With every weight 0, and at test, it is :class:`wsol_mm.WSOLClassifier`: a pass is only made for
    a loss that needs it.

    Args:
        fore_weight: Of ``loss_fore``, the paper's mu: the foreground image tells the class (one
            pass more). The classification expert's.
        difference_weight: Of ``loss_difference`` (which is both terms of eq. 15), the paper's beta:
            foreground logits minus background logits tell the class, alone and averaged with the
            second branch's (two passes more). The localization expert's.
        area_weight: Of ``loss_area``, the mean of the combined map; eta and delta of the paper.
        threshold: Share of the map's maximum above which is foreground. The code released for
            localization experts on VGG-16 has 0, where the foreground is the whole image.
        masked_batch_norm: What masked images do to batch norms: ``clean`` (default) normalises each
            masked pass by its own statistics and leaves the running ones, which the test uses, to
            the images as they are; ``separate`` updates them in every pass, as released.
        **kwargs: Of :class:`wsol_mm.WSOLClassifier`, without ``erasing``; the head must be a
            :class:`wsol_mm.CausalCAMHead`.

    Raises:
        ValueError: A negative weight, a threshold outside [0, 1), an unknown choice, another head
            or ``erasing``.
    """

    def __init__(
        self,
        *,
        fore_weight: float = 0.0,
        difference_weight: float = 0.0,
        area_weight: float = 0.0,
        threshold: float = 0.15,
        masked_batch_norm: Literal["clean", "separate"] = "clean",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_causal(self)
        weights = {
            "fore_weight": fore_weight,
            "difference_weight": difference_weight,
            "area_weight": area_weight,
        }
        for key, weight in weights.items():
            if not weight >= 0:
                raise ValueError(f"{key}={weight}: expected 0 or more")
        if not 0 <= threshold < 1:
            raise ValueError(f"threshold={threshold}: expected a share in [0, 1)")
        if masked_batch_norm not in _BATCH_NORMS:
            raise ValueError(
                f"masked_batch_norm={masked_batch_norm!r}: expected one of {_BATCH_NORMS}"
            )
        self.fore_weight = fore_weight
        self.difference_weight = difference_weight
        self.area_weight = area_weight
        self.threshold = threshold
        self.masked_batch_norm = masked_batch_norm

    def loss(self, inputs: Tensor, data_samples: list[DataSample]) -> dict[str, Tensor]:
        """CI-CAM's losses, and those of ``loss_fore``, ``loss_difference``, ``loss_area`` in use.

        ``foreground_share``, where there are masks, is logged only: the share of pixels kept.
        """
        feats = self.extract_feat(inputs)
        labels = target_labels(data_samples, inputs.device)
        _, scores, enhanced, enhanced_scores = self.head.branches(feats, labels)
        losses = self.head.branch_losses(scores, enhanced_scores, data_samples)
        masked = bool(self.fore_weight or self.difference_weight)
        if not masked and not self.area_weight:
            return losses
        maps = self.head.combined_maps(enhanced, enhanced_scores)[:, 0]
        if masked:
            keep = foreground_masks(maps, inputs.shape[2:], self.threshold)
            losses["foreground_share"] = keep.mean()
            fore = self._masked_scores(inputs * keep)
        if self.fore_weight:
            losses["loss_fore"] = self.fore_weight * self._cross_entropy(fore, data_samples)
        if self.difference_weight:
            back = self._masked_scores(inputs * (1 - keep))
            told = difference_scores(enhanced_scores, fore, back)
            loss = sum(self._cross_entropy(each, data_samples) for each in told)
            losses["loss_difference"] = self.difference_weight * loss
        if self.area_weight:
            losses["loss_area"] = self.area_weight * area_loss(maps)
        return losses

    def _masked_scores(self, inputs: Tensor) -> Tensor:
        """First-branch logits (B, K) of masked images."""
        norms: AbstractContextManager = nullcontext()
        if self.masked_batch_norm == "clean":
            norms = untracked(training_norms(self))
        with norms:
            return self.head.first_branch(self.extract_feat(inputs))[1]

    def _cross_entropy(self, scores: Tensor, data_samples: list[DataSample]) -> Tensor:
        return self.head._get_loss(scores, data_samples)["loss"]


def check_causal(model: WSOLClassifier) -> None:
    """Refuse a classifier whose loss is not made of one batch's two branches.

    Raises:
        ValueError: Another head than :class:`wsol_mm.CausalCAMHead`, or ``erasing``.
    """
    name = type(model).__name__
    if not isinstance(model.head, CausalCAMHead):
        raise ValueError(
            f"{name}: model.head is a {type(model.head).__name__}, expected a "
            "wsol_mm.CausalCAMHead (pool='zero' takes the pool away)"
        )
    if model.erasing is not None:
        raise ValueError(f"{name} makes no erased branch: remove model.erasing")
